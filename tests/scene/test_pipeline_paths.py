"""A scan of the command line is a path, or the name of one that ships; and is encoded once."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from models.core.errors import UserError
from models.scene import __main__ as command_line
from models.scene import pipeline
from models.scene.captioning.registry import CAPTIONERS
from models.scene.grounding.instancerefer import predictor
from models.scene.objects import cache
from tests.scene.scan_makers import scannet


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    scannet(tmp_path / "scans" / "room_one", "room_one")
    monkeypatch.setattr(pipeline, "SCANS", tmp_path / "scans")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "scans" / "room_one"


def test_a_shipped_scan_has_a_name(shipped):
    assert pipeline.open_path(Path("room_one")).name == pipeline.open_path(shipped).name == "room_one"
    with pytest.raises(UserError):
        pipeline.open_path(Path("room_two"))


def test_the_commands_take_the_name(shipped, monkeypatch, capsys):
    asked = []
    stand_in = SimpleNamespace(describe=lambda scan: asked.append(scan.name) or iter(()))
    monkeypatch.setattr(CAPTIONERS, "loaded", lambda name: stand_in)
    assert command_line.main(["caption", "room_one", "--json"]) == 0
    assert asked == ["room_one"]


def test_grounding_and_captioning_share_what_is_prepared(monkeypatch):
    monkeypatch.setattr(CAPTIONERS, "_loaded", {})  # what other tests loaded may share with nobody any more
    predictor.load.cache_clear()
    assert pipeline.grounder("instancerefer").prepared is CAPTIONERS.loaded("xtrans2cap").prepared
    assert cache.prepared_scans() is pipeline.grounder("instancerefer").prepared
