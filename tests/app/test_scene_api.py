"""The named endpoints, called by gradio_client as a stranger's script would."""

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from tests.scene.scan_makers import packed, scannet
from tests.served import SCANS, served


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with served(tmp_path_factory.mktemp("scans")) as address:
        yield address


@pytest.fixture
def client(address):
    client = Client(address, verbose=False)
    yield client
    client.close()


@pytest.fixture
def zipped(tmp_path):
    files = scannet(tmp_path / "mine", "mine")
    return packed(tmp_path / "mine.zip", {path.name: path.read_bytes() for path in files.values()})


def test_the_endpoints_have_their_names(client):
    named = client.view_api(return_format="dict")["named_endpoints"]
    assert {"/scene_open", "/scene_ground", "/scene_pick"} <= set(named)
    assert all(name.startswith("/scene_") for name in named)


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
        ("窗边的椅子", "English only"),
        ("стул у окна", "English only"),
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
