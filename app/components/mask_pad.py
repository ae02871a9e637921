"""The mask pad: a square on which a region is drawn by mouse, pen or finger.

It knows no lab. The region lives in the browser, SIZE x SIZE pixels; its value in Python is a PNG
as a data URL, "" while nothing is drawn, and must be read as anything a stranger sends. What
Python lays on the pad travels apart, so that it never meets a stroke that is being drawn:

    pad = MaskPad(words=..., presets={"round": "data:image/png;base64,..."})
    button.click(fn, pad, outputs)          # fn(value: str)
    return lay(mask=url)                    # a region in place of the drawn one (undo brings that back)
    return lay(backdrop=url)                # a picture to draw over
"""

import base64
import itertools
import json
from collections.abc import Mapping
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from app.components.component import Component

SIZE = 256  # pixels of the region's sides; mask_pad_shapes.js has the same

# What the pad says. A page passes its translations of the same keys.
WORDS = {
    "pad": "Drawing pad. B brush, E ellipse, P polygon, F fill, X eraser, [ and ] set the size; arrows move "
    "what is drawn, plus and minus scale it, Ctrl+Z undoes, Delete clears.",
    "hint": "Draw here, or pick a shape below",
    "brush": "Brush (B)",
    "ellipse": "Ellipse: drag it out (E)",
    "polygon": "Polygon: click its corners, the first one last (P)",
    "fill": "Fill a ring (F)",
    "eraser": "Eraser (X)",
    "thickness": "Size of brush and eraser",
    "undo": "Undo (Ctrl+Z)",
    "redo": "Redo (Ctrl+Shift+Z)",
    "clear": "Clear all (Delete)",
    "field": "Take the picture away",
    "area": "Polyp area {percent} % of the frame",
    "nothing": "Nothing drawn yet",
    "presets": "Shapes",
}
_laid = itertools.count(1)
LINK = "mask"  # parameter of the page's address that lays a region on the pad; mask_pad.js has the same


class MaskPad(Component):
    """The pad as a Gradio component. value: the region as a data URL, "" for none.

    words: what it says by language, keys as in WORDS. presets: data URLs by name, drawn as buttons; a name's
    label is "preset_" + name of the words.
    """

    NAME, SCRIPTS, WORDS = "mask_pad", ("mask_pad_shapes.js",), WORDS

    def __init__(
        self, value: str | None = "", *, presets: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        self.presets = dict(presets or {})
        super().__init__(value, **more)

    def changing(self) -> tuple[str, ...]:
        """See `Component`."""
        return ("laid",)

    def fixed(self) -> dict[str, Any]:
        """See `Component`."""
        return {"presets": self.presets}


def code(region: NDArray[np.bool_]) -> str:
    """A region (SIZE, SIZE) as an address can hold it: lengths of the runs of 0 and 1 in turn, 0 first.

    Seven bits a byte, the high bit where more follow (LEB128), in URL-safe base64.
    """
    flat = np.concatenate([[False], region.ravel()])
    turns = np.flatnonzero(flat[1:] != flat[:-1])
    packed = bytearray()
    for length in np.diff([0, *turns, region.size]).tolist():
        while length > 127:
            packed.append(length & 127 | 128)
            length >>= 7
        packed.append(length)
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def lay(mask: str | None = None, backdrop: str | None = None, given: str | None = None) -> dict[str, Any]:
    """The update that lays a region or a backdrop on the pad: data URLs of images; None leaves as it is.

    given: a region that `mask` was made from; undo brings it back.
    """
    # The number makes each one new: the same mask may be laid again over what was drawn since.
    laid = {"turn": next(_laid), "mask": mask, "backdrop": backdrop, "given": given}
    return gr.update(laid=json.dumps(laid))
