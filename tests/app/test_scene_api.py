"""The named endpoints, called by gradio_client as a stranger's script would."""

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from models.scene.captioning.registry import CAPTIONERS
from models.scene.grounding.registry import GROUNDERS
from tests.scene.scan_makers import grid, packed, ply, room, scannet
from tests.served import SCANS


@pytest.fixture
def raw(tmp_path):
    """A scan without labels."""
    vertices, colours, faces, _ = room()
    path = tmp_path / "raw.ply"
    path.write_bytes(ply(vertices, colours, faces))
    return handle_file(str(path))


@pytest.fixture
def zipped(tmp_path):
    files = scannet(tmp_path / "mine", "mine")
    return packed(tmp_path / "mine.zip", {path.name: path.read_bytes() for path in files.values()})


def test_the_endpoints_have_their_names(client):
    named = client.view_api(return_format="dict")["named_endpoints"]
    known = ("open", "ground", "compare", "pick", "segment", "caption", "captions", "describe")
    assert {f"/scene_{name}" for name in known} <= set(named)
    others = (
        "/face_animate",
        "/face_voices",
        *(f"/colonoscopy_{name}" for name in ("draw", "grid", "segment", "find", "film")),
    )
    assert all(name.startswith("/scene_") or name in others for name in named)


def test_ground_by_the_name_of_a_scan(client):
    answer = client.predict("the chair", SCANS[0], None, api_name="/scene_ground")
    assert (answer["object_id"], answer["label"]) == (7, "chair")
    assert len(answer["box"]) == 6
    assert 0 < answer["score"] <= 1
    assert set(answer["candidates"][0]) >= {
        "object_id",
        "label",
        "box",
        "score",
        "attribute",
        "relation",
        "location",
    }


def test_several_methods_by_name(client):
    found = client.predict(
        "the chair at the table", "tgnn,instancerefer", SCANS[0], None, api_name="/scene_compare"
    )["methods"]
    assert list(found) == ["instancerefer", "tgnn"]
    assert (found["instancerefer"]["object_id"], found["tgnn"]["object_id"]) == (6, 7)
    assert set(found["tgnn"]) >= {"object_id", "label", "score", "box", "seconds"}
    every = client.predict("the chair", "", "", None, api_name="/scene_compare")["methods"]
    assert set(every) == set(GROUNDERS)


def test_a_method_that_is_none_is_told(client):
    with pytest.raises(AppError, match="no model called"):
        client.predict("the chair", "../tgnn", SCANS[0], None, api_name="/scene_compare")


def test_open_then_ask_then_pick(client):
    opened = client.predict(SCANS[1], None, api_name="/scene_open")
    assert [one["label"] for one in opened["objects"]] == ["floor", "table", "chair"]
    assert client.predict("the table by the chair", "", None, api_name="/scene_ground")["label"] == "table"
    picked = client.predict(6, api_name="/scene_pick")
    assert picked["label"] == "table"
    assert picked["size"] == pytest.approx([1, 1, 0], abs=0.01)


def test_an_uploaded_zip(client, zipped):
    answer = client.predict("the chair", "", [handle_file(str(zipped))], api_name="/scene_ground")
    assert answer["label"] == "chair"


def test_nothing_named_is_no_answer(client):
    answer = client.predict("the piano", SCANS[0], None, api_name="/scene_ground")
    assert answer["object_id"] is None
    assert answer["candidates"] == []
    assert answer["missing"] == "piano"


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        ("", "no sentence yet"),
        ("   ", "no sentence yet"),
        ("chair " * 60, "at most 300"),
        ("стул у окна", "English and Chinese only"),
        ("窓のそばの椅子", "English and Chinese only"),
    ],
)
def test_a_sentence_that_cannot_be_asked(client, sentence, told):
    with pytest.raises(AppError, match=told):
        client.predict(sentence, SCANS[0], None, api_name="/scene_ground")


def test_asking_before_a_scan_is_open(client):
    with pytest.raises(AppError, match="No scan is open"):
        client.predict("the chair", "", None, api_name="/scene_ground")
    with pytest.raises(AppError, match="No scan is open"):
        client.predict(7, api_name="/scene_pick")


def test_an_object_that_is_not_there(client):
    client.predict(SCANS[0], None, api_name="/scene_open")
    with pytest.raises(AppError, match="has no object 99"):
        client.predict(99, api_name="/scene_pick")


def test_a_client_is_told_in_its_own_language(address):
    client = Client(address, verbose=False, headers={"Accept-Language": "zh-CN"})
    with pytest.raises(AppError, match="还没有打开扫描"):
        client.predict("the chair", "", None, api_name="/scene_ground")
    client.close()


def test_a_caption_of_an_object(client):
    client.predict(SCANS[0], None, api_name="/scene_open")
    said = client.predict(7, api_name="/scene_caption")
    assert (said["object_id"], said["label"]) == (7, "chair")
    assert said["text"].startswith("This is a chair.")
    assert len(said["likely"]) == 1 + len(said["others"])
    assert set(said["anchors"][0]) == {"object_id", "label", "weight"}
    with pytest.raises(AppError, match="has no object 99"):
        client.predict(99, api_name="/scene_caption")


def test_a_floor_is_named(client):
    client.predict(SCANS[0], None, api_name="/scene_open")
    said = client.predict(5, api_name="/scene_caption")
    assert (said["text"], said["others"], said["checkpoint"]) == ("This is the floor.", [], "")


def test_captions_of_several_methods(client):
    client.predict(SCANS[0], None, api_name="/scene_open")
    said = client.predict(7, "scan2cap,xtrans2cap", api_name="/scene_captions")["methods"]
    assert list(said) == ["xtrans2cap", "scan2cap"]
    assert "By scan2cap" in said["scan2cap"]["text"] and "By" not in said["xtrans2cap"]["text"]
    assert set(client.predict(7, "", api_name="/scene_captions")["methods"]) == set(CAPTIONERS)
    with pytest.raises(AppError, match="xtrans2cap"):
        client.predict(7, "../scan2cap", api_name="/scene_captions")


def test_the_whole_room_in_scan2caps_form(client):
    client.predict(SCANS[0], None, api_name="/scene_open")
    said = client.predict(api_name="/scene_describe")
    assert [one["label"] for one in said["captions"]] == ["table", "chair"]
    assert said["scan2cap"][f"{SCANS[0]}|7|chair"] == ["sos this is a chair . it is next to the floor . eos"]


def test_a_raw_scan_is_found_described_and_asked(client, raw):
    assert client.predict("", [raw], api_name="/scene_open")["objects"] == []
    with pytest.raises(AppError, match="no labelled objects"):
        client.predict("the chair", "", None, api_name="/scene_ground")
    found = client.predict("", None, api_name="/scene_segment")
    assert [(one["label"], one["confidence"]) for one in found["objects"]] == [("table", 0.9), ("chair", 0.7)]
    assert (found["unit"], found["tilt"]) == ("m", 12)
    chair = found["objects"][1]["object_id"]
    assert client.predict("the chair", "", None, api_name="/scene_ground")["object_id"] == chair
    assert "chair" in client.predict(chair, api_name="/scene_caption")["text"]
    assert len(client.predict(api_name="/scene_describe")["captions"]) == 2


def test_a_raw_scan_is_uploaded_and_found_in_one_call(client, raw):
    assert len(client.predict("", [raw], api_name="/scene_segment")["objects"]) == 2


def test_a_scan_in_which_nothing_is_found(client, tmp_path):
    vertices, faces = grid(20, (0, 0, 0), 4)
    path = tmp_path / "empty.ply"
    path.write_bytes(ply(vertices, None, faces))
    with pytest.raises(AppError, match="No object was found"):
        client.predict("", [handle_file(str(path))], api_name="/scene_segment")


@pytest.mark.parametrize("name", ["segment", "caption", "describe"])
def test_nothing_is_said_before_a_scan_is_open(client, name):
    given = {"segment": ("", None), "caption": (7,), "describe": ()}[name]
    with pytest.raises(AppError, match="No scan is open"):
        client.predict(*given, api_name=f"/scene_{name}")
