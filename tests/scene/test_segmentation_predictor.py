"""A network learns a room by heart; a leaning scan of it becomes instances and a benchmark folder."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from models.core import checkpoints
from models.core.errors import UserError
from models.scene import __main__ as command_line
from models.scene import pipeline
from models.scene.data.mesh_io import GREY
from models.scene.data.scan import Scan
from models.scene.data.scannet import load_folder
from models.scene.objects.point_encoder import ShapeEncoder
from models.scene.segmentation.gravity_alignment import floor_of
from models.scene.segmentation.pointgroup import SHIPPED, PointGroup
from models.scene.segmentation.predictor import (
    SHOWN_SCORE,
    Found,
    Segmenter,
    find,
    has_colour,
    surest,
    with_found,
    write_predictions,
)
from models.scene.segmentation.registry import SEGMENTERS
from models.scene.segmentation.shape_labels import UNNAMED, named
from models.scene.segmentation.training import SCORING_FROM, Scene, collate, losses, reduced
from tests.scene import scan_makers

CLASSES = ["wall", "floor", "chair", "table", "bed"]
CONFIG = {**SHIPPED, "classes": CLASSES, "width": 8, "levels": 3, "voxel": 0.12, "radius": 0.19, "least": 10}
SIZES = {"chair": (0.5, 0.5, 0.9), "table": (1.4, 0.8, 0.75), "bed": (1.4, 1.2, 0.45)}
PLACED = [("chair", 0.3, 0.3), ("chair", 0.9, 0.3), ("table", 0.3, 1.4), ("bed", 1.9, 0.8)]

FIRST = 3  # owner of the first chair, after the floor and the walls


def surface(low: NDArray, high: NDArray, rng: np.random.Generator, density: float = 400) -> NDArray:
    """Points thrown on the faces of a box."""
    size = high - low
    parts = []
    for axis in range(3):
        others = [a for a in range(3) if a != axis]
        count = int(density * size[others[0]] * size[others[1]])
        for end in (low, high) if size[axis] > 0 else (low,):
            points = rng.uniform(low, high, (count, 3))
            points[:, axis] = end[axis]
            parts.append(points)
    return np.concatenate(parts)


@pytest.fixture(scope="module")
def room() -> Scene:
    """A floor, two walls, two chairs side by side, a table, a bed."""
    rng = np.random.default_rng(0)
    boxes = [
        ("floor", (0, 0, 0), (3.4, 2.4, 0)),
        ("wall", (0, 0, 0), (0, 2.4, 2.4)),
        ("wall", (0, 2.4, 0), (3.4, 2.4, 2.4)),
    ]
    for label, x, y in PLACED:
        dx, dy, dz = SIZES[label]
        boxes.append((label, (x, y, 0.15), (x + dx, y + dy, dz)))
    parts = [surface(np.array(low, float), np.array(high, float), rng) for _, low, high in boxes]
    counts = [len(part) for part in parts]
    xyz = np.concatenate(parts) + np.array([0.03, 0.04, 0.03])  # no surface between two voxels
    xyz = (xyz + rng.normal(0, 0.003, xyz.shape)).astype(np.float32)
    colours = np.repeat(rng.integers(0, 256, (len(boxes), 3)), counts, axis=0).astype(np.uint8)
    classes = np.repeat([CLASSES.index(label) for label, *_ in boxes], counts)
    return Scene(
        "room", xyz, colours, classes, np.repeat(np.arange(len(boxes)), counts), np.ones(len(xyz), np.float32)
    )


@pytest.fixture(scope="module")
def network(room: Scene) -> PointGroup:
    """Trained on the room alone, coloured and not, by the training's own losses."""
    torch.manual_seed(0)
    made = PointGroup(**CONFIG).train()
    blind = replace(room, colours=None)
    both = [collate([reduced(scene, made.voxel)]) for scene in (room, blind)]
    optimiser = torch.optim.AdamW(made.parameters(), lr=0.01)
    for step in range(160):
        found = losses(made, both[step % 2], SCORING_FROM if step >= 90 else 0.0)
        optimiser.zero_grad()
        found["loss"].backward()
        optimiser.step()
    return made.eval()


def as_scan(room: Scene, turn: Rotation, name: str = "room") -> Scan:
    vertices = (turn.apply(room.xyz) + np.array([3, -2, 1])).astype(np.float32)
    nobody = np.full(len(vertices), -1, np.int32)
    return Scan(name, vertices, room.colours, np.zeros((0, 3), np.int32), nobody)


@pytest.fixture
def shipped(network: PointGroup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trained network where the program looks for its checkpoint."""
    shutil.copytree(checkpoints.FOLDER / "shapes", tmp_path / "checkpoints" / "shapes")
    monkeypatch.setattr(checkpoints, "FOLDER", tmp_path / "checkpoints")
    folder = tmp_path / "checkpoints" / "pointgroup"
    network.save_pretrained(folder)
    (folder / "README.md").write_text("---\nlab: scene\n---\nMade by a test.\n")
    monkeypatch.setattr(SEGMENTERS, "_loaded", {})


def matched(found: Found, room: Scene) -> list[tuple[str, float]]:
    """(class, best overlap with an object of that class) of what was found."""
    result = []
    for members, place in zip(found.members, found.classes, strict=True):
        overlaps = []
        for owner in range(FIRST, FIRST + len(PLACED)):
            true = np.flatnonzero(room.owner == owner)
            if room.classes[true[0]] == place:
                shared = len(np.intersect1d(true, members))
                overlaps.append(shared / (len(true) + len(members) - shared))
        result.append((CLASSES[place], max(overlaps)))
    return result


@pytest.mark.parametrize("coloured", [True, False])
def test_a_room_learnt_by_heart_is_taken_apart(network: PointGroup, room: Scene, coloured: bool) -> None:
    found = find(network, room.xyz, room.colours if coloured else None)
    assert (found.semantic == room.classes).mean() > 0.93
    sure = [pair for pair, score in zip(matched(found, room), found.scores, strict=True) if score > 0.5]
    assert sorted(label for label, overlap in sure if overlap > 0.7) == ["bed", "chair", "chair", "table"]
    assert len(sure) == 4
    assert found.scores == sorted(found.scores, reverse=True)


def test_a_leaning_scan_is_set_upright_and_then_looked_at(
    shipped: None, network: PointGroup, room: Scene
) -> None:
    scan = as_scan(room, Rotation.from_euler("x", 11, degrees=True))
    found = pipeline.segment(scan)
    assert found.level is not None and found.level.tilt == pytest.approx(11, abs=1.5)
    assert np.median(found.scan.aligned[room.owner == 0, 2]) == pytest.approx(0, abs=0.02)
    expected = surest(find(network, found.scan.aligned, room.colours), SHOWN_SCORE)
    assert [item.label for item in found.scan.instances] == [CLASSES[place] for place in expected.classes]
    assert all(map(np.array_equal, found.masks, expected.members))
    best = found.scan.instances[0]
    members = found.scan.aligned[expected.members[0]]
    assert best.box == pytest.approx(np.concatenate([members.min(0), members.max(0)]))


def test_a_scan_that_says_how_it_lies_is_not_turned(shipped: None, network: PointGroup, room: Scene) -> None:
    turn = Rotation.from_euler("z", 40, degrees=True)
    pose = np.eye(4)
    pose[:3, :3] = turn.inv().as_matrix()
    pose[:3, 3] = -pose[:3, :3] @ (3, -2, 1) + (0, 0, 7)
    found = pipeline.segment(replace(as_scan(room, turn), alignment=pose))
    assert found.level is None and np.array_equal(found.scan.alignment, pose)
    on_floor = found.scan.aligned - np.array([0, 0, floor_of(found.scan.aligned)], np.float32)
    expected = surest(find(network, on_floor, room.colours), SHOWN_SCORE)
    assert all(map(np.array_equal, found.masks, expected.members))
    assert all(item.box[2] > 6.9 for item in found.scan.instances)


def test_benchmark_folder_round_trip(
    shipped: None, room: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`segment SCAN --out DIR`, and the scan with that folder beside it is opened again."""
    source = tmp_path / "room_one.ply"
    scan = as_scan(room, Rotation.identity())
    source.write_bytes(scan_makers.ply(1000 * scan.vertices, scan.colours))
    folder = tmp_path / "out"
    assert command_line.main(["segment", str(source), "--out", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "unit mm" in said and "chair" in said
    lines = (folder / "room_one.txt").read_text().splitlines()
    mask, number, score = lines[0].split()
    assert mask == "predicted_masks/room_one_000.txt" and int(number) in (4, 5, 7) and 0.5 < float(score) <= 1
    assert set((folder / mask).read_text().split()) == {"0", "1"}
    expected = pipeline.segment(pipeline.open_path(source)).scan
    (folder / "room_one.ply").write_bytes(scan_makers.ply(scan.vertices, scan.colours))
    again = load_folder(folder)
    assert [item.label for item in again.instances] == [item.label for item in expected.instances]
    assert np.array_equal(again.vertex_instance, expected.vertex_instance)


def test_only_what_has_no_class_is_named_by_its_shape() -> None:
    encoder = ShapeEncoder(classes=["wall", "monitor", "shoes"])
    clouds = [np.full((30, 3), place, np.float32) for place in (1, 1, 0, 2)]

    def encode(parts: list[NDArray], floor: float) -> NDArray:
        found = np.zeros((len(parts), 3), np.float32)
        found[np.arange(len(parts)), [int(part[0, 0]) for part in parts]] = 9
        return found

    encoder.encode = encode  # type: ignore[method-assign]
    encoder.classify = torch.nn.Linear(3, 3)
    torch.nn.init.eye_(encoder.classify.weight)
    classes = ["chair", "otherprop", "otherstructure", "otherfurniture"]
    assert named(encoder, clouds, classes, 0.0) == ["chair", "monitor", UNNAMED, "shoes"]
    torch.nn.init.zeros_(encoder.classify.weight)
    torch.nn.init.zeros_(encoder.classify.bias)
    assert named(encoder, clouds, classes, 0.0)[1:] == [UNNAMED] * 3  # a third for each is not sure
    assert named(encoder, [], [], 0.0) == []


def test_overlapping_objects_leave_a_vertex_to_the_surest(room: Scene) -> None:
    scan = as_scan(room, Rotation.identity())
    found = Found(room.classes, [np.arange(50), np.arange(40, 90)], [2, 3], [0.9, 0.4])
    scan = with_found(scan, None, found, ["chair", "otherprop"], ["chair", "monitor"]).scan
    assert (scan.vertex_instance[:50] == 0).all() and (scan.vertex_instance[50:90] == 1).all()
    assert scan.instances[1].box[:3] == pytest.approx(scan.vertices[40:90].min(0))
    assert [(item.label, item.confidence) for item in scan.instances] == [("chair", 0.9), ("monitor", 0.4)]


def test_what_is_hardly_likely_is_not_shown(room: Scene) -> None:
    found = surest(Found(room.classes, [np.arange(9), np.arange(9, 20)], [2, 3], [0.5, 0.1]), 0.2)
    assert (found.scores, found.classes, len(found.members)) == ([0.5], [2], 1)


def test_a_scan_in_which_nothing_is_found_is_refused(room: Scene) -> None:
    with pytest.raises(UserError, match="segment_nothing"):
        with_found(as_scan(room, Rotation.identity()), None, Found(room.classes, [], [], []), [], [])


def test_a_few_points_are_no_fault(network: PointGroup) -> None:
    few = np.random.default_rng(0).normal(0, 1, (4, 3)).astype(np.float32)
    assert find(network, few, None).members == []


def test_grey_stands_for_no_colour(room: Scene) -> None:
    scan = as_scan(room, Rotation.identity())
    assert has_colour(scan)
    grey = Scan("grey", scan.vertices, np.full_like(scan.colours, GREY), scan.faces, scan.vertex_instance)
    assert not has_colour(grey)


def test_names_of_files_are_made_here(room: Scene, tmp_path: Path) -> None:
    scan = as_scan(room, Rotation.identity(), name="../evil/x y")
    found = Found(room.classes, [np.arange(50)], [2], [0.9])
    listing = write_predictions(with_found(scan, None, found, ["otherprop"], ["monitor"]), tmp_path / "out")
    assert listing.read_text().split()[1] == "40"  # the benchmark's class, whatever the label says
    assert listing.parent == tmp_path / "out"
    assert all(path.is_relative_to(tmp_path / "out") for path in tmp_path.rglob("*.txt"))


def test_a_missing_and_a_damaged_checkpoint_are_told(shipped: None, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="checkpoint_missing"):
        Segmenter("nobody")
    config = tmp_path / "checkpoints" / "pointgroup" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "width": 12}))
    with pytest.raises(UserError, match="checkpoint_broken"):
        Segmenter()
