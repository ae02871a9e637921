"""A scan as the published networks of ScanRefer read it: 40,000 of its points, 1,024 of each object's.

Source: the released code of InstanceRefer (Yuan et al., ICCV 2021) and X-Trans2Cap (Yuan et al., CVPR 2022).
Which points are drawn is left to chance there; here the same scan gives the same points.
"""

import weakref
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.core.errors import UserError
from models.scene.data.scan import Scan
from models.scene.data.scanrefer18 import STUFF, class_of
from models.scene.objects.object_set import Array

POINTS, OBJECT_POINTS = 40_000, 1024
MEAN_COLOUR = np.array((109.8, 97.2, 83.8), np.float32)
FLOOR = 0.0099  # the release asks numpy for the percentile 0.99, which is this share of the points
SEED = 123

_known: dict[int, "SampledScan"] = {}


@dataclass(frozen=True)
class SampledScan:
    """P points and the N objects among them that are no wall, floor or ceiling.

    points: (P, 7) xyz in the aligned frame, metres; colour around ScanNet's mean, in 256ths; height over the
    floor. ids: (N,). labels: raw. classes: (N,), places in scanrefer18.CLASSES. boxes: (N, 6) of the scan's
    instances, and seen: (N, 6) of their sampled points. own: (N, 1024) rows of `points`.
    """

    points: Array
    ids: NDArray[np.int64]
    labels: tuple[str, ...]
    classes: NDArray[np.int64]
    boxes: Array
    seen: Array
    own: NDArray[np.int64]


def sampled(scan: Scan) -> SampledScan:
    """A scan's points and objects, kept as long as the scan is.

    Raises UserError("scan_unlabelled") where it has no object with a point.
    """
    key = id(scan)
    if key not in _known:
        _known[key] = _sampled(scan)
        weakref.finalize(scan, _known.pop, key, None)
    return _known[key]


def _sampled(scan: Scan) -> SampledScan:
    chance = np.random.default_rng(SEED)
    aligned = scan.aligned
    if not len(aligned):
        raise UserError("scan_unlabelled")
    rows = _drawn(np.arange(len(aligned)), POINTS, chance)
    xyz, owner = aligned[rows], scan.vertex_instance[rows]
    height = xyz[:, 2:] - np.quantile(aligned[:, 2], FLOOR)
    points = np.hstack([xyz, (scan.colours[rows] - MEAN_COLOUR) / 256, height]).astype(np.float32)
    found = []
    for item in scan.instances:
        if item.label in STUFF:
            continue
        mine = np.flatnonzero(owner == item.id)
        if not len(mine):  # a predicted box owns no points of its own
            mine = np.flatnonzero(((xyz >= item.box[:3]) & (xyz <= item.box[3:])).all(1))
        if len(mine):
            found.append((item, np.concatenate([xyz[mine].min(0), xyz[mine].max(0)]), mine))
    if not found:
        raise UserError("scan_unlabelled")
    items = [item for item, _, _ in found]
    return SampledScan(
        points=points,
        ids=np.array([item.id for item in items]),
        labels=tuple(item.label for item in items),
        classes=np.array([class_of(item.label) for item in items]),
        boxes=np.stack([item.box for item in items]).astype(np.float32),
        seen=np.stack([box for _, box, _ in found]).astype(np.float32),
        own=np.stack([_drawn(mine, OBJECT_POINTS, chance) for _, _, mine in found]),
    )


def _drawn(rows: NDArray[np.int64], count: int, chance: np.random.Generator) -> NDArray[np.int64]:
    """`count` of some rows, none twice unless there are too few."""
    return chance.choice(rows, count, replace=len(rows) < count)
