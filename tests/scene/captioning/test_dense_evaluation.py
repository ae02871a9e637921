"""Dense captioning: which caption counts, for how much, and the rows of its command, on made rooms."""

import gzip
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.core import results
from models.scene import __main__ as command
from models.scene.captioning import dense_evaluation as dense
from models.scene.captioning import metrics
from models.scene.captioning.evaluation import scores_of
from models.scene.grounding.evaluation import Asked
from models.scene.segmentation.detection import Detections
from models.scene.segmentation.scenes import Scene
from tests.scene.test_grounding_evaluation import objects

pytest.importorskip("pycocoevalcap")

CHAIR = metrics.caption_words("this is a brown chair. it is next to the table.")
TABLE = metrics.caption_words("there is a round table in the corner of the room.")
LAMP = metrics.caption_words("a tall lamp behind the white couch.")
PEOPLE = {("a", 0): [CHAIR], ("a", 1): [TABLE], ("b", 0): [LAMP], ("b", 1): [TABLE]}


@pytest.fixture(autouse=True)
def no_java(monkeypatch):
    monkeypatch.setattr(metrics, "_meteor", lambda truth, found: 40.0)


def moved(*shifts: float):
    """Objects as they are annotated, each pushed along y: by 0.5 IoU is 1/3, by 0.2 it is 2/3."""
    found = objects(*["chair"] * len(shifts))
    found.boxes[:, [1, 4]] += np.array(shifts, np.float32)[:, None]
    return found


def numbered(targets):
    """A speaker whose caption is the place of the proposal."""
    return [[str(place)] for _, place in targets]


def asked(**truth) -> Asked:
    return Asked("scanrefer", [], {}, truth)


def test_of_several_proposals_of_an_object_the_best_overlap_speaks():
    truth = objects("chair", "table")
    twice = replace(moved(0.4, 0.1, 0.1), confidence=np.array([0.9, 0.2, 0.1], np.float32))
    twice.boxes[:, [0, 3]] = [0, 0.8]  # all three lie on the chair, the surest worst
    found = dense.speaking(twice, truth, [0, 1])
    assert found[0] == (1, pytest.approx(0.9 / 1.1, abs=1e-5)), "of equals the first, which is the surer"
    assert found[1][1] == 0


def test_a_caption_counts_where_its_box_overlaps_enough():
    proposals = dense.Proposals({"a": moved(0, 0.5), "c": moved(0)}, 10.0)
    said = dense.told_of(proposals, asked(a=objects("chair", "table"), b=objects("lamp")), PEOPLE, numbered)
    assert said == {0.25: {("a", 0): ["0"], ("a", 1): ["1"]}, 0.5: {("a", 0): ["0"]}}


def test_what_nobody_described_is_neither_asked_nor_counted():
    proposals = dense.Proposals({"a": moved(0, 0, 0)}, 10.0)
    truth = asked(a=objects("chair", "table", "shelf"))
    assert dense.told_of(proposals, truth, {("a", 2): [LAMP]}, numbered)[0.5] == {("a", 2): ["2"]}


def test_a_missed_object_scores_nothing_and_still_counts():
    everything = {key: rows[0] for key, rows in PEOPLE.items()}
    whole = dense.detected_scores(everything, PEOPLE)
    half = dense.detected_scores({key: everything[key] for key in [("a", 0), ("b", 0)]}, PEOPLE)
    assert whole["BLEU-4"] == pytest.approx(100, abs=0.1) and whole["METEOR"] == 40
    assert (half["BLEU-4"], half["ROUGE-L"], half["METEOR"]) == pytest.approx((50, 50, 20), abs=0.1)
    assert dense.detected_scores({}, PEOPLE) == dict.fromkeys(("CIDEr", "BLEU-4", "METEOR", "ROUGE-L"), 0)


def test_cider_is_the_mean_of_what_each_object_has_among_all():
    """Weights of words come from all descriptions, found or not: the parts of a whole add up to it."""
    everything = {key: rows[0] for key, rows in PEOPLE.items()}
    parts = [dense.detected_scores({key: words}, PEOPLE)["CIDEr"] for key, words in everything.items()]
    assert min(parts) > 0
    assert sum(parts) == pytest.approx(dense.detected_scores(everything, PEOPLE)["CIDEr"], abs=0.05)


def test_by_the_released_rule_a_missed_object_has_the_frame_right():
    said = {("a", 0): CHAIR}
    assert scores_of(said, PEOPLE)["ROUGE-L"] > dense.detected_scores(said, PEOPLE)["ROUGE-L"] + 5


def test_without_java_meteor_is_left_open(monkeypatch):
    monkeypatch.setattr(metrics, "_meteor", lambda truth, found: None)
    assert dense.detected_scores({("a", 0): CHAIR}, PEOPLE)["METEOR"] is None


class NoEncoder:
    """Remembers how many points each object came with."""

    def encode(self, clouds, floor):
        self.counts = [len(cloud) for cloud in clouds]
        return np.zeros((len(clouds), 128), np.float32)


def test_proposals_know_nothing_that_is_annotated():
    xyz = np.random.default_rng(0).uniform(0.1, 0.9, (60, 3)).astype(np.float32)
    scene = Scene("a", xyz, None, np.zeros(60, np.int64), np.zeros(60, np.int64), np.ones(60), floor=0.5)
    boxes = np.array([[0, 0, 0, 1, 1, 1], [3, 3, 0, 4, 4, 1]], np.float32)
    found = Detections(boxes, ("sofa", "bed"), np.array([0.9, 0.3], np.float32))
    encoder = NoEncoder()
    seen = dense.detected(scene, found, encoder)
    assert seen.labels == ("sofa", "bed") and encoder.counts == [60, 0]
    np.testing.assert_allclose(seen.boxes[:, [2, 5]], [[0.5, 1.5]] * 2)  # in the scene's own frame
    assert dense.detected(scene, Detections(boxes[:0], (), np.zeros(0, np.float32)), encoder) is None


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Two scenes of which one has a described object that is found, and one nothing at all."""
    (tmp_path / "language").mkdir()
    for name in ("scanrefer_val_a", "nr3d_test_a"):
        rows = [
            {"scene_id": scene, "object_id": 0, "description": " ".join(words)}
            for scene, words in (("a", CHAIR), ("b", LAMP), ("elsewhere", TABLE))
        ]
        with gzip.open(tmp_path / f"language/{name}.json.gz", "wt") as file:
            json.dump(rows, file)
    scene = Scene("", np.zeros((0, 3)), None, np.zeros(0), np.zeros(0), np.zeros(0))
    monkeypatch.setattr(dense, "val_scenes", lambda *given: [replace(scene, name=name) for name in "abc"])
    monkeypatch.setattr(dense, "scene_objects", lambda data, names, _: {n: objects("chair") for n in names})
    monkeypatch.setattr(dense, "found_by", lambda scenes: {"VoteNet": dense.Proposals({"a": moved(0)}, 7.5)})
    monkeypatch.setattr(dense, "speakers", lambda *_, **__: {"template": lambda rows: [CHAIR for _ in rows]})
    monkeypatch.setattr(results, "RESULTS", tmp_path / "RESULTS.md")
    return tmp_path


def test_the_command_prints_a_row_a_captioner_and_detector_and_the_talks(data: Path, capsys):
    assert command.main(["evaluate", "dense-captioning", "--data", str(data)]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    (row, *talk) = found["dense captioning, ScanRefer"]
    metrics_at = [f"{name}@{bound}" for bound in (0.25, 0.5) for name in dense.COLUMNS]
    assert list(row) == ["model", "boxes", *metrics_at, "mAP@0.5", "found@0.25", "found@0.5", "n"]
    assert (row["model"], row["boxes"], row["mAP@0.5"], row["n"]) == ("template", "VoteNet", 7.5, 2)
    assert row["found@0.5"] == 50 and row["ROUGE-L@0.5"] == pytest.approx(50, abs=0.1)
    assert [one["model"] for one in talk] == [f"{name}, the talk" for name in dense.TALK["scanrefer"]]
    assert talk[-1]["CIDEr@0.5"] == 41.52 and "ROUGE-L@0.5" not in talk[-1], "counted by another rule"
    (other, *_, last) = found["dense captioning, ScanRefer, as released"]
    assert other["ROUGE-L@0.5"] > row["ROUGE-L@0.5"] and last["ROUGE-L@0.5"] == 44.97
    assert {"dense captioning, Nr3D", "dense captioning, Nr3D, as released"} < found.keys()
    assert "<!-- dense-captioning -->" in results.RESULTS.read_text()


@pytest.mark.skipif(shutil.which("java") is None, reason="METEOR is a java program")
def test_meteor_too_is_shared_out(monkeypatch):
    monkeypatch.undo()
    scores = dense.detected_scores({("a", 0): CHAIR}, PEOPLE)
    assert scores["METEOR"] == pytest.approx(25, abs=0.5)
