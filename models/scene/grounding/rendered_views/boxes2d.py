"""Where the instances of a scan are in its views: boxes around what is seen of them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.scene.grounding.rendered_views.views import HEIGHT, WIDTH, AnnotatedView

LEAST = 60  # pixels of an instance in a view
LEAST_SIDE = 5  # pixels
LEAST_SHARE = 0.2  # of its pixels in the view that shows most of it: a chair's last corner is no chair
BORDER = 1.0  # pixels: a box this near to the border is cut by it
STRAY = 0.01  # share of the pixels at each side of a box that may be a splat's slip

Array = NDArray[np.float32]


def visible_boxes(views: Sequence[AnnotatedView], ids: Sequence[int]) -> tuple[Array, NDArray[np.int64]]:
    """(N, V, 4) left, top, right, bottom in pixels of each instance in each view, NaN where it is not shown,
    and (N, V) how many pixels show it.
    """
    boxes = np.full((len(ids), len(views), 4), np.nan, np.float32)
    counts = np.zeros((len(ids), len(views)), np.int64)
    places = {identity: place for place, identity in enumerate(ids)}
    for at, view in enumerate(views):
        for identity in np.unique(view.owner):
            if (place := places.get(int(identity))) is not None:
                rows, columns = np.nonzero(view.owner == identity)
                counts[place, at] = len(rows)
                boxes[place, at] = _around(rows, columns)
    most = counts.max(1, initial=0)[:, None]
    sides = np.minimum(boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1])
    shown = (counts >= np.maximum(LEAST, LEAST_SHARE * most)) & (sides >= LEAST_SIDE)
    boxes[~shown] = np.nan
    return boxes, np.where(shown, counts, 0)


def _around(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Array:
    low_x, high_x = np.quantile(columns, (STRAY, 1 - STRAY), method="nearest")
    low_y, high_y = np.quantile(rows, (STRAY, 1 - STRAY), method="nearest")
    return np.array([low_x, low_y, high_x + 1, high_y + 1], np.float32)


def iou_2d(a: Array, b: Array) -> float:
    """Intersection over union of two boxes (4,)."""
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    shared = float(np.clip(high - low, 0, None).prod())
    both = float((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod()) - shared
    return shared / max(both, 1e-9)


def whole_boxes(boxes: Array) -> Array:
    """The boxes (N, V, 4) without those that the picture's border cuts, where another view shows it uncut.

    What is cut can't be lifted to its whole size.
    """
    low, high = boxes[..., :2], np.array([WIDTH, HEIGHT]) - boxes[..., 2:]
    uncut: NDArray[np.bool_] = np.minimum(low, high).min(-1) >= BORDER
    kept = uncut | ~uncut.any(1, keepdims=True)
    return np.where(kept[..., None], boxes, np.nan).astype(np.float32)
