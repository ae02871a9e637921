"""What is bounded in time and number: silent connections, silent uploads, large requests, logs, memories."""

import logging
import socket
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from app import connections, page, process_folder, uploads
from app.scene.service import thinking
from app.session import MOST, Visits
from models.scene import pipeline
from tests.abuse.test_page import META, call
from tests.abuse.test_server import CALLS
from tests.abuse.test_uploaded_files import upload
from tests.launched import lying
from tests.served import SCANS, name_matcher, until


def connected(address: str) -> socket.socket:
    host, port = address.removeprefix("http://").rstrip("/").split(":")
    return socket.create_connection((host, int(port)), 20)


def closed(one: socket.socket) -> bool:
    """Whether the other side closes a connection within its time; what it says before is read."""
    try:
        while one.recv(65536):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    finally:
        one.close()
    return True


@pytest.mark.parametrize("head", [b"", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: a"])
def test_a_connection_that_never_says_what_it_wants_is_closed(address, monkeypatch, head):
    monkeypatch.setattr(connections, "PATIENCE", 0.5)
    one = connected(address)
    one.sendall(head)
    assert closed(one)


def test_an_upload_in_which_nothing_comes_any_more_is_given_up(address, monkeypatch):
    monkeypatch.setattr(uploads, "SILENCE", 0.5)
    folder = process_folder.served()
    before = lying(folder)
    head = (
        b"POST /gradio_api/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 52428800\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.ply"\r\n\r\n'
    )
    slow = [connected(address) for _ in range(20)]
    [one.sendall(head + bytes(100_000)) for one in slow]
    assert all(b" 408 " in one.recv(4096) for one in slow)
    [one.close() for one in slow]
    assert until(lambda: lying(folder) <= before)


@pytest.mark.parametrize("known", [True, False])
def test_a_request_of_several_files_is_bounded_too(address, monkeypatch, known):
    """Each file is below its limit. known: the request says its length first."""
    monkeypatch.setattr(uploads, "MAX_REQUEST", 1_000_000)
    before = lying(process_folder.served())
    sent = [("files", (f"{number}.ply", bytes(600_000))) for number in range(2)]
    whole = httpx.Request("POST", address, files=sent)
    body, headers = whole.read(), {"Content-Type": whole.headers["Content-Type"]}
    content = body if known else (body[at : at + 2**16] for at in range(0, len(body), 2**16))
    answer = httpx.post(f"{address}gradio_api/upload", content=content, headers=headers, timeout=60)
    assert answer.status_code == 413
    assert until(lambda: lying(process_folder.served()) <= before)


def test_a_logger_that_says_the_same_a_thousand_times_is_cut(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(connections, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=time.sleep))
    sparing = connections.Sparing()
    record = logging.LogRecord("asyncio", logging.ERROR, "", 0, "accept() failed", (), None)
    assert sum(sparing.filter(record) for _ in range(1000)) == connections.MESSAGES
    now[0] += 61
    assert sparing.filter(record)


def test_answers_that_nobody_fetches_are_few_and_who_listens_loses_none():
    built, _ = page.build()
    waiting = built._queue.pending_messages_per_session
    waiting["who came first and listens"] = "an answer"
    for number in range(4 * MOST):
        waiting[str(number)] = number
        assert waiting["who came first and listens"] == "an answer"
    assert len(waiting) <= 2 * MOST


def test_a_clock_forgets_visitors_and_uploads_though_nobody_comes(address, monkeypatch):
    monkeypatch.setattr(page, "TICK", 0.05)
    visits = Visits()
    visit = visits.of(SimpleNamespace(session_hash="one"))
    folder = visit.folder
    path = upload(address, ("a.ply", b"ply\n"))[0]
    monkeypatch.setattr("app.session.ALONE", -1.0)
    monkeypatch.setattr(uploads, "UNREAD", -1.0)
    running = SimpleNamespace(is_running=True)
    clock = page.threading.Thread(target=page._tick, args=(running, visits), daemon=True)
    clock.start()
    try:
        assert until(lambda: visit.gone.is_set() and not folder.exists())
        assert until(lambda: path not in {str(one) for one in lying(process_folder.served())})
    finally:
        running.is_running = False
        clock.join(20)


def test_an_upload_waits_longer_while_somebody_is_here(address, monkeypatch):
    visits = Visits()
    visits.arrived("one")
    assert not visits.nobody()
    visits.left("one")
    assert visits.nobody()
    with visits.during(SimpleNamespace(session_hash="two")):
        assert not visits.nobody()
    path = Path(upload(address, ("a.ply", b"ply\n"))[0])
    later = time.monotonic() + uploads.UNREAD + 10
    # A clock of its own: were time.monotonic itself changed, the server's loop would sleep until then.
    monkeypatch.setattr(uploads, "time", SimpleNamespace(monotonic=lambda: later, time=time.time))
    uploads.sweep(uploads.WAITING)
    assert path.exists()
    uploads.sweep(uploads.UNREAD)
    assert not path.exists()


def test_callers_with_an_empty_session_do_not_share_a_visit():
    visits = Visits()
    first, second = (visits.of(SimpleNamespace(session_hash="")) for _ in range(2))
    assert first is not second


NO_TEXT = {"scene_ground": "There is no sentence yet", "face_animate": "There is no speech yet"}


@pytest.mark.parametrize("odd", [True, 5, ["Hi."], {"text": "Hi."}])
@pytest.mark.parametrize(("name", "place"), [("scene_ground", 0), ("face_animate", 3)])
def test_what_is_no_text_is_not_spoken_or_asked(address, name, place, odd):
    sent = [*CALLS[name]]
    sent[place] = odd
    if name == "face_animate":
        from app.face import service

        picture = upload(address, ("face.png", service.example().read_bytes()))[0]
        sent[0] = {"path": picture, "meta": META}
    said = call(address, name, sent)
    assert "event: error" in said and NO_TEXT[name] in said


def test_a_long_line_for_one_thing_does_not_keep_others_at_the_door(address, monkeypatch):
    go_on = threading.Event()

    def slow(scan, sentence):
        go_on.wait(120)
        return name_matcher(scan, sentence)

    monkeypatch.setattr(pipeline, "ground", slow)
    sent = {"data": ["the chair", SCANS[0], None]}
    try:
        for _ in range(60):  # Gradio has 40 threads, and who waits for an answer holds one
            httpx.post(f"{address}gradio_api/call/scene_ground", json=sent, timeout=90).raise_for_status()
        assert until(lambda: thinking.inside == 60, 60)
        assert "event: complete" in call(address, "scene_open", [SCANS[0], None])
    finally:
        go_on.set()
    assert until(lambda: thinking.inside == 0, 60)
