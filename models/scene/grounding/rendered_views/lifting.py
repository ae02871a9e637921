"""Lifting: a box in a view becomes a box in the room, by the depth of the pixels inside it.

What fills the box's middle is the object: pixels that hang together with it in depth. Its far side is never
seen, so a lifted box tends to be too shallow; `true 2D box, lifted` in the tables tells what that costs.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from models.scene.grounding.rendered_views.views import View, lifted_pixels

MIDDLE = 0.5  # share of each side of the box, in which the object is looked for
STEP = 0.05  # of the depth: neighbours farther apart than this are two things
FLOOR = 0.04  # metres above the lowest that is seen: what lies there is the floor
MOST_FLOOR = 0.8  # share of a box from which on its floor is what is meant: a rug
RIM = 0.05  # metres around what was found, within which things under it are its own
TAILS = (1.0, 99.0)  # per cent: the box lies between these of its points along each axis

Array = NDArray[np.float32]


def lift(view: View, box: Array) -> Array | None:
    """(6,) min xyz, max xyz, metres, in the aligned frame; None where nothing is seen in the box.

    box: (4,) left, top, right, bottom in pixels; pixel k reaches from k to k + 1.
    """
    rows, columns = _pixels(box, view.depth.shape)
    depth, points = view.depth[rows, columns], lifted_pixels(view)
    seen = points[view.depth > 0]
    if not len(seen) or not (depth > 0).any():
        return None
    floor = float(np.quantile(seen[:, 2], 0.005)) + FLOOR
    points = points[rows, columns]
    there = depth > 0
    standing = there & (points[..., 2] > floor)
    if standing.sum() < (1 - MOST_FLOOR) * there.sum():
        standing = there
    low, high = np.percentile(points[_object(depth, standing, points)], TAILS, axis=0)
    return np.concatenate([low, high]).astype(np.float32)


def _pixels(box: Array, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of the pixels in a box, at least one of each."""
    found = []
    for low, high, size in ((box[1], box[3], shape[0]), (box[0], box[2], shape[1])):
        first = int(np.clip(np.round(low), 0, size - 1))
        found.append(slice(first, int(np.clip(np.round(high), first + 1, size))))
    return found[0], found[1]


def _object(depth: Array, standing: NDArray[np.bool_], points: Array) -> NDArray[np.bool_]:
    """Which pixels (h, w) are of the thing that fills the middle.

    Of the pieces without a step in depth it is the one that has most of the middle, and what is under it: a
    table's legs, which its top's edge cuts off in the picture. points: (h, w, 3).
    """
    pieces = _pieces(depth, standing)
    rows, columns = (_middle(size) for size in depth.shape)
    count = np.bincount(pieces[rows, columns].ravel(), minlength=int(pieces.max()) + 1)
    if not count[1:].any():
        count = np.bincount(pieces.ravel())
    count[0] = 0
    found = pieces == count.argmax()
    low, high = np.percentile(points[found], TAILS, axis=0)
    inside = (points[..., :2] >= low[:2] - RIM).all(-1) & (points[..., :2] <= high[:2] + RIM).all(-1)
    return found | (standing & inside & (points[..., 2] < low[2] + RIM))


def _middle(size: int) -> slice:
    edge = int(size * (1 - MIDDLE) / 2)
    return slice(edge, size - edge)


def _pieces(depth: Array, standing: NDArray[np.bool_]) -> NDArray[np.int32]:
    """(h, w) number of each pixel's piece, from 1; 0 for what does not stand.

    The steps lie between the pixels, so the pieces are told apart on a grid of twice the size.
    """
    grid = np.zeros(2 * np.array(depth.shape) - 1, bool)
    grid[::2, ::2] = standing
    grid[1::2, ::2] = _same(depth[:-1], depth[1:]) & standing[:-1] & standing[1:]
    grid[::2, 1::2] = _same(depth[:, :-1], depth[:, 1:]) & standing[:, :-1] & standing[:, 1:]
    return np.asarray(label(grid)[0][::2, ::2], np.int32)


def _same(a: Array, b: Array) -> NDArray[np.bool_]:
    """Whether there is no step between depths."""
    return np.asarray(np.abs(a - b) < STEP * np.minimum(a, b))
