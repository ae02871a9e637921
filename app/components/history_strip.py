"""The history strip: what was made earlier in a row that scrolls sideways, the newest first.

It knows no lab: it gets `Past`s. It shows nothing as long as there are none:

    strip = HistoryStrip(words=...)
    strip.choose(fn)                    # fn(event: gr.EventData): read_number(event)
    strip.returned(fn)                  # the page was loaded again or speaks otherwise: read_key(event)
    return show(key, pasts, current)    # key: by which a page that is loaded again finds them
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from app.components.component import Component
from app.components.result_strip import picture_url

# What the strip says. A page passes what its own works are called.
WORDS = {"title": "Made earlier"}
SIDE = 96  # pixels of the longer side of a small picture


@dataclass(frozen=True)
class Past:
    """One work. number: by which it is asked for. title, lines: plain text. pictures: data URLs."""

    number: int
    title: str
    lines: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()


class HistoryStrip(Component):
    """The strip as a Gradio component. words: what it says, keys as in WORDS."""

    NAME, WORDS = "history_strip", WORDS

    def fixed(self) -> dict[str, Any]:
        """See `Component`."""
        return {"name": self.elem_id}

    def __init__(self, value: str | None = "", *, elem_id: str, **more: Any) -> None:
        self.elem_id = elem_id
        super().__init__(value, elem_id=elem_id, elem_classes="tl-history", **more)


def show(key: str, pasts: Sequence[Past], current: int | None = None) -> dict[str, Any]:
    """The update that shows these works. current: number of the one that the page shows, None: as before."""
    return gr.update(
        value=json.dumps({"key": key, "pasts": [asdict(one) for one in pasts], "current": current})
    )


def read_number(event: gr.EventData) -> int | None:
    """The number of the work that was chosen in a browser, None where what it sent is none."""
    number = _read(event, "number")
    return number if type(number) is int else None


def read_key(event: gr.EventData) -> str | None:
    """The key that a browser remembered, None where what it sent is none."""
    key = _read(event, "key")
    return key if isinstance(key, str) else None


def _read(event: gr.EventData, name: str) -> object:
    data = getattr(event, "_data", None)
    return data.get(name) if isinstance(data, dict) else None


def small(picture: NDArray[np.uint8]) -> str:
    """An RGB image (H, W, 3) as a small picture's data URL."""
    from PIL import Image

    image = Image.fromarray(picture)
    image.thumbnail((SIDE, SIDE))
    return picture_url(np.asarray(image))


def jpeg_url(data: bytes) -> str:
    """A small JPEG as a data URL."""
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()
