"""Checks on what a visitor types or sends, before anything else reads it."""

import base64
import io
import math
import unicodedata
from typing import TYPE_CHECKING, NoReturn

from app import i18n
from models.core.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_SENTENCE = 300  # characters; ScanRefer's longest description has fewer
MAX_TYPED = 10_000  # characters, white space and all, that are looked at
MAX_DRAWING = 400_000  # characters of a drawn mask; one of noise has 90,000
PNG_URL = "data:image/png;base64,"
MAX_LABEL = 40  # characters; ScanNet's longest label has fewer


def sentence(text: object) -> str:
    """A visitor's sentence, its white space made single.

    Raises UserError("sentence_empty"), ("sentence_long"), or ("sentence_language") when it has letters of
    another script than Latin and Chinese: the language model would be guessing.
    """
    if isinstance(text, str) and len(text) > MAX_TYPED:
        raise UserError("sentence_long", count=len(text), limit=MAX_SENTENCE)
    clean = _clean(text)
    if not clean:
        raise UserError("sentence_empty")
    if len(clean) > MAX_SENTENCE:
        raise UserError("sentence_long", count=len(clean), limit=MAX_SENTENCE)
    if _foreign(clean, "LATIN", "CJK UNIFIED"):
        raise UserError("sentence_language")
    return clean


def label(text: object) -> str:
    """What a visitor calls an object, in lower case as ScanNet does.

    Raises UserError("label_empty"), ("label_long"), or ("label_language"): labels are read in English only.
    """
    if isinstance(text, str) and len(text) > MAX_TYPED:
        raise UserError("label_long", count=len(text), limit=MAX_LABEL)
    clean = _clean(text).lower()
    if not clean:
        raise UserError("label_empty")
    if len(clean) > MAX_LABEL:
        raise UserError("label_long", count=len(clean), limit=MAX_LABEL)
    if _foreign(clean, "LATIN"):
        raise UserError("label_language")
    return clean


def _clean(text: object) -> str:
    """Without control characters, its white space made single; "" for what is no text."""
    if not isinstance(text, str):
        return ""
    clean = " ".join(text.split())
    return "".join(letter for letter in clean if unicodedata.category(letter)[0] != "C").strip()


def _foreign(text: str, *scripts: str) -> bool:
    """Whether a letter is of another script than these, by the names that Unicode gives letters."""
    names = (unicodedata.name(letter, "") for letter in text if letter.isalpha())
    return any(not any(script in name for script in scripts) for name in names)


def whole_number(value: object) -> int | None:
    """A whole number from a field that may hold anything, None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if math.isfinite(value) and value == int(value) else None


def drawing(url: object, side: int) -> "NDArray[np.bool_]":
    """What was drawn on a pad, from the PNG data URL that it sends: bool (side, side), True where light.

    "" or None is an empty drawing. Raises UserError("pad_broken") for anything else that no pad sends.
    """
    import numpy as np
    from PIL import Image

    if not url:
        return np.zeros((side, side), bool)
    if not isinstance(url, str) or not url.startswith(PNG_URL) or len(url) > MAX_DRAWING:
        raise UserError("pad_broken")
    try:
        data = base64.b64decode(url.removeprefix(PNG_URL), validate=True)
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            if image.size != (side, side):
                raise UserError("pad_broken")
            return np.asarray(image.convert("L")) > 127
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise UserError("pad_broken") from None


def png_url(data: bytes) -> str:
    """A PNG as the data URL that a pad takes and sends."""
    return PNG_URL + base64.b64encode(data).decode()


def number(value: object) -> float | None:
    """A number from a field that may hold anything, None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def flag(value: object, name: str) -> bool:
    """A yes or no from a field that may hold anything. Raises UserError("flag_wrong")."""
    if not isinstance(value, bool):
        raise UserError("flag_wrong", name=name)
    return value


def refusal(key: str) -> Exception:
    """The gr.Error that tells a sentence of "errors" in the language of the request that is being read."""
    import gradio as gr
    from gradio.context import LocalContext

    told = i18n.say(i18n.language(LocalContext.request.get(None)), f"errors.{key}")
    return gr.Error(told, print_exception=False)


def forbid_fetching() -> None:
    """Let no address that a client sends be fetched.

    Gradio downloads an http address that stands where an uploaded file should, and has no
    switch for it; every such download goes through this one function.
    """
    from gradio import processing_utils

    async def refuse(*_: object, **__: object) -> NoReturn:
        raise refusal("no_url")

    processing_utils.async_ssrf_protected_get = refuse
