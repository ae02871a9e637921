"""From points with a class and a shift to objects: clustering, overlaps, non-maximum suppression.

Source: Jiang et al., "PointGroup", CVPR 2020, section 3.3 (algorithm 1) and 3.5.
A set of points is an array of indices.
"""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

Members = NDArray[np.int64]
FINE = 4


def cluster(
    points: NDArray[np.float32],
    classes: NDArray[np.int64],
    radius: float,
    least: int,
    stuff: Collection[int],
) -> list[Members]:
    """Sets of at least `least` points of one class that hang together through steps shorter than `radius`.

    points: (N, 3) metres. classes: (N,). stuff: classes that make no objects (wall, floor).
    Shifted points pile up at the middle of their object, where every one is a neighbour of all: points of a
    class in one cell of radius / 4 are taken together first, so that the work does not grow with the pile.
    """
    things = np.flatnonzero(~np.isin(classes, list(stuff)))
    if not len(things):
        return []
    cells = np.floor(points[things] / (radius / FINE)).astype(np.int64)
    keys = np.column_stack([classes[things], cells])
    _, pile, counts = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    pile = pile.reshape(-1)
    middles = np.stack([np.bincount(pile, axis) for axis in points[things].T], 1) / counts[:, None]
    kind = np.zeros(len(counts), np.int64)
    kind[pile] = classes[things]
    pairs = cKDTree(middles).query_pairs(radius, output_type="ndarray")
    pairs = pairs[kind[pairs[:, 0]] == kind[pairs[:, 1]]]
    links = coo_array((np.ones(len(pairs), np.bool_), (pairs[:, 0], pairs[:, 1])), shape=(len(counts),) * 2)
    _, group = connected_components(links, directed=False)
    return [things[found] for found in _members(group[pile]) if len(found) >= least]


def _members(group: NDArray[np.int32]) -> list[Members]:
    """The indices that have each number of `group`."""
    order = np.argsort(group, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(group[order])) + 1)


def overlaps(
    found: Sequence[Members], others: Sequence[Members], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(F, O) intersection over union of sets of points. weight: (N,) what each point counts."""
    a, b = _indicator(found, len(weight)), _indicator(others, len(weight))
    shared = ((a * weight[None, :]).tocsr() @ b.T.tocsr()).toarray()
    size_a = np.array([weight[part].sum() for part in found])
    size_b = np.array([weight[part].sum() for part in others])
    return shared / np.maximum(size_a[:, None] + size_b[None] - shared, 1e-9)


def _indicator(sets: Sequence[Members], count: int) -> coo_array:
    """(S, N) 1 where a point is in a set."""
    columns = np.concatenate([np.zeros(0, np.int64), *sets])
    rows = np.repeat(np.arange(len(sets)), [len(part) for part in sets])
    return coo_array((np.ones(len(columns)), (rows, columns)), shape=(len(sets), count))


def suppress(found: Sequence[Members], scores: NDArray[np.float32], most: float, count: int) -> list[int]:
    """Which sets stay, best first: none that overlaps a better one by more than `most`. count: of points."""
    iou = overlaps(found, found, np.ones(count))
    kept: list[int] = []
    for place in np.argsort(-scores, kind="stable"):
        if not kept or iou[place, kept].max() <= most:
            kept.append(int(place))
    return kept
