"""Checkpoint folders: what a card tells, and that a bad one is named by its file."""

import json
import struct

import pytest

from models.core import checkpoints
from models.core.errors import UserError

CARD = "---\nlab: scene\ntitle: A network\nlicense: research only\n---\n\n# A network\n\nTrained on rooms.\n"


def weights(claim: int = 4, body: bytes = b"\0" * 4) -> bytes:
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, claim]}}).encode()
    return struct.pack("<Q", len(header)) + header + body


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "FOLDER", tmp_path)
    path = tmp_path / "net"
    path.mkdir()
    (path / "config.json").write_text("{}")
    (path / "README.md").write_text(CARD)
    (path / "model.safetensors").write_bytes(weights())
    return path


def refused(name="net"):
    with pytest.raises(UserError) as caught:
        checkpoints.card(name)
    return caught.value.key, caught.value.facts["file"]


def test_a_card(folder):
    card = checkpoints.card("net")
    assert (card.lab, card.title, card.licence) == ("scene", "A network", "research only")
    assert card.summary.startswith("# A network")
    assert checkpoints.all_cards("scene") == [card]
    assert checkpoints.all_cards("face") == []


def test_the_hash_follows_the_weights(folder):
    before = checkpoints.card("net").sha256
    (folder / "model.safetensors").write_bytes(weights(body=b"\1" * 4))
    assert checkpoints.card("net").sha256 != before


@pytest.mark.parametrize("name", checkpoints.FILES)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    assert refused() == ("checkpoint_missing", f"checkpoints/net/{name}")


@pytest.mark.parametrize(
    "data",
    [b"", b"\0" * 8, weights()[:-1], weights(claim=2**40), struct.pack("<Q", 2**60) + b"{}", b"PK\3\4" * 9],
)
def test_broken_weights_are_named_without_being_loaded(folder, data):
    (folder / "model.safetensors").write_bytes(data)
    assert refused() == ("checkpoint_broken", "checkpoints/net/model.safetensors")


@pytest.mark.parametrize("text", ["", "# no front matter", "---\n: [\n---\nx", "---\njust words\n---\nx"])
def test_a_broken_card_is_named(folder, text):
    (folder / "README.md").write_text(text)
    assert refused() == ("checkpoint_broken", "checkpoints/net/README.md")


@pytest.mark.parametrize("name", ["", ".", "..", "../net", "net/../net", "/etc", "other"])
def test_only_names_of_folders_here(folder, name):
    assert refused(name)[0] == "checkpoint_missing"


def test_one_broken_card_keeps_no_other_lab_from_living(folder):
    other = folder.parent / "face_net"
    other.mkdir()
    for file in checkpoints.FILES:
        (other / file).write_bytes((folder / file).read_bytes())
    (other / "README.md").write_text(CARD.replace("lab: scene", "lab: face"))
    (folder / "model.safetensors").unlink()
    (folder.parent / "nobody").mkdir()
    (folder.parent / "nobody" / "README.md").write_text("# no front matter")
    assert [card.name for card in checkpoints.all_cards("face")] == ["face_net"]
    assert checkpoints.all_cards("scene") == []
    told = {error.facts["file"] for error in checkpoints.faults("scene")}
    assert "checkpoints/net/model.safetensors" in told and len(told) == 2
    assert "checkpoints/net/model.safetensors" not in {e.facts["file"] for e in checkpoints.faults("face")}


def test_a_card_is_read_again_only_when_a_file_has_changed(folder, monkeypatch):
    first = checkpoints.card("net")
    monkeypatch.setattr(checkpoints, "_split", lambda path: pytest.fail("read again"))
    assert checkpoints.card("net") is first


def test_imported_weights_are_found_beside_those_that_ship(folder, monkeypatch, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("TRILAB_HOME", str(home))
    (home / "checkpoints").mkdir()
    folder.rename(home / "checkpoints" / "mine")
    assert [card.name for card in checkpoints.all_cards("scene")] == ["mine"]
    assert checkpoints.card("mine").path == home / "checkpoints" / "mine"
