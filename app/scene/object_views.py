"""Two cards of the scene lab as HTML: the object that is looked at, and the room with its objects."""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from html import escape

import numpy as np

from app.i18n import say
from app.messages import quiet
from app.scene.labels import note_said, numbered, shown
from app.scene.session import SceneSession
from app.validation import MAX_LABEL
from models.core.progress import Progress
from models.scene.captioning.faithfulness import judge
from models.scene.captioning.metrics import caption_words
from models.scene.captioning.registry import CAPTIONERS
from models.scene.chinese.caption import in_chinese
from models.scene.data.scan import Instance, Scan
from models.scene.objects.object_set import Objects
from models.scene.synthetic_language.vocabulary import STRUCTURE
from models.scene.types import Anchor, Caption, as_scan2cap

NEAR = 60  # objects that can be merged with, nearest first


def looked_at(
    language: str,
    session: SceneSession,
    found: Instance,
    said: Caption | None,
    how: str,
    repairing: bool = False,
    mute: bool = False,
    compared: Mapping[str, Caption] | None = None,
) -> str:
    """The card of an object.

    said: None while words are found, or where there will be none (mute). how: the checkpoint that said it.
    repairing: the tools are open. compared: what several methods say, by their names.
    """
    name = f"<b>{numbered(language, found.label, found.id)}</b>"
    sure = (
        f"<span>{escape(say(language, 'scene.confidence', percent=_percent(found.confidence)))}</span>"
        if found.confidence < 1
        else ""
    )
    # A colour that the scan doesn't tell isn't shown.
    swatch = _swatch(language, found) if session.scan is None or session.scan.coloured else ""
    parts = [f'<p class="tl-picked">{name}{sure}{_size(language, found)}{swatch}</p>']
    if said is not None and session.scan is not None:
        parts += _said(language, session.scan, said, how)
        if compared:
            parts.append(_compared(language, session.scan, compared))
    elif not mute:
        parts.append(f'<p class="tl-caption tl-saying">{escape(say(language, "scene.saying"))}</p>')
    parts.append(_tools(language, session, found, repairing))
    return f'<article class="tl-object" data-id="{found.id}">{"".join(parts)}</article>'


def nothing_looked_at(language: str, session: SceneSession) -> str:
    """The card's place where no object is chosen: only what can be undone."""
    if not session.edits:
        return ""
    return f'<article class="tl-object">{_undo(language, session)}</article>'


def _size(language: str, found: Instance) -> str:
    edges = found.box[3:] - found.box[:3]
    size = dict(zip("xyz", (f"{edge:.2f}" for edge in edges), strict=True))
    return f"<span>{escape(say(language, 'scene.size', **size))}</span>"


def _swatch(language: str, found: Instance) -> str:
    red, green, blue = (int(value) for value in found.colour)
    return (
        f'<span class="tl-swatch" style="--c:rgb({red},{green},{blue})" role="img" '
        f'aria-label="{escape(say(language, "scene.colour"))} rgb({red}, {green}, {blue})"></span>'
    )


def doubts(scan: Scan, said: Caption) -> list[str]:
    """What of a caption the scan contradicts: "colour", "class", "neighbour", "side" (`claims.judge`)."""
    few = np.zeros((len(scan.instances), 1), np.float32)  # vectors, which no claim is judged by
    boxes = np.stack([one.box for one in scan.instances]).astype(np.float32)
    objects = Objects(
        ids=np.array([one.id for one in scan.instances]),
        labels=tuple(one.label for one in scan.instances),
        names=few,
        boxes=boxes,
        colours=(np.stack([one.colour for one in scan.instances])[:, :3] / 255).astype(np.float32),
        confidence=np.array([one.confidence for one in scan.instances], np.float32),
        shapes=few,
        room=np.concatenate([boxes[:, :3].min(0), boxes[:, 3:].max(0)]),
    )
    place = next(n for n, one in enumerate(scan.instances) if one.id == said.object_id)
    verdict = judge(caption_words(said.text), objects, place, {one.label for one in scan.instances})
    return [sort for sort, right in verdict.items() if right is False]


def _doubt(language: str, scan: Scan, said: Caption) -> str:
    """A sentence, as HTML, about what the scan contradicts; "" where it contradicts nothing."""
    wrong = [say(language, f"scene.claim_{sort}") for sort in doubts(scan, said)]
    return escape(say(language, "scene.disagrees", claims=", ".join(wrong))) if wrong else ""


def _said(language: str, scan: Scan, said: Caption, how: str) -> Iterable[str]:
    if not said.checkpoint:  # its label says it
        yield f'<p class="tl-caption" role="status">{_caption(language, said.text)}</p>'
        return
    best = f"{_caption(language, said.text)} {_odds(language, said.likely[0])}"
    # What the boxes prove is not doubted: a rank by distance needs no nearness.
    wrong = "" if said.likely[0] is None else _doubt(language, scan, said)
    yield f'<p class="tl-caption{" tl-doubted" if wrong else ""}" role="status">{best}</p>'
    if wrong:
        yield f'<p class="tl-doubt">{wrong}</p>'
    others = "".join(
        f"<li>{_caption(language, text)} {_odds(language, odds)}</li>"
        for text, odds in zip(said.others, said.likely[1:], strict=False)
    )
    if others:
        title = escape(say(language, "scene.others"))
        yield f'<section><h3>{title}</h3><ul class="tl-others">{others}</ul></section>'
    if said.anchors:
        chips = "".join(_chip(language, anchor) for anchor in said.anchors)
        title = escape(say(language, "scene.read_from"))
        yield f'<section><h3>{title}</h3><p class="tl-anchors">{chips}</p></section>'
    took = say(language, "scene.took", seconds=f"{said.seconds:.2f}")
    yield f'<p class="tl-how">{escape(took)}<span>{escape(how)}</span></p>'


def _compared(language: str, scan: Scan, captions: Mapping[str, Caption]) -> str:
    """A row a method: what its network says by itself, before the listener chooses."""
    heads = "".join(
        f'<th scope="col">{escape(say(language, f"scene.{key}"))}</th>'
        for key in ("method", "caption", "seconds")
    )
    rows = ""
    for method, said in captions.items():
        entry, (text, odds) = CAPTIONERS[method], own_words(said)
        wrong = _doubt(language, scan, replace(said, text=text))
        doubt = f'<i class="tl-doubt">{wrong}</i>' if wrong else ""
        rows += (
            f'<tr data-method="{escape(method)}"><th scope="row" title="{escape(entry.paper)}">'
            f"{escape(entry.title)}</th><td>{_caption(language, text)} "
            f"{_odds(language, odds)}{doubt}</td><td>{said.seconds:.2f}</td></tr>"
        )
    title = escape(say(language, "scene.captions_compared"))
    table = (
        f'<table class="tl-ranks tl-captions"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'
    )
    return f"<section><h3>{title}</h3>{table}</section>"


def own_words(said: Caption) -> tuple[str, float | None]:
    """The likeliest caption of the network itself, and the mean probability of its words."""
    rows = zip((said.text, *said.others), said.likely, strict=True)
    return max(rows, key=lambda row: -1.0 if row[1] is None else row[1])


def _caption(language: str, text: str) -> str:
    """A caption, in Chinese on a Chinese page where it has a counterpart; the English is its title then."""
    chinese = in_chinese(text) if language.startswith("zh") else None
    if chinese is None:
        return f'<span lang="en">{escape(text)}</span>'
    return f'<span lang="zh-CN" title="{escape(text)}">{escape(chinese)}</span>'


def _odds(language: str, odds: float | None) -> str:
    if odds is None:
        return f"<i>{escape(say(language, 'scene.proven'))}</i>"
    told = escape(say(language, "scene.word_odds", percent=_percent(odds)))
    return f'<i title="{escape(say(language, "scene.word_odds_help"))}">{told}</i>'


def _chip(language: str, anchor: Anchor) -> str:
    return (
        f'<button type="button" class="tl-anchor" data-object="{anchor.object_id}">'
        f"{numbered(language, anchor.label, anchor.object_id)} <i>{_percent(anchor.weight)}</i></button>"
    )


def _tools(language: str, session: SceneSession, found: Instance, repairing: bool) -> str:
    """Rename, merge, delete, undo; folded away."""
    word = {key: escape(say(language, f"scene.{key}")) for key in ("rename", "merge", "delete", "label")}
    merge = _merge(language, session, found, word["merge"])
    return (
        f'<details class="tl-repair"{" open" if repairing else ""}>'
        f"<summary>{escape(say(language, 'scene.repair'))}</summary>"
        f'<form data-do="rename"><input name="value" value="{escape(found.label)}" maxlength="{MAX_LABEL}" '
        f'aria-label="{word["label"]}" autocomplete="off" spellcheck="false">'
        f"<button>{word['rename']}</button></form>"
        f'{merge}<button type="button" data-do="delete">{word["delete"]}</button></details>'
        f"{_undo(language, session)}"
    )


def _merge(language: str, session: SceneSession, found: Instance, word: str) -> str:
    others = _nearest(session.scan, found)
    if not others:
        return ""
    told = escape(say(language, "scene.merge_with"))
    options = "".join(
        f'<option value="{one.id}">{escape(shown(language, one.label))} {one.id}</option>' for one in others
    )
    return (
        f'<form data-do="merge"><select name="value" aria-label="{told}" title="{told}">{options}</select>'
        f"<button>{word}</button></form>"
    )


def _undo(language: str, session: SceneSession) -> str:
    if not session.edits:
        return ""
    count = escape(say(language, "scene.repairs", count=len(session.edits)))
    return (
        f'<p class="tl-undo"><span>{count}</span>'
        f'<button type="button" data-do="undo">{escape(say(language, "scene.undo"))}</button></p>'
    )


def _nearest(scan: Scan | None, found: Instance) -> list[Instance]:
    """The other objects by the gap between the boxes; floor and walls, which are near all, come last."""

    def gap(one: Instance) -> float:
        between = np.maximum(one.box[:3] - found.box[3:], found.box[:3] - one.box[3:])
        return float(np.linalg.norm(np.maximum(between, 0)))

    others = [one for one in scan.instances if one.id != found.id] if scan else []
    return sorted(others, key=lambda one: (one.label in STRUCTURE, gap(one)))[:NEAR]


def facts(language: str, session: SceneSession, scan: Scan) -> str:
    """What is known of the scan that is open: objects, points, and what was guessed of its file."""
    key = "opened_found" if session.found else "opened" if scan.instances else "opened_bare"
    told = [say(language, f"scene.{key}", objects=len(scan.instances), points=f"{len(scan.vertices):,}")]
    if not session.shipped:
        told.append(say(language, "scene.unit", unit=scan.unit))
    if session.tilt is not None:
        upright = session.tilt < 0.5
        told.append(
            say(language, "scene.upright")
            if upright
            else say(language, "scene.tilt", degrees=f"{session.tilt:.0f}")
        )
    notes = "".join(quiet(note_said(language, one)) for one in scan.notes)
    return quiet(" · ".join(told)) + notes


def room(language: str, session: SceneSession, at_work: bool = False, selected: int | None = None) -> str:
    """The card of the room. at_work: it is being described. selected: id of the row that is lit."""
    scan = session.scan
    if scan is None:
        return ""
    if not scan.instances:
        # Where all that was found was deleted there is nothing to find anew: what can be undone stands above.
        lead = quiet(say(language, "scene.find_lead"))
        return "" if session.edits else _room(language, lead + _button(language, "find_objects", "find"))
    parts = []
    if session.found:
        parts.append(quiet(say(language, "scene.found_note")))
    total = sum(one.label not in STRUCTURE for one in scan.instances)
    done = say(language, "scene.described", count=len(session.captions), total=total)
    if at_work:
        parts.append(_doing(done, _button(language, "stop", "stop")))
    elif session.captions:
        again = _button(language, "describe_again", "describe")
        parts.append(_doing(done, _export(language, scan, session.captions) + again))
    else:
        lead = say(language, "scene.describe_lead")
        parts.append(_doing(lead, _button(language, "describe", "describe")))
    parts.append(_list(language, session, scan, selected))
    return _room(language, "".join(parts))


def looking_for_objects(language: str, progress: Progress) -> str:
    """The card of the room while its objects are found."""
    done = round(100 * progress.fraction)
    doing = _doing(say(language, f"progress.{progress.key}"), _button(language, "stop", "stop"))
    bar = f'role="progressbar" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{done}"'
    return _room(language, f'{doing}<div class="tl-bar" {bar}><i style="width:{max(done, 3)}%"></i></div>')


def _doing(told: str, controls: str) -> str:
    return f'<p class="tl-doing"><span role="status">{escape(told)}</span>{controls}</p>'


def _room(language: str, body: str) -> str:
    return f'<article class="tl-room"><h3>{escape(say(language, "scene.room"))}</h3>{body}</article>'


def _button(language: str, key: str, do: str) -> str:
    return f'<button type="button" data-do="{do}">{escape(say(language, f"scene.{key}"))}</button>'


def _list(language: str, session: SceneSession, scan: Scan, selected: int | None) -> str:
    """A row an object, and a field to search them by; floor and walls only where a network found them."""
    said = {one.object_id: one.text for one in session.captions}
    shown = [one for one in scan.instances if session.found or one.label not in STRUCTURE]
    rows = "".join(
        _row(language, one, said.get(one.id, ""), session.found, one.id == selected) for one in shown
    )
    search = escape(say(language, "scene.search"))
    return (
        f'<input type="search" class="tl-search" placeholder="{search}" aria-label="{search}">'
        f'<ol class="tl-list" title="{escape(say(language, "scene.fly"))}">{rows}</ol>'
    )


def _row(language: str, one: Instance, text: str, found: bool, lit: bool) -> str:
    sure = f"<i>{_percent(one.confidence)}</i>" if found else ""
    caption, name = _caption(language, text) if text else "", shown(language, one.label)
    named = f' data-label="{escape(one.label)}"' if name != one.label else ""  # is searched too
    return (
        f'<li data-object="{one.id}"><button type="button" aria-pressed="{str(lit).lower()}">'
        f"<b{named}>{escape(name)}&nbsp;{one.id}</b> {sure}{caption}</button></li>"
    )


def _export(language: str, scan: Scan, captions: Sequence[Caption]) -> str:
    """A link that holds the file itself: Scan2Cap's form."""
    body = json.dumps(as_scan2cap(scan.name, captions), ensure_ascii=False, indent=1).encode()
    return (
        f'<a download="captions.json" href="data:application/json;base64,{base64.b64encode(body).decode()}">'
        f"{escape(say(language, 'scene.export'))}</a>"
    )


def _percent(share: float) -> str:
    return f"{round(100 * float(share))} %"
