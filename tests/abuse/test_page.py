"""The page under abuse: foreign paths, addresses, too large uploads, crowds, and what may stay behind."""

import json
import logging
import os
import threading
from pathlib import Path
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from app import messages
from app.scene import example_cache, object_views, service, views
from app.scene.session import SceneSession
from app.session import Visit, Visits
from models.core.upload_validation import MAX_FILE
from models.scene import pipeline
from models.scene.data.scan import Instance, Scan
from models.scene.types import Anchor, Caption
from tests.launched import lying
from tests.scene.scan_makers import scannet
from tests.served import SCANS, addresses_asked, name_matcher, until

FOREIGN = (
    "../assets",
    "/etc/passwd",
    "file:///etc/passwd",
    "room_bedroom_01/../../..",
    "\0",
    ".",
    "",
    "%2e%2e",
)
META = {"_type": "gradio.FileData"}


def call(address: str, name: str, data: list) -> str:
    """What an endpoint answers to a client that is not gradio_client and sends what it likes."""
    url = f"{address}gradio_api/call/{name}"
    event = httpx.post(url, json={"data": data}, timeout=90)
    if event.status_code != 200:
        return f"event: error\n{event.text}"
    return httpx.get(f"{url}/{event.json()['event_id']}", timeout=90).text


@pytest.mark.parametrize("name", FOREIGN)
def test_a_scan_is_a_known_name_and_never_a_path(client, name):
    with pytest.raises(AppError, match="no shipped scan of that name"):
        client.predict(name, None, api_name="/scene_open")


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../../etc/passwd", "file:///etc/passwd", str(Path(__file__).resolve())]
)
def test_a_file_is_an_upload_and_never_a_path(address, path):
    answer = call(address, "scene_open", ["", [{"path": path, "meta": META}]])
    assert "event: error" in answer
    assert "root:" not in answer


@pytest.mark.parametrize("path", ["/etc/passwd", "launch.py", "../etc/passwd", str(Path(__file__).resolve())])
def test_the_file_route_gives_nothing_away(address, path):
    assert httpx.get(f"{address}gradio_api/file={path}").status_code in (403, 404)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_address_is_never_fetched(address, scheme, monkeypatch):
    asked = addresses_asked(monkeypatch)
    url = f"{scheme}://192.0.2.7/scan.ply"
    for file in ({"path": url, "meta": META}, {"path": url, "url": url, "meta": META}):
        answer = call(address, "scene_open", ["", [file]])
        assert "event: error" in answer
        assert "never fetched" in answer
    assert [one for one in asked if "192.0.2.7" in one] == []


def test_an_upload_over_the_limit_leaves_the_disk_as_it_was(address):
    folder = Path(os.environ["GRADIO_TEMP_DIR"])
    before = lying(folder)

    def chunks():
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.ply"\r\n\r\n'
        for _ in range(MAX_FILE // 2**22 + 2):
            yield bytes(2**22)
        yield b"\r\n--x--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = httpx.post(f"{address}gradio_api/upload", content=chunks(), headers=headers, timeout=120)
    assert answer.status_code == 413
    assert until(lambda: lying(folder) <= before)


def test_twenty_at_once_all_get_an_answer_or_a_sentence(address, monkeypatch):
    monkeypatch.setattr(pipeline, "ground", slow(0.05))
    told = []
    data = ["the chair", SCANS[0], None]
    crowd = [
        threading.Thread(target=lambda: told.append(call(address, "scene_ground", data))) for _ in range(20)
    ]
    [one.start() for one in crowd]
    [one.join() for one in crowd]
    answered = [one for one in told if "event: complete" in one and '"label": "chair"' in one]
    refused = [one for one in told if "event: error" in one and "Too many people" in one]
    assert len(told) == len(answered) + len(refused) == 20
    assert answered


def slow(seconds: float):
    def ground(scan, sentence):
        threading.Event().wait(seconds)
        return name_matcher(scan, sentence)

    return ground


def test_nobody_sees_the_scan_of_another(address, tmp_path):
    mine, other = Client(address, verbose=False), Client(address, verbose=False)
    files = scannet(tmp_path / "private", "private")
    mine.predict("", [handle_file(str(path)) for path in files.values()], api_name="/scene_open")
    with pytest.raises(AppError, match="No scan is open"):
        other.predict("the chair", "", None, api_name="/scene_ground")
    assert mine.predict("the chair", "", None, api_name="/scene_ground")["label"] == "chair"
    mine.close()
    other.close()


def test_uploads_are_gone_when_they_are_read(client, tmp_path):
    files = scannet(tmp_path / "unusualname", "unusualname")
    client.predict("", [handle_file(str(path)) for path in files.values()], api_name="/scene_open")
    assert list(Path(os.environ["GRADIO_TEMP_DIR"]).rglob("*unusualname*")) == []


def test_a_visit_that_ends_leaves_nothing():
    visits, request = Visits(), SimpleNamespace(session_hash="one")
    visit = visits.of(request)
    folder = visit.folder
    (folder / "scan.ply").write_text("x")
    visits.arrived("one")
    visits.left("one")
    assert not folder.exists()
    assert visit.gone.is_set()
    assert visits.of(request) is not visit


def test_a_bad_file_gets_a_sentence_and_the_next_scan_works(client, tmp_path):
    bad = tmp_path / "a;rm -rf x.ply"
    bad.write_bytes(b"ply\nformat ascii 1.0\nelement vertex 2000000000\nproperty float x\nend_header\n")
    with pytest.raises(AppError) as caught:
        client.predict("", [handle_file(str(bad))], api_name="/scene_open")
    assert "internal" not in str(caught.value)
    assert client.predict("the chair", SCANS[0], None, api_name="/scene_ground")["label"] == "chair"


def test_a_bug_in_the_network_is_one_sentence_and_no_content_in_the_log(address, monkeypatch, caplog, capfd):
    def broken(scan, sentence):
        raise ValueError(f"no such thing: {sentence}")

    monkeypatch.setattr(pipeline, "ground", broken)
    client = Client(address, verbose=False)
    with caplog.at_level(logging.DEBUG), pytest.raises(AppError, match="reference"):
        client.predict("the chair of my aunt Gertrude", SCANS[0], None, api_name="/scene_ground")
    client.close()
    printed = capfd.readouterr()
    assert "ValueError" in caplog.text + printed.err
    assert "Gertrude" not in caplog.text + printed.out + printed.err


def test_a_script_in_a_sentence_or_a_label_stays_text():
    evil = '<script>alert(1)</script><img src=x onerror="alert(1)">'
    scan = labelled_scan(evil)
    answer = name_matcher(scan, evil)
    shown = views.panel("en", answer, False, evil, None) + messages.notice(evil)
    said = Caption(1, evil, evil, (evil,), (1, 1), (Anchor(1, evil, 0.5),), evil, 0.1)
    session = SceneSession(Visit(), scan, scan, found=True, looked=1, captions=(said,))
    shown += object_views.looked_at("en", session, scan.instances[0], said, evil)
    shown += object_views.room("en", session) + object_views.facts("en", session, scan)
    assert "<script" not in shown
    assert "<img" not in shown
    assert "&lt;script&gt;" in shown


def labelled_scan(label: str):
    box = np.array([0, 0, 0, 1, 1, 1], np.float32)
    instance = Instance(1, label, box, np.array([9, 9, 9], np.float32))
    points = np.zeros((1, 3), np.float32)
    return Scan(
        "x", points, points.astype(np.uint8), np.zeros((0, 3), np.int32), np.zeros(1, np.int32), (instance,)
    )


def test_a_stale_answer_is_computed_again(scans, address, monkeypatch):
    session = Visit().lab(SceneSession)
    service.open_shipped(session, SCANS[0])
    kept = name_matcher(session.scan, "the floor")
    answers = {"the chair": json.loads(json.dumps(kept, default=vars))}
    book = {
        "checkpoint": "a1",
        "scans": {SCANS[0]: {"scan": example_cache.scan_hash(SCANS[0]), "answers": answers}},
    }
    monkeypatch.setattr(example_cache, "_book", lambda: book)
    monkeypatch.setattr(example_cache, "_checkpoint", lambda: "a1")
    assert service.ask(session, "the chair") == kept
    assert session.stored
    monkeypatch.setattr(example_cache, "_checkpoint", lambda: "b2")
    assert service.ask(session, "the chair").candidates[0].label == "chair"
    assert not session.stored
    monkeypatch.setattr(example_cache, "_checkpoint", lambda: None)
    assert service.ask(session, "the chair").candidates[0].label == "chair"
