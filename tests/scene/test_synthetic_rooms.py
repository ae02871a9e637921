"""The room generator: what a plan promises, what a scan of it holds, what the shipped scans are."""

import itertools
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.scene.__main__ import main
from models.scene.data.scannet import load_folder
from models.scene.synthetic_rooms import (
    KINDS,
    camera,
    furniture,
    generate,
    make_plan,
    make_room,
    room_objects,
    write_room,
)
from models.scene.synthetic_rooms.layout import FLOOR, SHELL, TOP, Placed, Plan

SHIPPED = sorted(Path(__file__).parents[2].joinpath("assets", "scans").glob("room_*"))
LIMIT = 4 * 2**20
needs_furniture = pytest.mark.skipif(
    not furniture.available(), reason=f"the Debian package {furniture.PACKAGE} is not installed"
)
each_kind = pytest.mark.parametrize("kind", list(KINDS))
SEEDS = (11, 12)
TABLES = {"table", "desk", "dining table"}
# label: (axis, lowest, highest) of its box, metres
SIZES = {
    "chair": (2, 0.7, 1.2),
    "office chair": (2, 0.85, 1.1),
    "door": (2, 1.95, 2.15),
    "dining table": (2, 0.7, 0.8),
    "desk": (2, 0.7, 0.8),
    "coffee table": (2, 0.35, 0.5),
    "couch": (2, 0.6, 1.0),
    "bed": (2, 0.5, 1.2),
    "toilet": (2, 0.65, 0.9),
    "bathtub": (2, 0.45, 0.75),
    "refrigerator": (2, 1.5, 2.0),
    "cup": (2, 0.03, 0.15),
    "monitor": (2, 0.3, 0.6),
    "pillow": (2, 0.1, 0.5),
    "trash can": (2, 0.2, 0.6),
    "floor": (0, 2.5, 9.0),
}


@cache
def plan(kind: str, seed: int) -> Plan:
    return make_plan(kind, seed)


def shared(a: NDArray, b: NDArray) -> NDArray:
    """(3,) how deep two boxes are in each other on each axis; negative: apart."""
    return np.minimum(a[1], b[1]) - np.maximum(a[0], b[0])


def front(item: Placed) -> NDArray:
    return np.array([np.sin(item.yaw), -np.cos(item.yaw)])


def named(room: Plan, *labels: str) -> list[Placed]:
    return [item for item in room.items if item.label in labels]


@needs_furniture
@each_kind
@pytest.mark.parametrize("seed", SEEDS)
class TestPlan:
    def test_no_two_things_are_in_one_place(self, kind, seed):
        room = plan(kind, seed)
        solid = [(i, item) for i, item in enumerate(room.items) if item.support != SHELL and not item.flat]
        for (i, a), (j, b) in itertools.combinations(solid, 2):
            if i in b.partners or j in a.partners:
                continue
            assert shared(a.box, b.box).min() < 0.005, (a.label, b.label)

    def test_a_chair_is_under_its_table_by_a_hand_at_most(self, kind, seed):
        room = plan(kind, seed)
        for chair in named(room, "chair", "office chair"):
            table = room.items[min(chair.partners)]
            assert table.label in TABLES
            low, high = table.box[:, :2]
            middle = chair.box.mean(0)[:2]
            assert ((middle < low) | (middle > high)).any()
            assert shared(chair.box, table.box)[:2].min() > -0.1, "too far from the table to sit at it"
            assert front(chair) @ (table.box.mean(0)[:2] - middle) > 0, "looks away from the table"

    def test_everything_is_in_the_room(self, kind, seed):
        room = plan(kind, seed)
        half = np.array([room.width, room.depth]) / 2
        for item in room.items:
            wall = 0.25 if item.label in ("door", "window", "wall") else 0.002
            assert (np.abs(item.box[:, :2]) <= half + wall).all(), item.label
            assert item.box[0, 2] > -0.001, item.label
            assert item.box[1, 2] <= room.height + 0.1, item.label

    def test_sizes_are_those_of_real_things(self, kind, seed):
        for item in plan(kind, seed).items:
            if item.label in SIZES:
                axis, low, high = SIZES[item.label]
                size = float(item.box[1, axis] - item.box[0, axis])
                assert low <= size <= high, (item.label, size)

    def test_what_stands_on_something_touches_it(self, kind, seed):
        room = plan(kind, seed)
        for item in room.items:
            if item.support == TOP:
                (index,) = item.partners
                below = room.items[index]
                assert shared(item.box, below.box)[:2].min() > 0.01, item.label
                assert item.box[0, 2] < below.box[1, 2] + 0.01, f"{item.label} floats over {below.label}"
            if item.support == FLOOR:
                assert abs(item.box[0, 2]) < 0.16 if item.label == "shower curtain" else item.box[0, 2] < 0.01

    def test_furniture_looks_into_the_room(self, kind, seed):
        labels = (
            "couch",
            "bed",
            "wardrobe",
            "bookshelf",
            "refrigerator",
            "toilet",
            "dresser",
            "tv stand",
            "stove",
        )
        for item in named(plan(kind, seed), *labels):
            assert front(item) @ -item.box.mean(0)[:2] > 0, item.label

    def test_one_needs_words_to_tell_things_apart(self, kind, seed):
        labels = [item.label for item in plan(kind, seed).items if item.support != SHELL]
        several = {label for label in labels if labels.count(label) > 1}
        assert len(several) >= 4, sorted(several)
        assert len(set(labels)) >= 12

    def test_what_makes_the_kind_is_there(self, kind, seed):
        wanted = {
            "living": {
                "couch",
                "armchair",
                "coffee table",
                "chair",
                "tv",
                "bookshelf",
                "window",
            },
            "bedroom": {"bed", "nightstand", "pillow", "wardrobe", "lamp", "window", "curtain"},
            "office": {"desk", "office chair", "monitor", "keyboard", "table", "whiteboard", "trash can"},
            "kitchen": {"refrigerator", "stove", "sink", "kitchen cabinet", "chair", "window"},
            "bathroom": {"bathtub", "toilet", "mirror", "towel", "toilet paper dispenser"},
            "classroom": {"table", "chair", "desk", "window", "bookshelf", "clock"},
        }[kind] | {"door", "wall", "floor", "picture"}
        labels = {item.label for item in plan(kind, seed).items}
        assert wanted <= labels, wanted - labels


@needs_furniture
def test_a_seed_gives_the_same_room_and_another_seed_another():
    first, again, other = (make_plan("bathroom", seed) for seed in (5, 5, 6))
    assert [item.label for item in first.items] == [item.label for item in again.items]
    assert all(np.array_equal(a.box, b.box) for a, b in zip(first.items, again.items, strict=True))
    assert not np.array_equal(first.items[0].box, other.items[0].box)


@needs_furniture
def test_objects_without_the_camera():
    objects = room_objects("bathroom", 5, points=200)
    boxes = [item.box for item in make_plan("bathroom", 5).items]
    assert len(objects) == len(boxes)
    for thing, box in zip(objects, boxes, strict=True):
        assert thing.points.shape == thing.colours.shape == (200, 3)
        assert np.allclose(thing.instance.box, box.reshape(6))
        assert ((thing.points >= box[0] - 1e-4) & (thing.points <= box[1] + 1e-4)).all()
    assert len({thing.instance.id for thing in objects}) == len(objects)


@needs_furniture
def test_a_scan_is_what_the_loader_reads_back(tmp_path, monkeypatch):
    monkeypatch.setattr(generate, "VOXEL", 0.05)
    monkeypatch.setattr(generate, "VERTICES", 6000)
    monkeypatch.setattr(camera, "LOOKS", 8)
    scan = make_room("bathroom", 5)
    seen = {instance.label for instance in scan.instances}
    assert {"bathtub", "toilet", "door", "wall", "floor"} <= seen
    assert 4000 < len(scan.vertices) < 9000
    room = make_plan("bathroom", 5)
    assert np.allclose(scan.aligned[:, :2].max(0), [room.width / 2, room.depth / 2], atol=0.15)
    assert not np.allclose(scan.alignment[:2, :2], np.eye(2)), "odd seeds are turned"
    tub, planned = (
        next(thing.box.reshape(2, 3) for thing in things if thing.label == "bathtub")
        for things in (scan.instances, room.items)
    )
    assert np.allclose(tub, planned, atol=0.12)
    assert scan.colours.reshape(-1, 3).std(0).min() > 15

    read = load_folder(write_room(scan, tmp_path))
    assert np.allclose(read.vertices, scan.vertices)
    assert np.array_equal(read.colours, scan.colours)
    assert np.array_equal(read.faces, scan.faces)
    assert np.array_equal(read.vertex_instance, scan.vertex_instance)
    assert np.allclose(read.alignment, scan.alignment, atol=1e-6)
    for mine, theirs in zip(scan.instances, read.instances, strict=True):
        assert (mine.id, mine.label) == (theirs.id, theirs.label)
        assert np.allclose(mine.box, theirs.box, atol=1e-3)


def test_without_the_furniture_a_sentence_names_the_package(tmp_path, monkeypatch, capsys):
    for cached in (furniture.catalogue, furniture.load, furniture._archive, furniture._files):
        monkeypatch.setattr(furniture, cached.__name__, cached.__wrapped__)
    monkeypatch.setattr("models.scene.synthetic_rooms.write.catalogue", furniture.catalogue)
    monkeypatch.setattr(furniture, "LIBRARY", tmp_path / "nothing.sh3f")
    assert main(["rooms", "--count", "1", "--out", str(tmp_path)]) == 2
    assert "sweethome3d-furniture" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_kind_is_a_sentence():
    with pytest.raises(Exception, match="room_kind"):
        make_plan("garage", 1)


def test_there_is_a_shipped_scan_of_every_kind_and_some_are_turned():
    assert {path.name.split("_")[1] for path in SHIPPED} == set(KINDS)
    turned = [path for path in SHIPPED if abs(_alignment(path)[0, 1]) > 0.1]
    assert 2 <= len(turned) < len(SHIPPED)


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_scan_is_a_scannet_scene(folder):
    name = folder.name
    files = {path.name for path in folder.iterdir()}
    assert {
        f"{name}_vh_clean_2.ply",
        f"{name}.aggregation.json",
        f"{name}_vh_clean_2.0.010000.segs.json",
        f"{name}.txt",
    } <= files
    assert sum(path.stat().st_size for path in folder.iterdir()) <= LIMIT
    head, _, body = (folder / f"{name}_vh_clean_2.ply").read_bytes().partition(b"end_header\n")
    counts = {
        line.split()[1]: int(line.split()[2]) for line in head.split(b"\n") if line.startswith(b"element")
    }
    vertices, faces = counts[b"vertex"], counts[b"face"]
    assert 40_000 <= vertices <= 90_000
    assert len(body) == 16 * vertices + 13 * faces
    segments = json.loads((folder / f"{name}_vh_clean_2.0.010000.segs.json").read_text())["segIndices"]
    assert len(segments) == vertices
    groups = json.loads((folder / f"{name}.aggregation.json").read_text())["segGroups"]
    claimed = [segment for group in groups for segment in group["segments"]]
    assert len(claimed) == len(set(claimed)), "a segment belongs to one object"
    assert set(claimed) <= set(segments)
    turn = _alignment(folder)[:3, :3]
    assert np.allclose(turn @ turn.T, np.eye(3), atol=1e-5)

    scan = load_folder(folder)
    assert len(scan.vertices) == vertices
    assert len(scan.instances) == len(groups) >= 25
    floor = next(instance for instance in scan.instances if instance.label == "floor")
    assert np.abs(np.median(scan.aligned[scan.vertex_instance == floor.id, 2])) < 0.02
    assert (scan.vertex_instance < 0).mean() < 0.02
    labels = [instance.label for instance in scan.instances]
    assert sum(labels.count(label) > 1 for label in set(labels)) >= 4


def _alignment(folder: Path) -> NDArray:
    line = next(
        line for line in (folder / f"{folder.name}.txt").read_text().splitlines() if "axisAlignment" in line
    )
    return np.array(line.split("=")[1].split(), float).reshape(4, 4)
