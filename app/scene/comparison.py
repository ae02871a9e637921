"""Several methods of visual grounding asked side by side: the table, the boxes in the viewer."""

import base64
import json
from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr

from app.components import scene_view
from app.i18n import language, say
from app.messages import Updates, quiet
from app.scene import object_views, service, views
from app.scene.labels import note_said, numbered, shown
from app.scene.layout import SceneWidgets
from app.scene.session import SceneSession
from models.scene.grounding import base
from models.scene.grounding.base import Grounding, RankedObject
from models.scene.grounding.registry import GROUNDERS

# Colours that people with any colour vision tell apart (Okabe and Ito 2008), in the registry's order.
COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#d55e00", "#0072b2")
SHOWN = 5  # rows of a method's own table


def colour(method: str) -> str:
    """The colour that a method has in table, viewer and legend."""
    return COLOURS[list(GROUNDERS).index(method) % len(COLOURS)]


def answered(widgets: SceneWidgets, request: gr.Request, session: SceneSession, sentence: object) -> Updates:
    """What all methods that the visitor chose say of a sentence."""
    found = service.compare(session, sentence)
    name = language(request)
    return {
        widgets.view: scene_view.lay_over(overlay(found)),
        widgets.panel: panel(name, found, session.scan.name if session.scan else ""),
        widgets.object: object_views.nothing_looked_at(name, session),
    }


def overlay(found: Sequence[Grounding], picked: int | None = None) -> str:
    """What lies over the scan: each method's box in its colour, and the legend of a saved picture.

    Boxes around the same object lie in each other like shells, so that all are seen.
    """
    marks: list[dict[str, Any]] = []
    shells: dict[int, int] = {}
    for one in found:
        if one.best is None:
            continue
        if one.fits:  # the words decide that, so it is the same for all
            marks = [_alike(one.method, alike) for alike in one.ranked]
            break
        shell = shells[one.best.object_id] = shells.get(one.best.object_id, -1) + 1
        grown = 0.035 * shell
        low, high = one.best.box[:3], one.best.box[3:]
        box = [round(v - grown, 3) for v in low] + [round(v + grown, 3) for v in high]
        marks.append(
            {
                **{"id": one.best.object_id, "score": one.best.score, "box": box},
                **{"colour": colour(one.method), "method": GROUNDERS[one.method].title},
            }
        )
    legend = [
        {
            **{"colour": colour(one.method), "method": GROUNDERS[one.method].title},
            **{"id": one.best.object_id if one.best else None, "fits": len(one.fits)},
        }
        for one in found
    ]
    seen = next((one.standpoint for one in found if one.standpoint), None)  # the same for all that have one
    return scene_view.marks_payload(marks, legend, found[0].sentence if found else "", picked, seen)


def _alike(method: str, one: RankedObject) -> dict[str, Any]:
    return {
        **{"id": one.object_id, "score": one.score, "box": [round(value, 3) for value in one.box]},
        **{"colour": colour(method), "method": ""},
    }


def panel(name: str, found: Sequence[Grounding], scan: str) -> str:
    """The comparison as HTML: a row a method, who agrees with whom, and each one's own reasons."""
    heads = "".join(
        f'<th scope="col">{escape(say(name, f"scene.{key}"))}</th>'
        for key in ("method", "object", "score", "agrees", "seconds")
    )
    rows = "".join(_row(name, one, found) for one in found)
    own = "".join(_own(name, one) for one in found)
    table = f'<table class="tl-ranks tl-methods"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'
    return (
        f'<div class="tl-answer tl-compared" role="status">{_verdict(name, found)}{table}'
        f"<p>{_export(name, found, scan)}</p>{own}</div>"
    )


def _verdict(name: str, found: Sequence[Grounding]) -> str:
    """How many of the methods agree; or that several things fit, which no method can tell apart."""
    several = [one for each in found if each.fits for one in each.notes if one.key == "several_fit"]
    if several:
        return views.several_fit(name, several[0])
    votes: dict[int, int] = {}
    for one in found:
        if one.best:
            votes[one.best.object_id] = votes.get(one.best.object_id, 0) + 1
    most = max(votes.values(), default=0)
    key = "agree_all" if most == len(found) else "agree_some" if most > 1 else "agree_none"
    said = escape(say(name, f"scene.{key}", **_counts(key, most, len(found))))
    return f'<div class="tl-verdict"><b>{said}</b></div>'


def _counts(key: str, most: int, total: int) -> dict[str, int]:
    """The facts that a verdict tells."""
    return {"agree_all": {"total": total}, "agree_some": {"count": most, "total": total}}.get(key, {})


def _row(name: str, one: Grounding, found: Sequence[Grounding]) -> str:
    entry, best = GROUNDERS[one.method], one.best
    friends = [
        GROUNDERS[other.method].title
        for other in found
        if other is not one and best and other.best and other.best.object_id == best.object_id
    ]
    data = f' data-object="{best.object_id}" tabindex="0" aria-selected="false"' if best else ""
    score = f"{round(100 * best.score)} %" if best else "–"
    return (
        f'<tr data-method="{one.method}"{data}><th scope="row" title="{escape(entry.paper)}">'
        f'<i class="tl-swatch" style="background:{colour(one.method)}"></i>{escape(entry.title)}</th>'
        f"<td>{escape(_said(name, one))}</td><td>{score}</td>"
        f"<td>{escape(', '.join(friends) or '–')}</td><td>{one.seconds:.2f}</td></tr>"
    )


def _said(name: str, one: Grounding) -> str:
    return _named(name, one) if one.best else say(name, "scene.nothing")


def _named(name: str, one: Grounding) -> str:
    if one.best and one.fits:
        return f"{shown(name, one.best.label)} × {len(one.fits)}"
    return f"{shown(name, one.best.label)} {one.best.object_id}" if one.best else "–"


def _own(name: str, one: Grounding) -> str:
    """A method's own reasons, closed until its row is chosen."""
    entry = GROUNDERS[one.method]
    how = f"{entry.paper} · {one.checkpoint}"
    if one.reasons is not None:
        best = one.best.object_id if one.best else None
        body = views.panel(name, one.reasons, False, how, best)
    else:
        words = views.words(one.words) if one.words else quiet(say(name, "scene.no_words"))
        asked = quiet(say(name, "scene.asked_for", target=shown(name, one.target)))
        notes = "".join(quiet(note_said(name, note)) for note in (*one.proofs, *one.notes))
        body = asked + notes + words + _table(name, one.ranked) + f'<p class="tl-how">{escape(how)}</p>'
    summary = escape(say(name, "scene.own_reasons", method=entry.title))
    return f'<details data-method="{one.method}"><summary>{summary}</summary>{body}</details>'


def _table(name: str, ranked: Sequence[RankedObject]) -> str:
    terms = list(ranked[0].scores) if ranked else []
    heads = "".join(f'<th scope="col">{escape(say(name, f"scene.{term}"))}</th>' for term in terms)
    rows = "".join(
        f'<tr data-object="{one.object_id}" tabindex="0" aria-selected="false"><th scope="row"><i>{rank}</i> '
        f"{numbered(name, one.label, one.object_id)}</th>"
        f'<td class="tl-score" style="--w:{one.score:.3f}">{round(100 * one.score)} %</td>'
        + "".join(f"<td>{one.scores[term]:.2f}</td>" for term in terms)
        + "</tr>"
        for rank, one in enumerate(ranked[:SHOWN], start=1)
    )
    first = f'<th scope="col">{escape(say(name, "scene.object"))}</th>'
    score = f'<th scope="col">{escape(say(name, "scene.score"))}</th>'
    return (
        f'<table class="tl-ranks"><thead><tr>{first}{score}{heads}</tr></thead><tbody>{rows}</tbody></table>'
    )


def _export(name: str, found: Sequence[Grounding], scan: str) -> str:
    """A link that saves the whole comparison as JSON; the viewer's own button saves the picture."""
    plain = {"scan": scan, **as_json(found)}
    data = base64.b64encode(json.dumps(plain).encode()).decode()
    title = escape(say(name, "scene.compare_export"))
    link = f'download="comparison.json" href="data:application/json;base64,{data}"'
    return f'<a class="tl-export" {link}>{title}</a>'


def as_json(found: Sequence[Grounding]) -> dict[str, Any]:
    """{"methods": {name: answer}}, the form of the API and of the command line."""
    return {"methods": {one.method: base.as_json(one) for one in found}}
