"""Faults while the shipped networks are served: a checkpoint is cut, ffmpeg is killed; the page goes on."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file

from app.face import service
from models.colonoscopy.synthesis.registry import GENERATORS
from models.core import checkpoints
from models.scene import pipeline
from models.scene.captioning.registry import CAPTIONERS
from tests.abuse.test_page import META, call
from tests.abuse.test_uploaded_files import upload
from tests.launched import Launched, launched
from tests.scene.scan_makers import scannet

NEEDED = (
    *("instancerefer", *CAPTIONERS["xtrans2cap"].checkpoints, "polyps", "colonoscopy_memory"),
    *(*GENERATORS["arsdm"].checkpoints, "face_motion", "face_generator", "face_sync"),
)
# launch.py on a copy of the checkpoints, which a test may break.
PROGRAM = """
import os, pathlib, sys
from models.core import checkpoints
checkpoints.FOLDER = pathlib.Path(os.environ["TRILAB_COPY"])
import launch
code = launch.main()
os._exit(code)
"""
SENTENCE = "the biggest chair you see"  # no stored example

pytestmark = pytest.mark.skipif(
    not all((checkpoints.FOLDER / name / "model.safetensors").is_file() for name in NEEDED),
    reason="the checkpoints are not here",
)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the checkpoints that the server reads."""
    folder = tmp_path_factory.mktemp("copy") / "checkpoints"
    folder.mkdir()
    for name in NEEDED:
        shutil.copytree(checkpoints.FOLDER / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def server(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launched]:
    """A server that has not loaded anything yet."""
    known = {**os.environ, "TRILAB_COPY": str(copy)}
    with launched(tmp_path_factory.mktemp("server"), program=("-c", PROGRAM), environment=known) as running:
        yield running


def portrait(server: Launched) -> dict:
    path = upload(server.address, ("face.png", service.example().read_bytes()))[0]
    return {"path": path, "meta": META}


def spoken(server: Launched, text: str) -> list:
    return [portrait(server), None, None, text, "en", "", "generated", False, True, 0, True]


QUESTIONS = {
    "instancerefer": lambda server: ("scene_ground", [SENTENCE, pipeline.examples()[0], None]),
    "polyps": lambda server: ("colonoscopy_segment", [portrait(server)]),
    "face_generator": lambda server: ("face_animate", spoken(server, "Hi.")),
}


@pytest.mark.parametrize("name", QUESTIONS)
@pytest.mark.parametrize("how", ["cut", "removed"])
def test_a_checkpoint_that_goes_while_the_page_is_served(server, copy, name, how):
    weights = copy / name / "model.safetensors"
    whole = weights.read_bytes()

    def ask() -> str:
        return call(server.address, *QUESTIONS[name](server))

    def damage() -> None:
        if how == "cut":
            os.truncate(weights, len(whole) // 2)
        else:
            weights.unlink()

    damage()
    first = ask()
    if how == "cut":  # nothing of it was loaded yet
        assert "event: error" in first and f"checkpoints/{name}" in first
    assert _answered_or_told(first) and _lives(server)
    weights.write_bytes(whole)
    assert "event: complete" in ask()
    damage()  # after it was loaded
    assert _answered_or_told(ask()) and _lives(server)
    weights.write_bytes(whole)
    assert "event: complete" in ask()


def _answered_or_told(said: str) -> bool:
    return "event: complete" in said or ("event: error" in said and "Put it back" in said)


def _lives(server: Launched) -> bool:
    """Whether the page and its cards are still served."""
    pages = [httpx.get(f"{server.address}{path}", timeout=60) for path in ("", "cards?lab=scene")]
    return all(page.status_code == 200 for page in pages)


def test_ffmpeg_killed_in_a_film_is_told_and_the_next_film_is_made(server):
    long = " ".join(["This is a long sentence that takes a while."] * 6)
    sent = {"data": spoken(server, long)}
    url = f"{server.address}gradio_api/call/face_animate"
    event = httpx.post(url, json=sent, timeout=90).json()["event_id"]
    end = time.monotonic() + 240
    while not (found := _writers(server)) and time.monotonic() < end:
        time.sleep(0.05)
    assert found
    for process in found:
        os.kill(process, signal.SIGKILL)
    told = httpx.get(f"{url}/{event}", timeout=240).text
    assert "event: error" in told and "Writing the film failed" in told
    assert "event: complete" in call(server.address, "face_animate", spoken(server, "Hi."))
    assert not any(name.endswith(".part.mp4") for name in server.left())


def _writers(server: Launched) -> list[int]:
    """The processes of ffmpeg by which the server writes films."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((place / "stat").read_text().rsplit(")", 1)[1].split()[1])
            command = (place / "cmdline").read_bytes()
        except OSError:  # it ended in this moment
            continue
        if parent == server.process.pid and b"ffmpeg" in command and b".part.mp4" in command:
            found.append(int(place.name))
    return found


def test_a_scan_of_one_object_is_asked_and_described(server, tmp_path):
    files = scannet(tmp_path / "one", "one", labels=("table",)).values()
    client = Client(server.address, verbose=False, httpx_kwargs={"timeout": 90})
    opened = client.predict("", [handle_file(str(path)) for path in files], api_name="/scene_open")
    assert [one["label"] for one in opened["objects"]] == ["table"]
    for sentence in ("the table", "the table next to the door"):
        assert client.predict(sentence, "", None, api_name="/scene_ground")["label"] == "table"
    nothing = client.predict("the red couch", "", None, api_name="/scene_ground")
    assert nothing["candidates"] == [] and nothing["missing"] == "couch"
    said = client.predict(opened["objects"][0]["object_id"], api_name="/scene_caption")
    assert said["text"] == "This is a table. It is the only object in this scan."
    assert len(client.predict(api_name="/scene_describe")["captions"]) == 1
    client.close()
