"""How well segmenters find polyps in real frames, by both definitions of mDice."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.colonoscopy.data.images import Frame, read_pairs
from models.colonoscopy.data.test_sets import Sets, official
from models.colonoscopy.segmentation import small
from models.colonoscopy.segmentation.base import enlarged, load
from models.colonoscopy.segmentation.metrics import dice, iou, over_thresholds
from models.colonoscopy.segmentation.registry import SEGMENTERS
from models.core.results import markdown, write

Sure = Callable[[Frame], NDArray[np.float32]]

MIDDLE = "an ellipse in the middle (no learning)"
GUIDE = "polyps_guide"
OVERALL = "overall"

TITLE = """## Colonoscopy: polyps found in real frames

Per cent. mDice and mIoU are means over 256 thresholds, as in PraNet's eval/main.m, where a mask without polyp
counts 0; Dice and IoU are at 0.5, and 1 where nothing is and nothing is found. Kvasir's and ClinicDB's
official test splits (ClinicDB's shares sequences with its training part) and PolypGen's centre 1, another
clinic; CVC-300, ColonDB and ETIS are not here, so "overall", the mean of all frames, is not theirs."""


def evaluate(sets: Sets, models: Sequence[str] = (), limit: int | None = None) -> dict[str, Any]:
    """Measure segmenters on each set and over all frames, and an ellipse in the middle of every frame.

    models: names of the registry; where there are none, those that are installed and `polyps_guide`.
    limit: only the first pairs of each set. Raises UserError as `read_pairs` and `Registry.loaded` do.
    """
    rows = []
    for label, sure in _segmenters(models).items():
        own = [
            {"model": label, "set": name, **measured(sure, folder, limit)} for name, folder in sets.items()
        ]
        rows += [*own, overall(own)] if len(own) > 1 else own
    if official(sets, limit) and not models:
        command = "`python -m models.colonoscopy evaluate segmentation --data DIR`"
        write("colonoscopy-segmentation", f"{TITLE}\n\n{markdown(rows)}\n\n{command}\n\n{talk(rows)}")
    return {"segmentation": rows}


def _segmenters(models: Sequence[str]) -> dict[str, Sure]:
    found: dict[str, Sure] = {MIDDLE: ellipse}
    found |= {name: SEGMENTERS.loaded(name) for name in models or SEGMENTERS.installed()}
    return found if models else found | {GUIDE: load(small.SmallSegmenter, GUIDE)}


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
        drawn = enlarged(likely, *pair.mask.shape) > 0.5
        found.append((*over_thresholds(likely, pair.mask), dice(drawn, pair.mask), iou(drawn, pair.mask)))
    means = 100 * np.mean(found, axis=0)
    named = dict(zip(("mDice", "mIoU", "Dice", "IoU"), means.tolist(), strict=True))
    return {**named, "n": len(found), "s a frame": f"{seconds / len(found):.2f}"}


def overall(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The row of all frames together, from those of one model's sets: the talk's "Overall"."""
    counts = np.array([row["n"] for row in rows])
    means = {
        name: float(np.average([row[name] for row in rows], weights=counts))
        for name in ("mDice", "mIoU", "Dice", "IoU")
    }
    seconds = np.average([float(row["s a frame"]) for row in rows], weights=counts)
    first = {"model": rows[0]["model"], "set": OVERALL}
    return {**first, **means, "n": int(counts.sum()), "s a frame": f"{seconds:.2f}"}


def talk(rows: Sequence[dict[str, Any]]) -> str:
    """The same in the layout of ArSDM's tables: a row a model, mDice / mIoU of each set and overall."""
    by_model: dict[str, dict[str, str]] = {}
    for row in rows:
        cell = f"{row['mDice']:.1f} / {row['mIoU']:.1f}"
        by_model.setdefault(row["model"], {"mDice / mIoU": row["model"]})[row["set"]] = cell
    return markdown(list(by_model.values()))
