"""The result strip: pictures as they come, each with outlines over it and what is to be said of it.

It knows no lab: it gets `Card`s. Each finished card travels by itself, once, and so does the one that is
being made; the value is the number of cards to show:

    strip = ResultStrip(words=...)
    strip.choose(fn)                         # fn(event: gr.EventData): read_choice(event)
    yield show(cards, table)                 # finished cards, none at first; table: of what they are rows
    yield preview(image, 0.4, "Frame 2 of 4")
    yield add(0, card)                       # one more
    yield settle()                           # nothing more is being made
    yield beside(place, "sdm", others, preview=...)   # what is put beside a card, in a window over the page
"""

import base64
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
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
    "same": "The same noise through two models",
    "change": "Before and after",
    "before": "As it was",
    "with": "Beside it",
    "divide": "Where the one picture ends and the other begins",
    "asked": "Waiting for the other model…",
    "previous": "Previous",
    "next": "Next",
    "close": "Close",
    "save": "Save this frame",
    "copy": "Copy the seed",
    "link": "Copy a link to exactly this frame",
    "copied": "Copied.",
    "not_copied": "This browser lets no page copy.",
    "table": "Save all as one picture",
}


MOST = 24  # cards


@dataclass(frozen=True)
class Card:
    """A picture. image: a data URL. drawn, found: SVG paths in its pixels, "" for none.

    size: of its sides in pixels. name: who drew it. title, lines: plain text under it.
    before: the same of what it was made from, which can be laid over it; "" for none, then another model can.
    file: what a saved picture is called, without its ending. copied: what can be copied of it, as its seed.
    link: parameters of the page's address that lead to it again, none where nothing does.
    """

    image: str
    size: int
    drawn: str
    found: str
    name: str
    title: str
    lines: tuple[str, ...]
    before: str = ""
    file: str = "frame"
    copied: str = ""
    link: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """What stands over the columns and before the rows of cards that come row after row."""

    columns: tuple[str, ...]
    rows: tuple[str, ...]


class ResultStrip(Component):
    """The strip as a Gradio component. words: what it says, keys as in WORDS. The event is `choose`."""

    SCRIPTS = ("result_strip_save.js", "result_strip_table.js")
    NAME, WORDS = "result_strip", WORDS

    def changing(self) -> tuple[str, ...]:
        """See `Component`."""
        return ("preview", "beside", "table", *(f"card_{place}" for place in range(MOST)))


def show(cards: list[Card], table: Table | None = None) -> dict[str, Any]:
    """The update that shows these finished cards, and no preview."""
    sent: dict[str, Any] = {f"card_{place}": json.dumps(asdict(card)) for place, card in enumerate(cards)}
    laid = json.dumps(asdict(table)) if table else ""
    return gr.update(value=str(len(cards)), preview="", beside="", table=laid, **sent)


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


def beside(
    place: int,
    chosen: str,
    others: list[tuple[str, str]],
    card: Card | None = None,
    image: str = "",
    text: str = "",
) -> dict[str, Any]:
    """The update that puts something beside the card of a place. others: what can be, as (label, name).

    card: what was made by `chosen`; until it is there image (a data URL or "") and text tell how far it is.
    """
    told = {"place": place, "chosen": chosen, "others": others, "image": image, "text": text}
    return gr.update(beside=json.dumps({**told, "card": asdict(card) if card else None}))


def read_choice(event: gr.EventData) -> tuple[int | None, str | None]:
    """The place of the card that was chosen in a browser, and what to put beside it (None: any).

    The place is None where what the browser sent is not one.
    """
    data = getattr(event, "_data", None)
    given = data if isinstance(data, dict) else {}
    place, other = given.get("place"), given.get("other")
    known = place if type(place) is int and place >= 0 else None
    return known, other if isinstance(other, str) else None


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
