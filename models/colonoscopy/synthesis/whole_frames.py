"""Whole frames as squares: what the endoscope shows, in its octagon or circle, and nothing that was written.

A frame is cut to the box of its tissue and padded with black to a square. Text and insets inside the shape
that the lens draws are painted over, and marked, so that no loss is taken there; outside it all is black.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.colonoscopy.data.images import Frame, Mask, burnt_in, fitted, outside, read_pairs
from models.core.training import RUNS

SIZE = 256
LOOKS = ("kvasir", "clinicdb", "polypgen", "bkai")
SETS = {
    "kvasir": "kvasir_train",
    "clinicdb": "clinicdb_train",
    "polypgen": "polypgen_C3",
    "bkai": "bkai_train",
}
WORK = 128  # pixels a side at which insets are painted over
LEAST = 0.2  # share of a frame that must be tissue for its shape to be believed


@dataclass(frozen=True)
class Square:
    """A frame as a square of SIZE. frame: uint8 (S, S, 3). mask: the polyp. seen: where pixels are true."""

    frame: Frame
    mask: Mask
    seen: Mask


@dataclass(frozen=True)
class TrainingFrames:
    """Rows of all training sets. frames: uint8 (N, S, S, 3). masks, seen: (N, S, S). looks: (N,) of LOOKS."""

    frames: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    seen: NDArray[np.bool_]
    looks: NDArray[np.int64]


def whole(frame: Frame, mask: Mask, size: int = SIZE) -> Square:
    """A frame (H, W, 3) and its mask as a square, cut to its tissue, cleaned of what was written."""
    written, dark = burnt_in(frame), outside(frame)
    tissue = ~dark
    if tissue.mean() < LEAST:
        tissue[:] = True
    tissue = _largest(tissue & ~written)
    shape = hull(tissue)
    rows, columns = np.flatnonzero(shape.any(1)), np.flatnonzero(shape.any(0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    spoilt = shape & (written | ~tissue)
    painted = _painted(frame, spoilt)
    painted[~shape] = 0
    cut, lies = painted[box], (mask & shape)[box]
    side = max(cut.shape[:2])
    top, left = (side - cut.shape[0]) // 2, (side - cut.shape[1]) // 2
    square = np.zeros((side, side, 3), np.uint8)
    polyp, seen = np.zeros((side, side), np.uint8), np.ones((side, side), np.uint8)
    into = slice(top, top + cut.shape[0]), slice(left, left + cut.shape[1])
    square[into], polyp[into], seen[into] = cut, lies, ~spoilt[box]
    by = cv2.INTER_AREA if size < side else cv2.INTER_CUBIC
    return Square(
        np.asarray(cv2.resize(square, (size, size), interpolation=by), np.uint8),
        fitted(polyp > 0, size, size),
        fitted(seen > 0, size, size),
    )


def training_frames(data: Path) -> TrainingFrames:
    """The training sets, prepared once and kept in runs/. Raises UserError as `read_pairs` does."""
    path = RUNS / "colonoscopy_whole.npz"
    if not path.exists():
        found = list(_prepared(data))
        path.parent.mkdir(exist_ok=True)
        np.savez(
            path,
            frames=np.stack([square.frame for square, _ in found]),
            masks=np.stack([square.mask for square, _ in found]),
            seen=np.stack([square.seen for square, _ in found]),
            looks=np.array([look for _, look in found]),
        )
    with np.load(path) as kept:
        return TrainingFrames(kept["frames"], kept["masks"], kept["seen"], kept["looks"])


def _prepared(data: Path) -> Iterator[tuple[Square, int]]:
    for look, name in enumerate(SETS.values()):
        for pair in read_pairs(data / "colonoscopy" / name):
            yield whole(pair.frame, pair.mask), look


def _largest(mask: Mask) -> Mask:
    """The largest connected part."""
    count, parts, facts, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return parts == 1 + int(np.argmax(facts[1:, cv2.CC_STAT_AREA])) if count > 1 else mask


def hull(mask: Mask) -> Mask:
    """The convex shape around a mask: an octagon, a circle or a rectangle with its insets filled.

    mask: not empty.
    """
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    corners = cv2.convexHull(np.concatenate(outlines))
    return cv2.fillConvexPoly(np.zeros(mask.shape, np.uint8), corners, 1) > 0


def _painted(frame: Frame, spoilt: Mask) -> Frame:
    """The frame with what is spoilt painted over from its surroundings, coarsely."""
    height, width = spoilt.shape
    scale = WORK / max(height, width)
    small = (round(width * scale), round(height * scale))
    holes = cv2.resize(spoilt.astype(np.float32), small, interpolation=cv2.INTER_AREA) > 0
    shrunk = cv2.resize(frame, small, interpolation=cv2.INTER_AREA)
    filled = cv2.inpaint(shrunk, cv2.dilate(holes.astype(np.uint8), np.ones((3, 3))), 3, cv2.INPAINT_TELEA)
    filled = cv2.resize(filled, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.where(spoilt[..., None], filled, frame).astype(np.uint8)
