"""Scans lying anyhow are set upright: made rooms, tilted, on their side, upside down, in any unit."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from models.scene.data.scan import Scan
from models.scene.data.scannet import load
from models.scene.segmentation.gravity_alignment import level, levelled, unit_of, y_is_up


def slab(low: tuple[float, float, float], high: tuple[float, float, float], step: float = 0.05) -> NDArray:
    """Points on a box that is flat along one axis."""
    axes = [np.arange(a, b + 1e-9, step) if b > a else np.array([a]) for a, b in zip(low, high, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)


def room(ceiling: bool = False) -> NDArray[np.float32]:
    """4 x 3 x 2.5 m: a floor, walls, a table, a bed, a seat and four heaps of things."""
    pieces = [
        slab((0, 0, 0), (4, 3, 0)),
        slab((0, 0, 0), (0, 3, 2.5)),
        slab((0, 0, 0), (4, 0, 2.5)),
        slab((4, 0, 0), (4, 3, 2.5)),
        slab((0, 3, 0), (3, 3, 2.5)),
        slab((1, 1, 0.75), (2.4, 1.8, 0.75)),
        slab((2.6, 1.2, 0.5), (3.9, 2.8, 0.5)),
        slab((2.6, 1.2, 0.0), (2.6, 2.8, 0.5)),
        slab((0.4, 2.2, 0.45), (0.9, 2.7, 0.45)),
    ]
    if ceiling:
        pieces.append(slab((0, 0, 2.5), (4, 3, 2.5)))
    rng = np.random.default_rng(5)
    for spot in ((3, 0.6), (0.6, 1.2), (1.7, 2.5), (3.2, 2.0)):
        heap = rng.normal((*spot, 0.3), (0.25, 0.25, 0.2), (900, 3))
        pieces.append(heap.clip((0, 0, 0.02), (4, 3, 1)))
    points = np.concatenate(pieces)
    return (points + np.random.default_rng(0).normal(0, 0.004, points.shape)).astype(np.float32)


POSES = {
    "upright": Rotation.identity(),
    "leaning": Rotation.from_euler("xyz", (12, -9, 33), degrees=True),
    "y up": Rotation.from_euler("x", -90, degrees=True),
    "x up": Rotation.from_euler("y", 90, degrees=True),
    "upside down": Rotation.from_euler("x", 180, degrees=True),
    "any": Rotation.from_rotvec((1.1, -0.7, 2.0)),
}


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("ceiling", [False, True])
def test_a_room_stands_on_its_floor_however_it_was_turned(pose: str, ceiling: bool) -> None:
    points = room(ceiling)
    given = POSES[pose].apply(points) + np.array([7, -3, 1.5])
    found = level(given.astype(np.float32))
    aligned = given @ found.alignment[:3, :3].T + found.alignment[:3, 3]
    assert np.abs(aligned[:, 2] - points[:, 2]).max() < 0.06
    assert found.height == pytest.approx(2.5, abs=0.06)
    # The walls run along the axes: the box is as tight as the room is.
    assert sorted(np.ptp(aligned[:, :2], axis=0)) == pytest.approx([3, 4], abs=0.12)
    assert np.allclose(found.alignment[:3, :3] @ found.alignment[:3, :3].T, np.eye(3), atol=1e-9)
    assert np.linalg.det(found.alignment[:3, :3]) == pytest.approx(1)


def test_the_tilt_that_was_found_is_told() -> None:
    given = Rotation.from_euler("x", 12, degrees=True).apply(room())
    assert level(given.astype(np.float32)).tilt == pytest.approx(12, abs=1)


def test_dirt_below_the_floor_is_not_the_floor() -> None:
    dirt = np.random.default_rng(1).uniform((0, 0, -1), (4, 3, 0), (60, 3)).astype(np.float32)
    found = level(np.concatenate([room(), dirt]))
    assert found.alignment[2, 3] == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize("count", [4, 12, 300])
def test_points_without_surfaces_stay_upright(count: int) -> None:
    points = np.random.default_rng(2).normal(0, 1, (count, 3)).astype(np.float32)
    found = level(points)
    assert np.isfinite(found.alignment).all()
    if count <= 12:
        assert found.tilt == 0


def test_the_same_scan_is_levelled_the_same_way_twice() -> None:
    points = np.random.default_rng(3).uniform(0, 30, (40_000, 3)).astype(np.float32)
    assert np.array_equal(level(points).alignment, level(points).alignment)


def test_a_levelled_scan_keeps_its_points_and_gets_an_alignment() -> None:
    points = Rotation.from_euler("y", 20, degrees=True).apply(room()).astype(np.float32)
    grey = np.full((len(points), 3), 128, np.uint8)
    nothing = np.full(len(points), -1, np.int32)
    scan = Scan("room", points, grey, np.zeros((0, 3), np.int32), nothing)
    moved, found = levelled(scan)
    assert moved.vertices is scan.vertices
    assert np.quantile(moved.aligned[:, 2], 0.001) == pytest.approx(0, abs=0.05)
    assert found.tilt == pytest.approx(20, abs=1)


@pytest.mark.parametrize(("extent", "unit"), [(0.4, "m"), (8, "m"), (100, "m"), (450, "cm"), (5200, "mm")])
def test_the_unit_follows_from_the_extent(extent: float, unit: str) -> None:
    assert unit_of(extent) == unit


@pytest.mark.parametrize("ceiling", [False, True])
def test_a_room_on_its_side_is_told_from_one_that_stands(ceiling: bool) -> None:
    points = room(ceiling)
    assert not y_is_up(points)
    assert y_is_up(POSES["y up"].apply(points).astype(np.float32))


def test_an_obj_lies_on_the_floor_that_it_shows(tmp_path: Path) -> None:
    points = room()
    for pose, told in (("upright", []), ("y up", ["y_up"])):
        rows = (f"v {x:.4f} {y:.4f} {z:.4f}" for x, y, z in POSES[pose].apply(points))
        (tmp_path / "room.obj").write_text("\n".join(rows))
        scan = load([tmp_path / "room.obj"])
        assert [one.key for one in scan.notes if one.key == "y_up"] == told
        assert np.abs(scan.aligned[:, 2] - points[:, 2]).max() < 1e-3
