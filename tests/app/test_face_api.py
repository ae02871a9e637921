"""The face lab's named endpoint, called as a stranger's script would."""

import io
import logging
import os
import wave
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from app.face import service
from models.face import RATE, pipeline
from models.face.sources import film_io
from tests.abuse.test_page import META, call
from tests.face import stand_in
from tests.served import addresses_asked

SECRET = "/etc/passwd"


@pytest.fixture(scope="module")
def address():
    with stand_in.served(stand_in.animating(steps=2)) as address:
        yield address


@pytest.fixture(scope="module")
def client(address):
    client = Client(address, verbose=False)
    yield client
    client.close()


@pytest.fixture
def speech(tmp_path):
    path = tmp_path / "speech.wav"
    data = io.BytesIO()
    with wave.open(data, "wb") as sound:
        sound.setparams((1, 2, RATE, 0, "NONE", ""))
        sound.writeframes((5000 * np.sin(np.arange(RATE * 13 // 10) / 12)).astype("<i2").tobytes())
    path.write_bytes(data.getvalue())
    return path


FIELDS = {
    "portrait": None,
    "video": None,
    "audio": None,
    "text": "",
    "language": "en",
    "voice": "",
    "stage": "generated",
    "panels": True,
    "marked": True,
    "seed": 4,
    "consent": True,
}


def animate(client, **fields):
    given = {**FIELDS, "portrait": service.example(), "text": "Good morning.", **fields}
    files = [
        handle_file(str(given.pop(name))) if given[name] else given.pop(name)
        for name in ("portrait", "video", "audio")
    ]
    return client.predict(*files, *given.values(), api_name="/face_animate")


def test_the_voices_are_listed_and_each_is_taken(client):
    told = client.predict(api_name="/face_voices")
    assert told["zh"]["language"] == "中文（普通话）"
    assert {"name": "michael", "kind": "male", "by": "kokoro"} in told["en"]["voices"]
    assert animate(client, voice="michael")[0]["voice"] == "michael"
    with pytest.raises(AppError, match="michael"):
        animate(client, voice="yunjian")


def test_a_portrait_says_a_text(client):
    known, video, panels, csv, npz = animate(client)
    assert known["ai_generated"] is True
    assert (known["seed"], known["frames"], known["voice"]) == (4, 50, "heart")
    video, panels = (found["video"] if isinstance(found, dict) else found for found in (video, panels))
    assert film_io.open_clip(Path(video)).seconds == pytest.approx(2, abs=0.05)
    assert film_io.open_clip(Path(panels)).width > 2 * film_io.open_clip(Path(video)).width
    assert Path(csv).read_text().startswith("frame")
    assert np.load(npz)["vertices"].shape == (50, 478, 3)


def test_a_recording_gives_its_length(client, speech):
    known, video, panels, _, _ = animate(client, text="", audio=speech, panels=False, stage="blend")
    assert panels is None
    assert (known["stage"], known["voice"]) == ("blend", "")
    assert known["seconds"] == pytest.approx(1.3, abs=1 / 25)  # whole frames
    assert Path(video).is_file()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"consent": False}, "the person shown agreed"),
        ({"portrait": None}, "no face yet"),
        ({"text": ""}, "no speech yet"),
        ({"stage": "../3d"}, "no stage called"),
        ({"language": "<script>"}, "no voice for the language"),
        ({"voice": "nobody"}, "no voice called"),
        ({"seed": -5}, "seed has to be"),
        ({"text": "morning " * 10_000}, "80000 characters"),
        ({"video": service.example()}, "Both a portrait and a video"),
        ({"audio": service.example()}, "Both a recording and a text"),
        ({"audio": service.example(), "text": ""}, "no sound that can be read"),
        ({"video": service.example(), "portrait": None}, "no film that can be read"),
    ],
)
def test_what_cannot_be_made_is_told(client, fields, told):
    with pytest.raises(AppError, match=told):
        animate(client, **fields)


def test_a_playlist_named_wav_reads_nothing(client, tmp_path):
    path = tmp_path / "list.wav"
    path.write_text(f"#EXTM3U\n#EXTINF:1,\nfile://{SECRET}\n")
    with pytest.raises(AppError, match="no sound that can be read"):
        animate(client, text="", audio=path)


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(
    "path", [SECRET, "../../etc/passwd", f"file://{SECRET}", str(Path(__file__).resolve())]
)
def test_a_file_is_an_upload_and_never_a_path(address, place, path):
    data = list({**FIELDS, "text": "" if place == 2 else "Good morning."}.values())
    data[place] = {"path": path, "meta": META}
    answer = call(address, "face_animate", data)
    assert "root:" not in answer
    assert "event: complete" not in answer


@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_address_is_never_fetched(address, place, monkeypatch):
    asked = addresses_asked(monkeypatch)
    data = list({**FIELDS, "text": "Good morning."}.values())
    url = "http://192.0.2.7/portrait.png"
    for file in ({"path": url, "meta": META}, {"path": url, "url": url, "meta": META}):
        data[place] = file
        answer = call(address, "face_animate", data)
        assert "event: error" in answer
        assert "never fetched" in answer
    assert [one for one in asked if "192.0.2.7" in one] == []


def test_uploads_are_gone_when_they_are_read(client, tmp_path, speech):
    portrait = tmp_path / "unusualname.png"
    portrait.write_bytes(service.example().read_bytes())
    animate(client, portrait=portrait, audio=speech.rename(tmp_path / "unusualname.wav"), text="")
    assert list(Path(os.environ["GRADIO_TEMP_DIR"]).rglob("*unusualname*")) == []


def test_a_bug_is_one_sentence_and_no_content_in_the_log(client, monkeypatch, caplog, capfd):
    def broken(order, folder):
        raise ValueError(f"cannot say: {order.text}")
        yield

    monkeypatch.setattr(pipeline, "animate", broken)
    with caplog.at_level(logging.DEBUG), pytest.raises(AppError, match="reference"):
        animate(client, text="My aunt Gertrude says hello.")
    printed = capfd.readouterr()
    assert "ValueError" in caplog.text + printed.err
    assert "Gertrude" not in caplog.text + printed.out + printed.err


def test_nobody_sees_the_video_of_another_and_it_goes_with_the_visit(address):
    mine, other = Client(address, verbose=False), Client(address, verbose=False)
    animate(mine)
    with pytest.raises(AppError, match="no face yet"):
        animate(other, portrait=None)
    mine.close()
    other.close()


def test_a_video_may_speak_with_its_own_sound(client, tmp_path):
    clip = stand_in.film(tmp_path / "clip.mp4", 1.0)
    known, *_ = animate(client, portrait=None, video=clip, audio=clip, text="")
    assert known["seconds"] == pytest.approx(1, abs=0.05)
