"""What the generator learns from: views of the training frames that show tissue and nothing else.

A view is a rectangle of a frame, as a square of 256 pixels, with its mask. Black corners, insets and
burnt-in text stay outside; up to a hundredth of them is painted over.
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.colonoscopy.data.images import Frame, Mask, burnt_in, fitted, outside, read_pairs, squared
from models.core.training import RUNS

SIZE = 256
SETS = ("kvasir_train", "polypgen_C3")
VIEWS = 4
TRIES = 4000
SPOILT = 0.01  # of a view, at most
KEPT = 0.7  # of the polyp, at least

Views = tuple[NDArray[np.uint8], NDArray[np.bool_]]


def training_views(data: Path) -> Views:
    """Frames (N, 256, 256, 3) and masks (N, 256, 256) of the training sets, VIEWS in a row of each frame.

    Made once and kept in runs/, the frames as a memory map. Raises UserError as `read_pairs` does.
    """
    folder = RUNS / "colonoscopy_views"
    frames, masks = folder / "frames.npy", folder / "masks.npy"
    if not masks.exists():
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(0)
        pairs = (pair for name in SETS for pair in read_pairs(data / "colonoscopy" / name))
        found = [view for pair in pairs for view in views(pair.frame, pair.mask, VIEWS, rng)]
        np.save(frames, np.stack([frame for frame, _ in found]))
        np.save(masks, np.stack([mask for _, mask in found]))
    return np.load(frames, mmap_mode="r"), np.load(masks)


def views(frame: Frame, mask: Mask, count: int, rng: np.random.Generator) -> Iterator[tuple[Frame, Mask]]:
    """The largest clean rectangle of a frame and count - 1 others, as squares of SIZE with their masks."""
    written = burnt_in(frame)
    spoilt = written | outside(frame)
    boxes = _clean_boxes(spoilt, mask, rng)
    painted: Frame = np.asarray(cv2.inpaint(frame, written.astype(np.uint8), 3, cv2.INPAINT_TELEA), np.uint8)
    for left, top, right, bottom in [boxes[0], *boxes[rng.integers(len(boxes), size=count - 1)]]:
        yield (
            squared(painted[top:bottom, left:right], SIZE),
            fitted(mask[top:bottom, left:right], SIZE, SIZE),
        )


def _clean_boxes(spoilt: Mask, mask: Mask, rng: np.random.Generator) -> NDArray[np.int64]:
    """(N, 4) left, top, right, bottom: rectangles from 3:4 to 4:3, the largest first, none below half of it.

    They hold at most SPOILT of what is spoilt and at least KEPT of the polyp; where a frame has no such
    rectangle the polyp counts less, and then cleanness.
    """
    height, width = mask.shape
    side = min(height, width) * rng.uniform(0.4, 1, TRIES)
    ratio = np.exp(rng.uniform(-np.log(4 / 3), np.log(4 / 3), TRIES) / 2)
    w, h = np.minimum(side * ratio, width).astype(int), np.minimum(side / ratio, height).astype(int)
    left, top = (
        (rng.random(TRIES) * (width - w + 1)).astype(int),
        (rng.random(TRIES) * (height - h + 1)).astype(int),
    )
    boxes = np.stack([left, top, left + w, top + h], 1)
    dirt = _sums(spoilt, boxes) / (w * h)
    kept = _sums(mask, boxes) / max(mask.sum(), 1)
    for most, least in ((SPOILT, KEPT if mask.any() else 0), (SPOILT, 0), (dirt.min(), 0)):
        clean = (dirt <= most) & (kept >= least)
        if clean.any():
            break
    boxes, area = boxes[clean], (w * h)[clean]
    order = np.argsort(-area)
    return boxes[order][: int((area > area.max() / 2).sum())]


def _sums(image: Mask, boxes: NDArray[np.int64]) -> NDArray[np.float64]:
    """The number of True pixels in each box, from an integral image."""
    table = cv2.integral(image.astype(np.uint8))
    left, top, right, bottom = boxes.T
    return (table[bottom, right] - table[top, right] - table[bottom, left] + table[top, left]).astype(float)
