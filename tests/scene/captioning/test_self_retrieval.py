"""Self-retrieval with a speaker and a judge that are known."""

import json
from types import SimpleNamespace

import pytest

from models.scene import __main__ as command
from models.scene import pipeline
from models.scene.captioning import self_retrieval
from models.scene.types import Caption
from tests.scene.scan_makers import scannet


@pytest.fixture
def room(tmp_path, monkeypatch):
    """A room of which everything is said, once its id and once the same for all."""
    scannet(tmp_path / "room", "room")
    scan = pipeline.open_path(tmp_path / "room")
    said = {item.id: "a thing" if item.id % 2 else str(item.id) for item in scan.instances}

    def describe(scan, method):
        return (Caption(item.id, item.label, said[item.id], (), (), (), "x", 0) for item in scan.instances)

    def ground_by(judge, scan, sentence):
        assert judge == "instancerefer"
        best = SimpleNamespace(object_id=int(sentence)) if sentence.isdigit() else None
        return SimpleNamespace(best=best)

    monkeypatch.setattr(pipeline, "describe", describe)
    monkeypatch.setattr(pipeline, "ground_by", ground_by)
    return tmp_path / "room", scan, said


def test_captions_that_come_home_and_stand_once_are_counted(room, capsys):
    folder, scan, said = room
    assert command.main(["evaluate", "self-retrieval", "--scan", str(folder)]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    home = [text.isdigit() for text in said.values()]
    labels = [item.label for item in scan.instances]
    rivals = [right for right, label in zip(home, labels, strict=True) if labels.count(label) > 1]
    once = [list(said.values()).count(text) == 1 for text in said.values()]
    assert found["n"] == len(said)
    assert found["self_retrieval"] == pytest.approx(sum(home) / len(home), abs=1e-3)
    assert found["distinct"] == pytest.approx(sum(once) / len(once), abs=1e-3)
    assert found["with_rivals"] == (pytest.approx(sum(rivals) / len(rivals), abs=1e-3) if rivals else None)
    assert {row["model"] for row in found["captions"]} == set(self_retrieval.CAPTIONERS.installed())
