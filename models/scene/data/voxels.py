"""Points in the cells of a grid."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def voxel_keys(
    points: NDArray[Any], size: float, group: NDArray[np.integer[Any]] | None = None
) -> NDArray[np.int64]:
    """(N,) one number a voxel, in the order of (group, x, y, z).

    points: (N, 3). size: a voxel's edge, in the same unit; voxels begin at whole multiples of it. group:
    (N,) what else keeps points apart, such as their class; None where nothing does.
    """
    cells = np.floor(points / size).astype(np.int64)
    cells -= cells.min(0)
    sides = cells.max(0) + 1
    keys = (cells[:, 0] * sides[1] + cells[:, 1]) * sides[2] + cells[:, 2]
    if group is not None:
        keys += (group.astype(np.int64) - int(group.min())) * int(sides.prod())
    return keys
