"""Accuracy by kinds of sentences, on made answers whose accuracy is known."""

from pathlib import Path

import numpy as np
import pytest

from models.core import results
from models.scene import __main__ as command
from models.scene.grounding import kinds_evaluation
from models.scene.grounding.evaluation import Asked
from models.scene.grounding.kinds_evaluation import Measured
from models.scene.grounding.reasoning import reason
from models.scene.grounding.sentence_kinds import KINDS
from tests.scene.grounding.test_reasoning import room

SAID = (
    ("the second chair from the left", 11),
    ("the fourth chair from the left", 13),
    ("the chair behind the door", 10),
    ("the chair", 14),
)


def measured(task: str = "nr3d", confidence: float = 1.0) -> Measured:
    """A network that always means the first chair, only just."""
    objects = room(confidence=confidence)
    rows = [{"scene_id": "a", "object_id": target, "text": text} for text, target in SAID]
    asked = Asked(task, rows, {"a": objects}, {"a": room()})
    scores = [np.eye(len(objects))[0] * 0.3 for _ in rows]
    reasonings = [reason(text, objects, "chair") for text, _ in SAID]
    return Measured(asked, scores, reasonings, 1.5)


def test_boxes_correct_a_network_that_cannot_count():
    assert measured().right(False).tolist() == [False, False, True, False]
    assert measured().right(True).tolist() == [True, True, True, False]


@pytest.mark.parametrize("task", ["nr3d", "scanrefer"])
def test_chance_is_one_of_the_things_of_that_name(task):
    assert measured(task).chance.tolist() == pytest.approx([0.2] * 4)


def test_a_weak_detection_is_a_weak_answer():
    sure, weak = measured().certain(True), measured(confidence=0.5).certain(True)
    assert weak == pytest.approx(0.5 * sure, rel=1e-6)
    assert (sure < 1).all()


def test_generated_sentences_are_of_kinds_alone(capsys):
    assert command.main(["evaluate", "grounding", "--task", "generated"]) == 2
    assert "evaluate kinds" in capsys.readouterr().err


def test_the_command_gives_a_row_a_kind_and_keeps_foreign_sentences_out_of_the_results(monkeypatch, tmp_path):
    monkeypatch.setattr(results, "RESULTS", tmp_path / "RESULTS.md")
    monkeypatch.setattr(kinds_evaluation, "point_encoder", lambda: None)
    monkeypatch.setattr(kinds_evaluation, "load", lambda *given, **named: measured().asked)
    monkeypatch.setattr(kinds_evaluation, "_measured", lambda asked, name: measured())
    found = kinds_evaluation.evaluate(Path("data"), "nr3d", Path("own.json"))["kinds"]
    assert [row["kind"] for row in found] == list(KINDS)
    by = {row["kind"]: row for row in found}
    assert by["ordinal"] == {"kind": "ordinal", "accuracy": 100.0, "chance": 20.0, "n": 2}
    assert by["front_behind"]["accuracy"] == 100.0 and by["other"]["accuracy"] == 0.0
    assert by["corner"] == {"kind": "corner", "accuracy": 0.0, "chance": 0.0, "n": 0}
    assert not results.RESULTS.exists()
    kinds_evaluation.evaluate(Path("data"), "nr3d", None)
    assert "<!-- kinds-nr3d -->" in results.RESULTS.read_text()
