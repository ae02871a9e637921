"""Checks on what a visitor types or sends, before anything else reads it."""

import unicodedata
from typing import NoReturn

from app import words
from models.core.errors import UserError

MAX_SENTENCE = 300  # characters; ScanRefer's longest description has fewer


def sentence(text: object) -> str:
    """A visitor's sentence, its white space made single.

    Raises UserError("sentence_empty"), ("sentence_long"), or ("sentence_language") when it
    has letters of another script than Latin: the language model would be guessing.
    """
    clean = " ".join(text.split()) if isinstance(text, str) else ""
    clean = "".join(letter for letter in clean if unicodedata.category(letter)[0] != "C")
    if not clean:
        raise UserError("sentence_empty")
    if len(clean) > MAX_SENTENCE:
        raise UserError("sentence_long", count=len(clean), limit=MAX_SENTENCE)
    if any(letter.isalpha() and "LATIN" not in unicodedata.name(letter, "") for letter in clean):
        raise UserError("sentence_language")
    return clean


def forbid_fetching() -> None:
    """Let no address that a client sends be fetched.

    Gradio downloads an http address that stands where an uploaded file should, and has no
    switch for it; every such download goes through this one function.
    """
    import gradio as gr
    from gradio import processing_utils
    from gradio.context import LocalContext

    async def refuse(*_: object, **__: object) -> NoReturn:
        raise gr.Error(words.say(words.language(LocalContext.request.get(None)), "errors.no_url"))

    processing_utils.async_ssrf_protected_get = refuse
