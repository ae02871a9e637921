"""The result strip: pictures as they come, each with outlines over it and what is to be said of it.

It knows no lab: it gets `Card`s. Each finished card travels by itself, once, and so does the one that is
being made; the value is the number of cards to show:

    strip = ResultStrip(words=...)
    strip.choose(fn)                         # fn(event: gr.EventData): read_choice(event), the card's place
    yield clear()
    yield preview(image, 0.4, "Frame 1 of 4")
    yield add(0, card)
    yield settle()                           # nothing more is being made
"""

import base64
import io
import json
from dataclasses import asdict, dataclass
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from app.components.component import Component

# What the strip says. A page passes its translations of the same keys.
WORDS = {
    "empty": "Draw a polyp and press “Draw frames”. They appear here, one after another.",
    "mark": "SYNTHETIC",
    "drawn": "As drawn",
    "found": "As the segmenter finds it",
    "enlarge": "Enlarge frame {number}",
    "picture": "Synthetic frame {number}",
    "choose": "Compare models",
    "previous": "Previous",
    "next": "Next",
    "close": "Close",
}


MOST = 16  # cards


@dataclass(frozen=True)
class Card:
    """A picture. image: a data URL. drawn, found: SVG paths in its pixels, "" for none.

    size: of its sides in pixels. title, lines: plain text under it.
    """

    image: str
    size: int
    drawn: str
    found: str
    title: str
    lines: tuple[str, ...]


class ResultStrip(Component):
    """The strip as a Gradio component. words: what it says, keys as in WORDS. The event is `choose`."""

    NAME, WORDS = "result_strip", WORDS

    def at_first(self) -> dict[str, str]:
        """See `Component`."""
        return {"preview": "", **{f"card_{place}": "" for place in range(MOST)}}


def clear() -> dict[str, Any]:
    """The update that shows no card and no preview."""
    return gr.update(value="0", preview="")


def add(place: int, card: Card) -> dict[str, Any]:
    """The update that shows one more finished card, behind `place` others, and no preview."""
    props: dict[str, Any] = {f"card_{place}": json.dumps(asdict(card))}
    return gr.update(value=str(place + 1), preview="", **props)


def settle() -> dict[str, Any]:
    """The update that shows the finished cards alone."""
    return gr.update(preview="")


def preview(image: str, fraction: float, text: str) -> dict[str, Any]:
    """The update that shows what is being made after the finished cards. image: a data URL or ""."""
    return gr.update(preview=json.dumps({"image": image, "fraction": round(fraction, 3), "text": text}))


def read_choice(event: gr.EventData) -> int | None:
    """The place of the card that was chosen in a browser, or None where what it sent is not one."""
    data = getattr(event, "_data", None)
    place = data.get("place") if isinstance(data, dict) else None
    return place if type(place) is int and place >= 0 else None


def picture_url(image: NDArray[np.uint8]) -> str:
    """An RGB image (H, W, 3) as a data URL, a JPEG that keeps colours at full resolution."""
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(image).save(data, "JPEG", quality=93, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()


def outline_path(mask: NDArray[np.bool_]) -> str:
    """The outlines of a mask (H, W) as an SVG path in its pixels, "" where it is empty."""
    import cv2

    edges, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    pieces = []
    for edge in edges:
        points = edge.reshape(-1, 2)
        pieces.append("M" + "L".join(f"{x + 0.5:g} {y + 0.5:g}" for x, y in points) + "Z")
    return "".join(pieces)
