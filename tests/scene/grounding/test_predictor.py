"""Predictors of the compared methods, on small untrained checkpoints, and the command around them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from models.core import checkpoints
from models.core.errors import UserError
from models.scene import __main__ as command
from models.scene.data.scan import Instance, Scan
from models.scene.data.scannet import load_folder
from models.scene.grounding import base
from models.scene.grounding.compared import RIVALS
from models.scene.grounding.predictor import ObjectGrounder
from models.scene.grounding.registry import GROUNDERS
from models.scene.objects.cache import prepared_scans
from tests.scene.scan_makers import scannet

NAMES = tuple(RIVALS)
CARD = "---\nlab: scene\ntitle: a test\nlicense: other\n---\nA test.\n"


@pytest.fixture(autouse=True)
def methods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints of the three networks, untrained, beside the shipped point encoder."""
    torch.manual_seed(0)
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    (folder / "shapes").symlink_to(checkpoints.FOLDER / "shapes")
    for name in RIVALS:
        built = GROUNDERS[name].kind(classes=["chair", "table"], vocabulary=["chair", "table", "the"])
        built.half().save_pretrained(folder / name)  # type: ignore[operator]
        (folder / name / "README.md").write_text(CARD)
    monkeypatch.setattr(checkpoints, "FOLDER", folder)
    monkeypatch.setattr(GROUNDERS, "_loaded", {})
    prepared_scans.cache_clear()
    yield
    prepared_scans.cache_clear()


@pytest.fixture
def scan(tmp_path: Path) -> Scan:
    """A floor, a table and a chair."""
    scannet(tmp_path / "scene", "scene")
    return load_folder(tmp_path / "scene")


@pytest.mark.parametrize("name", NAMES)
def test_objects_are_ranked_and_their_shares_sum_to_one(name: str, scan: Scan) -> None:
    found = GROUNDERS.loaded(name)(scan, "the chair at the table")
    assert found.method == found.checkpoint == name
    assert {one.object_id for one in found.ranked} == {one.id for one in scan.instances}
    assert sum(one.score for one in found.ranked) == pytest.approx(1, abs=1e-3)
    assert list(found.ranked) == sorted(found.ranked, key=lambda one: -one.score)
    assert found.target in ("chair", "table") and found.seconds >= 0
    assert found.reasons is None and found.best == found.ranked[0]


def test_words_are_weighed_by_the_method_that_has_word_attention(scan: Scan) -> None:
    words = GROUNDERS.loaded("tgnn")(scan, "the red chair, please").words
    assert [word for word, _ in words] == ["the", "red", "chair,", "please"]
    assert max(weight for _, weight in words) == 1
    assert GROUNDERS.loaded("scanrefer")(scan, "the chair").words == ()


def test_a_scan_is_prepared_once_for_all_methods(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = prepared_scans()
    calls = []
    encode = prepared.encoder.encode
    monkeypatch.setattr(prepared.encoder, "encode", lambda *given: calls.append(1) or encode(*given))
    for name in NAMES:
        GROUNDERS.loaded(name)(scan, "the chair")
    assert len(calls) == 1
    assert GROUNDERS.loaded("tgnn") is GROUNDERS.loaded("tgnn")


def test_a_doubtful_detection_loses(scan: Scan) -> None:
    sure = [Instance(one.id, one.label, one.box, one.colour, 1.0) for one in scan.instances]
    first = GROUNDERS.loaded("scanrefer")(scan, "the chair").ranked[0].object_id
    doubted = [
        Instance(one.id, one.label, one.box, one.colour, 0.0 if one.id == first else 1.0) for one in sure
    ]
    raw = Scan(scan.name, scan.vertices, scan.colours, scan.faces, scan.vertex_instance, tuple(doubted))
    assert GROUNDERS.loaded("scanrefer")(raw, "the chair").ranked[0].object_id != first


def test_a_scan_without_objects_is_told(scan: Scan) -> None:
    bare = Scan("bare", scan.vertices, scan.colours, scan.faces, np.full_like(scan.vertex_instance, -1))
    with pytest.raises(UserError, match="scan_unlabelled"):
        GROUNDERS.loaded("tgnn")(bare, "the chair")


def test_a_missing_checkpoint_names_its_file() -> None:
    with pytest.raises(UserError, match="checkpoint_missing"):
        ObjectGrounder(GROUNDERS["tgnn"].kind, "nothing_here")


def test_the_command_answers_for_every_method_that_is_named(
    tmp_path: Path, scan: Scan, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "scene")
    assert command.main(["ground", folder, "the chair", "--model", "tgnn,scanrefer", "--json"]) == 0
    methods = json.loads(capsys.readouterr().out)["methods"]
    assert list(methods) == ["scanrefer", "tgnn"]
    for one in methods.values():
        assert set(one) >= {"object_id", "label", "score", "box", "seconds"}
        assert one["object_id"] == one["ranked"][0]["object_id"]
    assert command.main(["ground", folder, "the chair", "--model", "referit3dnet"]) == 0
    assert "ReferIt3DNet" in capsys.readouterr().out
    assert command.main(["ground", folder, "the chair", "--model", "bert"]) != 0
    assert "scanrefer" in capsys.readouterr().err


def test_an_answer_without_an_object_is_plain_too() -> None:
    found = base.Grounding("tgnn", "the piano", (), "piano", "tgnn", 0.1, missing="piano")
    assert base.as_json(found)["object_id"] is None
