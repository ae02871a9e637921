"""The server as a process: it ends without leaving anything, and serves nobody what the page does not use."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from app import http_guard, process_folder
from app.face import service
from models.core import locked_folder
from tests.abuse.test_page import META, call
from tests.abuse.test_uploaded_files import upload
from tests.launched import ROOT, begun, launched, lying
from tests.served import SCANS, until

STAND_IN = ("tests/stand_in_server.py",)


def at_work(server) -> None:
    """A film is being made, a portrait lies there, an upload waits."""
    picture = service.example().read_bytes()
    path = upload(server.address, ("face.png", picture))[0]
    fields = [
        {"path": path, "meta": META},
        None,
        None,
        "slowly now",
        "en",
        "",
        "generated",
        True,
        True,
        0,
        True,
    ]
    begun(server.address, "face_animate", fields)
    upload(server.address, ("waits.png", picture))
    assert until(lambda: any(name.endswith(".mp4") for name in server.left()), 60)


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """A server that may open 1024 files."""
    limit = ("bash", "-c", 'ulimit -n 1024; exec "$@"', "-")
    with launched(tmp_path_factory.mktemp("narrow"), before=limit, program=STAND_IN) as server:
        yield server


def test_1500_idle_connections_under_a_limit_of_1024_files(narrow):
    import socket

    host, port = narrow.address.removeprefix("http://").rstrip("/").split(":")
    idle = []
    for _ in range(1500):
        one = socket.socket()
        one.settimeout(20)
        one.connect((host, int(port)))
        idle.append(one)
    assert httpx.get(narrow.address, timeout=60).status_code == 200
    assert "event: complete" in call(narrow.address, "scene_open", ["room_office_01", None])
    before = _processor_seconds(narrow.process.pid)
    time.sleep(3)
    assert _processor_seconds(narrow.process.pid) - before < 1.5
    assert narrow.log.stat().st_size < 2**20
    [one.close() for one in idle]


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_what_a_killed_server_left_goes_when_the_next_one_starts_on_ipv6(narrow):
    at_work(narrow)
    narrow.end(signal.SIGKILL, 120)
    assert narrow.left() != []
    flags = ("--host", "::1", "--port", "0")
    with launched(narrow.temp.parent, program=STAND_IN, flags=flags) as second:
        kept = [name for name in second.left() if not name.endswith(("lock", "served", "held", "visits"))]
        assert len([name for name in kept if "/" not in name]) == 1
        assert not any(name.endswith((".mp4", ".png")) for name in kept)
        assert httpx.get(f"{second.address}robots.txt", timeout=60).status_code == 200
        second.end(signal.SIGINT, 120)
        assert second.left() == []


def test_sigterm_ends_like_ctrl_c_within_ten_seconds_and_leaves_nothing(tmp_path):
    with launched(tmp_path, program=STAND_IN) as server:
        at_work(server)
        assert server.end(signal.SIGTERM, 30) < 10
        assert server.left() == []
        assert "Traceback" not in server.log.read_text()


def test_a_server_that_lives_is_not_swept(tmp_path, monkeypatch):
    monkeypatch.setattr(locked_folder.tempfile, "gettempdir", lambda: str(tmp_path))
    hold = "from app import process_folder; process_folder.folder(); print(1, flush=True); input()"
    alive = subprocess.Popen(
        [sys.executable, "-c", hold],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert alive.stdout.readline()
    locked_folder.sweep()
    assert len(list(tmp_path.glob("trilab-*"))) == 1
    alive.kill()
    alive.wait()
    locked_folder.sweep()
    assert list(tmp_path.glob("trilab-*")) == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "gradio_api/deep_link?session_hash=x"),
        ("POST", "gradio_api/process_recording"),
        ("GET", "gradio_api/file=http://192.0.2.7/a.png"),
        ("GET", "gradio_api/file=https://192.0.2.7/a.png"),
        ("GET", "gradio_api/file=/http://192.0.2.7/a.png"),
        ("GET", "gradio_api/file/etc/passwd"),
        ("GET", "gradio_api/proxy=https://192.0.2.7/"),
        ("POST", "gradio_api/vibe-edit"),
        ("POST", "gradio_api/component_server"),
        ("GET", "gradio_api/dev/reload"),
        ("GET", "monitoring"),
        ("GET", "gradio_api/runs"),
        ("PUT", "config"),
    ],
)
def test_routes_that_the_page_does_not_use_are_closed(address, method, path):
    answer = httpx.request(method, f"{address}{path}", timeout=60)
    assert answer.status_code == 404
    assert "nothing here" in answer.text


def test_a_rebound_name_is_refused_and_addresses_are_not(address):
    def asked(host: str) -> int:
        return httpx.get(f"{address}robots.txt", headers={"Host": host}, timeout=60).status_code

    assert asked("evil.example") == asked("evil.example:7860") == 421
    assert asked("127.0.0.1:7860") == asked("localhost") == asked("[::1]:7860") == asked("192.168.1.7") == 200
    guard = http_guard.HttpGuard(None, hosts=["lab.example", ".gradio.live"])
    assert guard.is_ours("lab.example:443") and guard.is_ours("x1.gradio.live")
    assert (
        not guard.is_ours("x.lab.example")
        and not guard.is_ours("")
        and not guard.is_ours("gradio.live.example")
    )


def test_the_page_cannot_be_framed_or_sniffed(address):
    headers = httpx.get(address, timeout=60).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_a_request_over_its_size_is_refused_before_it_is_parsed(address):
    began = time.process_time()  # client and server are one process here
    body = b'{"data": ["' + b"a" * 100_000_000 + b'", "", null]}'
    answer = httpx.post(f"{address}gradio_api/call/scene_ground", content=body, timeout=60)
    assert answer.status_code == 413 and "MB" in answer.text
    assert time.process_time() - began < 5

    def pieces():
        for _ in range(6):
            yield bytes(2**20)

    assert (
        httpx.post(f"{address}gradio_api/call/scene_ground", content=pieces(), timeout=60).status_code == 413
    )
    said = call(address, "scene_ground", ["a" * 3_000_000, SCANS[0], None])
    assert "event: error" in said and "3000000" in said.replace(",", "")


ODD = (None, True, 0.5, 10**40, "x" * 50, [1], {"a": 1})
CALLS = {
    "scene_open": ["", None],
    "scene_ground": ["the chair", SCANS[0], None],
    "scene_compare": ["the chair", "instancerefer", SCANS[0], None],
    "scene_segment": ["", None],
    "scene_pick": [1],
    "scene_caption": [1],
    "scene_captions": [1, "xtrans2cap"],
    "colonoscopy_draw": [None, 1, 0, "arsdm", 1, "ddim", True],
    "colonoscopy_grid": [None, 0, 1, "any"],
    "colonoscopy_film": [None, None, None, "left", 0.5, 0, "conditioned", "any", 1],
    "colonoscopy_segment": [None],
    "face_animate": [None, None, None, "Hi.", "en", "", "generated", True, True, 0, True],
}


@pytest.mark.parametrize("name", CALLS)
def test_whatever_is_sent_is_answered_or_refused_in_a_sentence(address, name):
    right = CALLS[name]
    payloads = [[*right[:at], odd, *right[at + 1 :]] for at in range(len(right)) for odd in ODD]
    payloads += [[], right[:-1], [*right, 1]]
    with ThreadPoolExecutor(4) as callers:
        answers = callers.map(lambda payload: call(address, name, payload), payloads)
        told = dict(zip(map(json.dumps, payloads), answers, strict=True))
    silent = {
        sent: said for sent, said in told.items() if "event: complete" not in said and "null" in said[-12:]
    }
    assert silent == {}
    assert {sent: said for sent, said in told.items() if "reference" in said} == {}


@pytest.mark.parametrize("name", ["scene_pick", "scene_caption"])
@pytest.mark.parametrize("odd", [True, 6.5, "6", [6]])
def test_what_only_looks_like_a_number_is_none(client, name, odd):
    from gradio_client.exceptions import AppError

    client.predict(SCANS[0], None, api_name="/scene_open")
    assert client.predict(6, api_name=f"/{name}")["object_id"] == 6
    with pytest.raises(AppError, match="no object"):
        client.predict(odd, api_name=f"/{name}")


def test_two_hundred_slow_uploads_and_forty_broken_ones_leave_nothing(address):
    import socket

    host, port = address.removeprefix("http://").rstrip("/").split(":")
    head = (
        f"POST /gradio_api/upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: 52428800\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        '--x\r\nContent-Disposition: form-data; name="files"; filename="a.ply"\r\n\r\n'
    ).encode()
    folder = process_folder.served()

    before = lying(folder)
    crowd = [socket.create_connection((host, int(port)), 20) for _ in range(40)]
    for one in crowd:
        one.sendall(head + bytes(100_000))
    assert until(lambda: len(lying(folder) - before) >= 40, 20)
    [one.close() for one in crowd]
    assert until(lambda: lying(folder) <= before, 30)


def test_a_full_disk_refuses_an_upload_in_a_sentence(address, monkeypatch):
    from collections import namedtuple

    from app import uploads

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(uploads.shutil, "disk_usage", lambda _: usage(10, 10, 0))
    sent = [("files", ("a.ply", b"ply\n"))]
    answer = httpx.post(f"{address}gradio_api/upload", files=sent, timeout=60)
    assert answer.status_code == 507 and "disk" in answer.text


@pytest.mark.parametrize(("flags", "told"), [(("--port", "99999"), "--port"), (("--port", "-1"), "--port")])
def test_a_port_that_is_none_is_told(flags, told):
    done = subprocess.run(
        [sys.executable, "launch.py", *flags], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2 and told in done.stderr and "Traceback" not in done.stderr


def test_threads_may_run_while_visits_are_counted():
    from types import SimpleNamespace

    from app.session import MOST, Visits
    from models.core.errors import UserError

    visits = Visits()
    for number in range(2 * MOST):  # callers without a heartbeat: the longest unseen go
        visits.of(SimpleNamespace(session_hash=str(number)))
    assert len(visits._visits) == MOST
    for number in range(MOST, 2 * MOST):
        visits.arrived(str(number))
    with pytest.raises(UserError, match="house_full"):
        visits.of(SimpleNamespace(session_hash="one more"))
    crowd = [threading.Thread(target=visits.left, args=(str(number),)) for number in range(MOST, 2 * MOST)]
    [one.start() for one in crowd]
    [one.join() for one in crowd]
    assert visits._visits == {} and visits._hearts == {}
