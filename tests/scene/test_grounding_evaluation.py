"""The figures of grounding, on made answers whose accuracy is known."""

import gzip
import json

import numpy as np
import pytest

from models.core import results
from models.scene.grounding import evaluation
from models.scene.objects.object_set import Objects

TABLE = "id\traw_category\tnyu40class\n1\tchair\tchair\n2\tbed\tbed\n3\tlamp\tlamp\n"


def objects(*labels: str, confidence: float = 1.0) -> Objects:
    count = len(labels)
    boxes = np.array([[k, 0, 0, k + 0.8, 1, 1] for k in range(count)], np.float32)
    zeros = np.zeros((count, 384), np.float32)
    return Objects(
        np.arange(count),
        labels,
        zeros,
        boxes,
        np.zeros((count, 3), np.float32),
        np.linspace(confidence, confidence / 2, count).astype(np.float32),
        np.zeros((count, 128), np.float32),
        np.array([0, 0, 0, 9, 9, 3], np.float32),
    )


def always(place: int):
    return lambda asked: [np.eye(len(offered))[place] for offered, _ in asked]


@pytest.fixture
def data(tmp_path):
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "scannetv2-labels.combined.tsv").write_text(TABLE)
    return tmp_path


def test_scanrefer_parts(data):
    room = objects("chair", "chair", "bed", "lamp")
    rows = [
        {"scene_id": "a", "object_id": 0, "text": "x"},
        {"scene_id": "a", "object_id": 1, "text": "y"},
        {"scene_id": "a", "object_id": 2, "text": "z"},
    ]
    asked = evaluation.Asked("scanrefer", rows, {"a": room}, {"a": room})
    found = evaluation.figures(data, asked, always(0))
    assert found["n"] == 3
    assert found["overall"] == {"acc@0.25": 33.3, "acc@0.5": 33.3}
    assert found["unique"] == {"acc@0.25": 0.0, "acc@0.5": 0.0}, "the bed is the only one of its class"
    assert found["multiple"] == {"acc@0.25": 50.0, "acc@0.5": 50.0}


def test_a_shifted_box_counts_at_a_quarter_and_not_at_a_half(data):
    truth, offered = objects("chair"), objects("chair")
    offered.boxes[0, [0, 3]] += 0.35
    asked = evaluation.Asked(
        "scanrefer", [{"scene_id": "a", "object_id": 0, "text": "x"}], {"a": offered}, {"a": truth}
    )
    assert evaluation.figures(data, asked, always(0))["overall"] == {"acc@0.25": 100.0, "acc@0.5": 0.0}


def test_nr3d_parts(data):
    room = objects("chair", "chair", "chair", "bed", "bed")
    rows = [
        {"scene_id": "a", "object_id": 0, "text": "the chair on the left"},
        {"scene_id": "a", "object_id": 1, "text": "the chair near the bed"},
        {"scene_id": "a", "object_id": 3, "text": "the bed near the chair"},
    ]
    found = evaluation.figures(data, evaluation.Asked("nr3d", rows, {"a": room}, {"a": room}), always(0))
    assert found["overall"] == 33.3
    assert (found["easy"], found["hard"]) == (0.0, 50.0)
    assert (found["view_dependent"], found["view_independent"]) == (100.0, 0.0)


def test_the_baseline_takes_the_first_label_named_and_the_surest_of_it():
    room = objects("bed", "chair", "office chair", "chair")
    picked = [
        int(scores.argmax()) for scores in evaluation.by_first_label([(room, "The chairs by the bed")] * 2)
    ]
    assert picked == [1, 1]
    assert int(evaluation.by_first_label([(room, "the office chair by the bed")])[0].argmax()) == 2


def test_a_language_file_may_be_zipped_or_not(tmp_path):
    rows = [{"scene_id": "a", "object_id": 1, "description": "it is red"}]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    with gzip.open(tmp_path / "b.json.gz", "wt") as file:
        json.dump(rows, file)
    for name in ("a.json", "b.json.gz"):
        assert evaluation.sentences(tmp_path / name)[0]["text"] == "it is red"


def test_a_table_replaces_the_one_before(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "RESULTS", tmp_path / "docs" / "RESULTS.md")
    results.write("one", results.markdown([{"": "a", "x": 1.0}]))
    results.write("two", "second")
    results.write("one", results.markdown([{"": "a", "x": 2.0}]))
    page = results.RESULTS.read_text()
    assert "| a | 2.0 |" in page
    assert "1.0" not in page
    assert page.index("2.0") < page.index("second")
