"""Clusters, overlaps and what is suppressed, on made points."""

import numpy as np
import pytest
from numpy.typing import NDArray

from models.scene.segmentation.clusters import cluster, overlaps, suppress

CHAIR, TABLE, FLOOR = 2, 3, 1


def line(start: float, end: float, y: float = 0, step: float = 0.02) -> NDArray[np.float32]:
    x = np.arange(start, end + 1e-9, step)
    return np.stack([x, np.full_like(x, y), np.zeros_like(x)], 1).astype(np.float32)


def grouped(points: NDArray, classes: NDArray, least: int = 3) -> list[list[int]]:
    return sorted(part.tolist() for part in cluster(points, classes, 0.05, least, (0, FLOOR)))


def test_points_hang_together_through_steps_below_the_radius() -> None:
    points = np.concatenate([line(0, 0.2), line(0.24, 0.4), line(0.48, 0.6)])
    first = len(line(0, 0.2)) + len(line(0.24, 0.4))
    assert grouped(points, np.full(len(points), CHAIR)) == [
        list(range(first)),
        list(range(first, len(points))),
    ]


def test_two_chairs_side_by_side_stay_two_and_classes_apart() -> None:
    points = np.concatenate([line(0, 0.4), line(0, 0.4, y=0.08), line(0, 0.4, y=0.03)])
    n = len(line(0, 0.4))
    classes = np.repeat([CHAIR, CHAIR, TABLE], n)
    assert grouped(points, classes) == [[*range(n)], [*range(n, 2 * n)], [*range(2 * n, 3 * n)]]


def test_stuff_and_small_clusters_are_left_out() -> None:
    points = np.concatenate([line(0, 1), line(2, 2.02)])
    classes = np.array([FLOOR] * len(line(0, 1)) + [CHAIR] * 2)
    assert grouped(points, classes) == []
    assert grouped(points, classes, least=2) == [[len(points) - 2, len(points) - 1]]
    assert grouped(np.zeros((0, 3), np.float32), np.zeros(0, np.int64)) == []


def test_it_is_the_components_of_the_graph_of_neighbours() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 1, (400, 3)).astype(np.float32)
    radius = 0.1
    # By hand: flood fill over all pairs. FINE rounds the distance by at most a cell's diagonal, so pairs that
    # near to the radius are avoided by the choice of the seed.
    near = np.linalg.norm(points[:, None] - points[None], axis=2) < radius
    left, expected = set(range(400)), []
    while left:
        group, front = set(), {left.pop()}
        while front:
            group |= front
            front = set(np.flatnonzero(near[list(front)].any(0)).tolist()) - group
        left -= group
        expected.append(sorted(group))
    found = [part.tolist() for part in cluster(points, np.full(400, CHAIR), radius, 1, ())]
    same = sum(part in expected for part in found)
    assert same >= 0.95 * len(expected)


def test_a_pile_of_many_points_costs_no_more_than_its_space() -> None:
    rng = np.random.default_rng(1)
    points = rng.normal(0, 0.01, (200_000, 3)).astype(np.float32)
    (found,) = cluster(points, np.full(len(points), CHAIR), 0.08, 10, ())
    assert len(found) > 0.999 * len(points)


def test_overlaps_count_points_by_their_weight() -> None:
    a, b, c = np.arange(4), np.arange(2, 6), np.arange(8, 10)
    weight = np.ones(10)
    assert overlaps([a], [a, b, c], weight)[0] == pytest.approx([1, 2 / 6, 0])
    weight[2:4] = 10
    assert overlaps([a], [b], weight)[0] == pytest.approx([20 / 24])
    assert overlaps([], [a], weight).shape == (0, 1)


def test_what_overlaps_a_better_one_goes() -> None:
    sets = [np.arange(0, 10), np.arange(0, 9), np.arange(8, 20), np.arange(30, 40)]
    assert suppress(sets, np.array([0.5, 0.9, 0.4, 0.6]), 0.3, 50) == [1, 3, 2]
    assert suppress(sets, np.array([0.5, 0.9, 0.4, 0.6]), 0.01, 50) == [1, 3]
    assert suppress([], np.zeros(0), 0.3, 50) == []
