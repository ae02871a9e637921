"""Average precision by ScanNet's rules, on scenes to be counted by hand; points that stand for more."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.scene.data.proposals import read_proposals
from models.scene.grounding.grounding_on_predictions import rows_of
from models.scene.segmentation.average_precision import Judged, average_precision
from models.scene.segmentation.evaluation import judge, measured
from models.scene.segmentation.pointgroup import IGNORED
from models.scene.segmentation.predictor import Found
from models.scene.segmentation.scenes import Scene
from models.scene.segmentation.training import filled, reduced, score_targets

A, B = np.arange(0, 200), np.arange(200, 400)
WALL = np.arange(400, 1000)


def scene(found: list, truth: list | None = None, weight: float = 1.0) -> Judged:
    void = np.zeros(1000, bool)
    void[WALL] = True
    truth = [("chair", A), ("chair", B)] if truth is None else truth
    return Judged(np.full(1000, weight), void, truth, found)


def ap(found: list, bound: float = 0.5, **other: object) -> float:
    return average_precision([scene(found, **other)], "chair", bound)  # type: ignore[arg-type]


def test_all_right_none_right_nothing_there() -> None:
    assert ap([("chair", A, 0.9), ("chair", B, 0.8)]) == pytest.approx(1)
    assert ap([]) == 0
    assert ap([("table", A, 0.9)]) == 0
    assert math.isnan(ap([("chair", A, 0.9)], truth=[]))


def test_half_found_is_half_the_area() -> None:
    # Recall steps 0 -> 0.5; by the benchmark's half steps its first half counts fully, its second half too.
    assert ap([("chair", A, 0.9)]) == pytest.approx(0.5)


def test_a_wrong_one_costs_by_its_rank() -> None:
    both = [("chair", A, 0.9), ("chair", B, 0.8)]
    nowhere = np.concatenate([A[:90], B[:90]])
    after, before = ap([*both, ("chair", nowhere, 0.1)]), ap([*both, ("chair", nowhere, 0.99)])
    assert before < after < 1.0 + 1e-9
    # By hand: thresholds .8 .9 .99 give precision 2/3, 1/2, 0 at recall 1, 1/2, 0, and 1 at the end.
    assert before == pytest.approx(2 / 3 * 0.25 + 1 / 2 * 0.5 + 0 * 0.25 + 1 * 0.0)


def test_the_second_of_two_for_one_object_is_wrong() -> None:
    twice = [("chair", A, 0.9), ("chair", A[:150], 0.95), ("chair", B, 0.8)]
    assert ap(twice) < 1
    assert ap(twice[1:]) == pytest.approx(1)


def test_the_bound_is_on_the_overlap() -> None:
    found = [("chair", A[:100], 0.9), ("chair", B, 0.8)]
    assert ap(found, 0.25) == pytest.approx(1)
    assert ap(found, 0.5) < 0.6


def test_what_lies_on_no_judged_class_is_not_wrong() -> None:
    found = [("chair", A, 0.7), ("chair", B, 0.6), ("chair", WALL[:300], 0.95)]
    assert ap(found) == pytest.approx(1)


def test_small_ones_count_neither_way() -> None:
    small = np.arange(0, 60)
    assert ap([("chair", B, 0.9)], truth=[("chair", small), ("chair", B)]) == pytest.approx(1)
    assert ap([("chair", B, 0.5), ("chair", small, 0.9)], truth=[("chair", B)]) == pytest.approx(1)
    # Points that stand for two vertices each make it large enough to be missed.
    assert ap([("chair", B, 0.9)], truth=[("chair", small), ("chair", B)], weight=2.0) < 1


def test_scenes_are_ranked_together() -> None:
    good = scene([("chair", A, 0.9), ("chair", B, 0.9)])
    bad = scene([("chair", np.concatenate([A[:90], B[:90]]), 0.95)])
    assert average_precision([good, bad], "chair", 0.5) < average_precision([good], "chair", 0.5)


CLASSES = ("wall", "floor", "chair", "table", "lamp")


def small_room() -> Scene:
    """A floor of 600, two chairs of 200 and a lamp of 100 points, each standing for two vertices."""
    rng = np.random.default_rng(0)
    corners = [((0, 0, 0), (3, 3, 0.01), 600), ((0, 0, 0.1), (0.5, 0.5, 0.6), 200)]
    corners += [((2, 0, 0.1), (2.5, 0.5, 0.6), 200), ((1, 2, 0.1), (1.2, 2.2, 0.6), 100)]
    xyz = np.concatenate([rng.uniform(low, high, (n, 3)) for low, high, n in corners]).astype(np.float32)
    counts = [n for *_, n in corners]
    classes, owner = np.repeat([1, 2, 2, 4], counts), np.repeat([0, 1, 2, 3], counts)
    return Scene("small", xyz, None, classes, owner, np.full(len(xyz), 2, np.float32))


class Oracle:
    """Stands where a network stands and says what is so, with mistakes if asked for."""

    classes = CLASSES


def test_judged_scenes_hold_the_eighteen_classes_alone() -> None:
    room = small_room()
    found = Found(room.classes, [np.flatnonzero(room.owner == 1)], [2], [0.8])
    judged = judge(room, found, CLASSES)
    assert [kind for kind, _ in judged.truth] == ["chair", "chair"]
    assert judged.void.sum() == 700  # the floor and the lamp
    assert judged.found[0][0] == "chair" and judged.found[0][2] == 0.8


def test_figures_of_one_that_is_always_right_and_of_one_that_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    room = small_room()
    chairs = [np.flatnonzero(room.owner == number) for number in (1, 2)]
    answers = iter(
        [
            Found(room.classes, chairs, [2, 2], [0.9, 0.8]),
            Found(np.where(room.owner == 1, 3, room.classes), chairs[1:], [2], [0.8]),
        ]
    )
    monkeypatch.setattr("models.scene.segmentation.evaluation.find", lambda *given: next(answers))
    right = measured(Oracle(), [room])  # type: ignore[arg-type]
    assert (right["mIoU"], right["AP50"], right["AP25"]) == (100, 100, 100)
    assert right["classes"] == {"chair": 100}
    wrong = measured(Oracle(), [room])  # type: ignore[arg-type]
    assert wrong["AP50"] == 50 and wrong["mIoU"] == 25  # chair 1/2, table 0; no other is there or said
    assert wrong["mIoU/20"] == pytest.approx(50)  # and the floor 1


def test_what_was_found_becomes_boxes_at_the_height_of_the_scan(tmp_path: Path) -> None:
    room = replace(small_room(), floor=-1.5)
    (row,) = rows_of(room, Found(room.classes, [np.flatnonzero(room.owner == 2)], [2], [0.7]), ["chair"])
    assert (row["label"], row["score"]) == ("chair", 0.7)
    (tmp_path / "found.json").write_text(json.dumps({"room": [row]}))
    (read,) = read_proposals(tmp_path / "found.json")["room"]  # as grounding reads it
    assert read.label == "chair" and read.box == pytest.approx(row["extension"], abs=1e-4)
    assert row["extension"][:3] == pytest.approx([2, 0, -1.4], abs=0.05)
    assert row["extension"][3:] == pytest.approx([2.5, 0.5, -0.9], abs=0.05)


def test_clusters_are_taught_their_overlap() -> None:
    owner = np.repeat([0, 1, -1], [100, 100, 50])
    stuff = np.zeros(250, bool)
    wanted = score_targets([np.arange(100), np.arange(50), np.arange(20), np.arange(0, 200)], owner, stuff)
    assert wanted.tolist() == pytest.approx([1, 0.5, 0, 0.5])
    stuff[:100] = True  # a wall is no object
    assert score_targets([np.arange(100)], owner, stuff).tolist() == [0]


def test_a_thinned_scene_is_filled_up_where_it_was_thinned() -> None:
    room = small_room()
    room.weight[room.owner == 1] = 1
    more = filled(room, np.random.default_rng(0))
    counts = [(more.owner == number).sum() for number in range(4)]
    assert counts == [1200, 200, 400, 200]
    for number in range(4):
        low, high = (f(room.xyz[room.owner == number], axis=0) for f in (np.min, np.max))
        new = more.xyz[more.owner == number]
        assert (new >= low - 1e-5).all() and (new <= high + 1e-5).all()
    assert (more.classes[more.owner == 3] == 4).all() and IGNORED not in more.classes


def test_a_voxel_becomes_the_mean_of_its_points() -> None:
    xyz = np.array([[0, 0, 0], [0.02, 0.01, 0], [-0.01, 0, 0], [0.3, 0, 0]], np.float32)
    colours = np.array([[10, 0, 0], [30, 0, 0], [7, 7, 7], [1, 2, 3]], np.uint8)
    found = reduced(Scene("s", xyz, colours, np.arange(4), np.arange(4), np.ones(4, np.float32)), 0.05)
    assert found.owner.tolist() == [2, 0, 3]
    assert found.xyz[1] == pytest.approx([0.01, 0.005, 0])
    assert found.colours is not None and found.colours.tolist() == [[7, 7, 7], [20, 0, 0], [1, 2, 3]]
