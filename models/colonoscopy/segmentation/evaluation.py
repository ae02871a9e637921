"""How well the small segmenters find polyps in real frames, by both definitions of mDice."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.colonoscopy.data.images import Frame, read_pairs
from models.colonoscopy.data.test_sets import Sets, official
from models.colonoscopy.segmentation import small
from models.colonoscopy.segmentation.metrics import dice, iou, over_thresholds
from models.core.results import markdown, write

Sure = Callable[[Frame], NDArray[np.float32]]

TITLE = """## Colonoscopy: polyps found in real frames

Per cent. mDice and mIoU are means over 256 thresholds, as in PraNet's eval/main.m, where a mask without polyp
counts 0; Dice and IoU are at 0.5, and 1 where nothing is and nothing is found. Kvasir's official test split
and PolypGen's centre 1, another clinic; the other test sets of the literature are not here."""


def evaluate(sets: Sets, limit: int | None = None) -> dict[str, Any]:
    """Measure the shipped segmenters, and an ellipse in the middle of every frame, on each set.

    limit: only the first pairs of each set. Raises UserError as `read_pairs` and `load_checkpoint` do.
    """
    rows = []
    for name, folder in sets.items():
        for label, sure in _segmenters().items():
            rows.append({"model": label, "set": name, **measured(sure, folder, limit)})
    if official(sets, limit):
        command = "`python -m models.colonoscopy evaluate segmentation --data DIR`"
        write("colonoscopy-segmentation", f"{TITLE}\n\n{markdown(rows)}\n\n{command}")
    return {"segmentation": rows}


def _segmenters() -> dict[str, Sure]:
    found: dict[str, Sure] = {"an ellipse in the middle (no learning)": ellipse}
    return found | {name: sure_of(small.load(name)) for name in small.NAMES}


def sure_of(network: small.SmallSegmenter) -> Sure:
    """A network as a function of a frame."""
    return lambda frame: network.probabilities(frame).numpy()


def ellipse(frame: Frame) -> NDArray[np.float32]:
    """Sure of polyp (64, 64) within half of each side, where most polyps lie."""
    y, x = (np.mgrid[:64, :64] - 31.5) / 32
    return (np.hypot(x, y) < 0.5).astype(np.float32)


def measured(sure: Sure, folder: Any, limit: int | None) -> dict[str, Any]:
    """mDice, mIoU, Dice and IoU in per cent over the pairs of a folder, and the seconds a frame takes."""
    found, seconds = [], 0.0
    for pair in read_pairs(folder, limit):
        start = time.perf_counter()
        likely = sure(pair.frame)
        seconds += time.perf_counter() - start
        drawn = small.enlarged(likely, *pair.mask.shape) > 0.5
        found.append((*over_thresholds(likely, pair.mask), dice(drawn, pair.mask), iou(drawn, pair.mask)))
    means = 100 * np.mean(found, axis=0)
    named = dict(zip(("mDice", "mIoU", "Dice", "IoU"), means.tolist(), strict=True))
    return {**named, "n": len(found), "s a frame": f"{seconds / len(found):.2f}"}
