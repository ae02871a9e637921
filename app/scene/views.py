"""An answer of the scene lab as HTML: the verdict, the words, the anchors, the ranked table."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from app.i18n import say
from app.messages import quiet
from app.scene.labels import note_said, numbered, shown
from models.core.notes import Note
from models.scene.types import Answer, Candidate

SHOWN = 8  # rows of the table
IN_VERDICT = ("several_fit", "too_few")  # notes that the verdict tells
SURE = 0.5  # an answer below this probability is told as a guess


def waiting(language: str) -> str:
    """What stands in the panel before the first question."""
    return quiet(say(language, "scene.waiting"))


def panel(language: str, answer: Answer, stored: bool, checkpoint: str, selected: int | None) -> str:
    """The whole panel. `selected`: id of the row that is lit; `checkpoint`: name and hash as shown."""
    parts = [_verdict(language, answer)]
    notes = [one for one in (*answer.proofs, *answer.notes) if one.key not in IN_VERDICT]
    parts += [quiet(note_said(language, one)) for one in notes]
    if answer.words:
        parts.append(_section(say(language, "scene.words"), words(answer.words)))
    if answer.candidates:
        parts.append(_section(say(language, "scene.candidates"), _table(language, answer, selected)))
    if answer.candidates and not answer.fits:
        parts.append(
            '<div class="tl-pair">'
            + _section(say(language, "scene.anchors"), _anchors(language, answer))
            + _section(say(language, "scene.where"), _floor(language, answer))
            + "</div>"
        )
    parts.append(_how(language, answer, stored, checkpoint))
    return f'<div class="tl-answer">{"".join(parts)}</div>'


def _section(title: str, body: str) -> str:
    return f"<section><h3>{escape(title)}</h3>{body}</section>"


def _verdict(language: str, answer: Answer) -> str:
    several = next((one for one in answer.notes if one.key == "several_fit"), None)
    if several is not None and answer.fits:
        return several_fit(language, several)
    if not answer.candidates:
        why = say(language, "scene.nothing_understood")
        if answer.missing:
            why = say(language, "scene.nothing_named", missing=shown(language, answer.missing))
        for one in answer.notes:
            if one.key == "too_few":
                why = note_said(language, one)
        return (
            f'<div class="tl-verdict tl-none" role="status"><b>{escape(say(language, "scene.nothing"))}</b>'
            f"<p>{escape(why)}</p></div>"
        )
    best = answer.candidates[0]
    sure = escape(say(language, "scene.sure", percent=_percent(best.score)))
    unsure = best.score < SURE
    perhaps = f"<i>{escape(say(language, 'scene.perhaps'))}</i> " if unsure else ""
    heard = " ".join(word for word, _ in answer.words)  # the sentence in English
    label = shown(language, best.label)
    asked = "" if _named(best.label, heard) else say(language, "scene.called", label=label)
    return (
        f'<div class="tl-verdict{" tl-unsure" if unsure else ""}" role="status">'
        f"<b>{perhaps}{numbered(language, best.label, best.object_id)}</b>"
        f"<span>{sure}</span>{f'<p>{escape(asked)}</p>' if asked else ''}</div>"
    )


def several_fit(language: str, found: Note) -> str:
    """The verdict where a sentence fits several things alike."""
    title = escape(note_said(language, found, "scene.several_fit"))
    more = escape(say(language, "scene.several_fit_help"))
    return f'<div class="tl-verdict tl-unsure" role="status"><b>{title}</b><p>{more}</p></div>'


def _named(label: str, sentence: str) -> bool:
    """Whether the sentence says the label, or its last word."""
    said = {word.strip(".,;:!?").rstrip("s") for word in sentence.lower().split()}
    return label.lower().split()[-1].rstrip("s") in said


def words(read: Iterable[tuple[str, float]]) -> str:
    """The words of a sentence, each as strong as it was listened to."""
    marks = (
        f'<mark style="--w:{min(max(weight, 0.0), 1.0):.2f}" title="{weight:.2f}">{escape(word)}</mark>'
        for word, weight in read
    )
    return f'<p class="tl-words" lang="en">{" ".join(marks)}</p>'


def _anchors(language: str, answer: Answer) -> str:
    if not answer.anchors:
        return quiet(say(language, "scene.no_anchors"))
    chips = (
        f'<button type="button" class="tl-anchor" data-object="{anchor.object_id}">'
        f"{numbered(language, anchor.label, anchor.object_id)} <i>{_percent(anchor.weight)}</i></button>"
        for anchor in answer.anchors
    )
    return f'<p class="tl-anchors">{" ".join(chips)}</p>'


def _floor(language: str, answer: Answer) -> str:
    """The 3 x 3 floor plan, north (high y) on top as in the viewer's top view."""
    peak = max((value for row in answer.cells for value in row), default=0.0) or 1.0
    squares = "".join(
        f'<i style="--w:{answer.cells[y][x] / peak:.2f}"{_here(answer, x, y)} '
        f'title="{_percent(answer.cells[y][x])}"></i>'
        for y in reversed(range(len(answer.cells)))
        for x in range(len(answer.cells[y]))
    )
    help_ = escape(say(language, "scene.where_help"))
    return f'<div class="tl-floor" role="img" aria-label="{help_}" title="{help_}">{squares}</div>'


def _here(answer: Answer, x: int, y: int) -> str:
    return ' class="tl-here"' if answer.cell == (x, y) else ""


def _table(language: str, answer: Answer, selected: int | None) -> str:
    scores = ("attribute", "relation", "location")
    spans = {name: _span([getattr(one, name) for one in answer.candidates]) for name in scores}
    heads = "".join(
        f'<th scope="col" title="{escape(say(language, f"scene.{name}_help"))}">'
        f"{escape(say(language, f'scene.{name}'))}</th>"
        for name in scores
    )
    rows = "".join(
        _row(language, rank, one, spans, one.object_id == selected)
        for rank, one in enumerate(answer.candidates[:SHOWN], start=1)
    )
    more = len(answer.candidates) - SHOWN
    tail = quiet(say(language, "scene.more", count=more)) if more > 0 else ""
    return (
        f'<table class="tl-ranks"><thead><tr><th scope="col">{escape(say(language, "scene.object"))}</th>'
        f'<th scope="col">{escape(say(language, "scene.score"))}</th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table>{tail}"
    )


def _row(language: str, rank: int, one: Candidate, spans: dict[str, tuple[float, float]], lit: bool) -> str:
    cells = "".join(_bar(getattr(one, name), *span) for name, span in spans.items())
    return (
        f'<tr data-object="{one.object_id}"><th scope="row">'
        f'<button type="button" aria-pressed="{str(lit).lower()}"><i>{rank}</i> '
        f"{numbered(language, one.label, one.object_id)}</button></th>"
        f'<td class="tl-score" style="--w:{one.score:.3f}">{_percent(one.score)}</td>{cells}</tr>'
    )


def _bar(value: float, low: float, high: float) -> str:
    share = (value - low) / (high - low) if high > low else 1.0
    return f'<td style="--w:{share:.3f}">{value:.2f}</td>'


def _span(values: Sequence[float]) -> tuple[float, float]:
    """Ends of the bars: from nothing (or the lowest score below it) to the highest."""
    return min(0.0, *values), max(values)


def _how(language: str, answer: Answer, stored: bool, checkpoint: str) -> str:
    took = say(language, "scene.took", seconds=f"{answer.seconds:.2f}")
    if stored:
        took += f" ({say(language, 'scene.cached')})"
    return f'<p class="tl-how">{escape(took)}<span>{escape(checkpoint)}</span></p>'


def _percent(share: Any) -> str:
    return f"{round(100 * float(share))} %"
