"""How the page and the API tell a visitor something: plain sentences, and why something could not be done."""

from collections.abc import Callable
from html import escape
from typing import Any, TypeVar

import gradio as gr

from app.i18n import explain, language
from app.job_queue import in_plain_words
from app.session import Visit, Visits

Result = TypeVar("Result")


def html(value: Any = None, **more: Any) -> gr.HTML:
    """A piece of HTML that only our own stylesheet touches."""
    return gr.HTML(value, apply_default_css=False, **more)


def quiet(sentence: str) -> str:
    """A plain sentence as HTML."""
    return f'<p class="tl-quiet">{escape(sentence)}</p>'


def notice(sentence: str) -> str:
    """A sentence that a visitor has to read: what was wrong and how to go on."""
    return f'<p class="tl-notice" role="alert">{escape(sentence)}</p>' if sentence else ""


def why(request: gr.Request, error: Exception) -> str:
    """The notice that tells in the visitor's language why something could not be done."""
    return notice(explain(language(request), in_plain_words(error)))


def answered(visits: Visits, request: gr.Request, work: Callable[[Visit], Result]) -> Result:
    """What `work` gives to a client of the API, which gets the same sentence as a visitor where it fails."""
    try:
        with visits.during(request) as visit:
            return work(visit)
    except Exception as error:
        told = explain(language(request), in_plain_words(error))
        raise gr.Error(told, print_exception=False) from None
