"""A wall, floor or ceiling is named, and no network is asked."""

import json

import pytest

from app.scene import object_views
from models.core.errors import UserError
from models.scene import __main__ as command_line
from models.scene import pipeline
from models.scene.captioning.registry import CAPTIONERS
from models.scene.chinese.caption import in_chinese
from models.scene.data.scan import Instance, Scan
from tests.app.test_scene_view import furnished_room

SAID = {"floor": "This is the floor.", "wall": "This is a wall.", "ceiling": "This is the ceiling."}


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Scan:
    """A room of which no network can say anything."""

    def refuse(method: str) -> None:
        raise UserError("model_unknown")

    monkeypatch.setattr(CAPTIONERS, "loaded", refuse)
    return pipeline.open_example("room_office_01")


def of(scan: Scan, label: str) -> Instance:
    return next(one for one in scan.instances if one.label == label)


@pytest.mark.parametrize("label", ["floor", "wall"])
def test_it_is_named_by_every_method(room: Scan, label: str) -> None:
    found = pipeline.captions(("xtrans2cap", "scan2cap"), room, of(room, label).id)
    assert {one.text for one in found.values()} == {SAID[label]}
    assert all(one.checkpoint == "" and one.likely == (None,) and not one.others for one in found.values())
    with pytest.raises(UserError, match="model_unknown"):
        pipeline.caption(room, of(room, "desk").id)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ((), SAID["floor"]),
        (("--lang", "zh"), "这是地板。"),
        (("--model", "transcap,scan2cap"), f"TransCap: {SAID['floor']}\nScan2Cap: {SAID['floor']}"),
    ],
)
def test_the_command_names_it(room: Scan, capsys, more: tuple[str, ...], told: str) -> None:
    asked = ["caption", room.name, "--object", str(of(room, "floor").id)]
    assert command_line.main([*asked, *more]) == 0
    assert capsys.readouterr().out.strip() == told
    assert command_line.main([*asked, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["text"] == SAID["floor"]


def test_the_card_has_the_sentence_and_nothing_to_doubt(room: Scan) -> None:
    said = pipeline.caption(room, of(room, "floor").id)
    for language, text in (("en", SAID["floor"]), ("zh-CN", "这是地板。")):
        (card,) = object_views._said(language, room, said, "who")
        assert (
            card.count("<p") == 1 and f">{text}</span>" in card and "tl-doubt" not in card and "%" not in card
        )


@pytest.mark.parametrize("label", SAID)
def test_there_is_chinese_for_it(label: str) -> None:
    assert (
        in_chinese(SAID[label])
        == {"floor": "这是地板。", "wall": "这是一面墙。", "ceiling": "这是天花板。"}[label]
    )


def test_networks_are_made_ready_by_something_that_they_describe(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    room = furnished_room(0.3)
    monkeypatch.setattr(pipeline, "open_example", lambda name: room)
    monkeypatch.setattr(pipeline, "ground", lambda scan, sentence: None)
    monkeypatch.setattr(CAPTIONERS, "loaded", lambda method: lambda scan, id: asked.append(id))
    pipeline.warm_up("room")
    assert next(one.label for one in room.instances if one.id == asked[0]) not in SAID
