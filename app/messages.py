"""How the page and the API tell a visitor something: plain sentences, and why something could not be done."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from typing import Any, TypeVar

import gradio as gr
from gradio.blocks import Block

from app.i18n import explain, language, say
from app.job_queue import in_plain_words
from app.scripts import script
from app.session import Kind, Visits
from models.core.notes import Note

Result = TypeVar("Result")
Updates = dict[Block, Any]  # new values of widgets; Gradio has no common type for values


def html(value: Any = None, **more: Any) -> gr.HTML:
    """A piece of HTML that only our own stylesheet touches."""
    return gr.HTML(value, apply_default_css=False, **more)


def hears_language() -> gr.HTML:
    """An invisible piece whose `spoken` event tells that the visitor changed the language."""
    return html(js_on_load=script("language"), elem_classes="tl-hears")


def about(name: str, lab: str) -> str:
    """A button that opens the model cards of a lab in a window, in a language."""
    return (
        f'<p><button type="button" class="tl-more-about" data-about="cards?lab={lab}">'
        f"{escape(say(name, 'page.cards'))}</button></p>"
    )


def quiet(sentence: str) -> str:
    """A plain sentence as HTML."""
    return f'<p class="tl-quiet">{escape(sentence)}</p>'


def notice(sentence: str) -> str:
    """A sentence that a visitor has to read: what was wrong and how to go on."""
    return f'<p class="tl-notice" role="alert">{escape(sentence)}</p>' if sentence else ""


def making(name: str, part: str, rows: Mapping[str, str]) -> str:
    """How something was made, folded away: a line a row that isn't empty, as HTML.

    name: the language. part: of the words, which has the title "log" and the rows' keys.
    """
    body = "".join(
        f"<dt>{escape(say(name, f'{part}.{key}'))}</dt><dd>{escape(value)}</dd>"
        for key, value in rows.items()
        if value
    )
    title = escape(say(name, f"{part}.log"))
    return f'<details class="tl-log"><summary>{title}</summary><dl>{body}</dl></details>'


def settled(steps: Iterator[Updates]) -> Iterator[Updates]:
    """The steps, and at the end once more what each widget was told last.

    Of updates that come close together a busy browser leaves some out, and then a frame is missing.
    """
    last: Updates = {}
    for step in steps:
        for widget, update in step.items():
            before = last.get(widget)
            known = before if isinstance(before, dict) else {}
            # A dict of its own: Gradio takes the value out of the one that it is given.
            last[widget] = {**known, **update} if isinstance(update, dict) else update
        yield step
    yield last


def notes(request: gr.Request, found: Sequence[Note]) -> str:
    """What was read of a file otherwise than a visitor may think, a quiet line a note; "" for nothing."""
    name = language(request)
    return "".join(quiet(say(name, f"notes.{one.key}", **one.facts)) for one in found)


def why(request: gr.Request, error: Exception) -> str:
    """The notice that tells in the visitor's language why something could not be done."""
    return notice(explain(language(request), in_plain_words(error)))


def answered(visits: Visits, request: gr.Request, kind: type[Kind], work: Callable[[Kind], Result]) -> Result:
    """What `work` gives to a client of the API, which gets the same sentence as a visitor where it fails.

    kind: the lab's session that `work` takes.
    """
    try:
        with visits.during(request) as visit:
            return work(visit.lab(kind))
    except Exception as error:
        told = explain(language(request), in_plain_words(error))
        raise gr.Error(told, print_exception=False) from None
