"""The proxy that docs/SECURITY.md describes: asks for a password, passes uploads, frames and heartbeats."""

import getpass
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests.abuse.test_page import META
from tests.launched import ROOT, launched
from tests.scene.scan_makers import scannet

SERVED = "lab.example.org"  # as the page of the documentation calls it
FILES = ("/etc/ssl/lab.pem", "/etc/ssl/lab.key", "/etc/nginx/lab.htpasswd")
KNOWN = ("visitor", "a long password")

pytestmark = pytest.mark.skipif(
    shutil.which("nginx") is None or shutil.which("openssl") is None, reason="nginx or openssl is not here"
)


class Proxy(NamedTuple):
    """Where the proxy answers, and the folder with its logs."""

    address: str
    folder: Path


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """The page behind the documented proxy."""
    folder = tmp_path_factory.mktemp("proxy")
    flags = ("--port", "0", "--allowed-host", SERVED)
    with (
        launched(folder, program=("tests/stand_in_server.py",), flags=flags) as server,
        _running(folder, _documented(folder, server.address)) as address,
    ):
        yield Proxy(address, folder)


def _documented(folder: Path, page: str) -> str:
    """The configuration of docs/SECURITY.md on a port that is free and with files of `folder`."""
    text = (ROOT / "docs" / "SECURITY.md").read_text(encoding="utf-8")
    found = re.search(r"^    server \{$.*?^    \}$", text, re.MULTILINE | re.DOTALL)
    assert found
    block = found[0].replace("http://127.0.0.1:7860", page.rstrip("/"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        block = block.replace("listen 443 ssl;", f"listen 127.0.0.1:{free.getsockname()[1]} ssl;")
    for file in FILES:
        assert file in block
        block = block.replace(file, str(folder / Path(file).name))
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    kept = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    return (
        f"user {getpass.getuser()};\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\ndaemon off;\n"
        f"events {{}}\nhttp {{\n{kept}{block}\n}}\n"
    )


@contextmanager
def _running(folder: Path, configuration: str) -> Iterator[str]:
    """Address of nginx with that configuration, a certificate and a password of the moment."""
    asked = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={SERVED}"]
    files = ["-keyout", str(folder / "lab.key"), "-out", str(folder / "lab.pem")]
    subprocess.run([*asked, *files], check=True, capture_output=True)
    hashed = subprocess.run(
        ["openssl", "passwd", "-apr1", KNOWN[1]], check=True, capture_output=True, text=True
    )
    (folder / "lab.htpasswd").write_text(f"{KNOWN[0]}:{hashed.stdout}")
    file = folder / "nginx.conf"
    file.write_text(configuration)
    nginx = ["nginx", "-p", str(folder), "-c", str(file), "-e", str(folder / "error.log")]
    tried = subprocess.run([*nginx, "-t"], capture_output=True, text=True, check=False)
    assert tried.returncode == 0, tried.stderr
    process = subprocess.Popen(nginx)
    port = int(re.search(r"listen 127\.0\.0\.1:(\d+)", configuration)[1])  # type: ignore[index]
    try:
        for _ in range(200):
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"https://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(20)


def browser(auth: tuple[str, str] | None = KNOWN) -> httpx.Client:
    """Asks as a browser does that was sent to the documented name."""
    return httpx.Client(auth=auth, headers={"Host": SERVED}, verify=False, timeout=90)


def test_without_the_password_there_is_nothing(proxy):
    for auth in (None, (KNOWN[0], "guessed")):
        with browser(auth) as stranger:
            for path in ("", "config", "gradio_api/info", "gradio_api/queue/data?session_hash=x"):
                assert stranger.get(f"{proxy.address}{path}").status_code == 401


def test_the_page_names_its_own_address(proxy):
    with browser() as one:
        answer = one.get(proxy.address)
        config = one.get(f"{proxy.address}config").json()
    assert answer.status_code == 200
    assert f"https://{SERVED}" in config["root"]
    assert "http://127.0.0.1" not in answer.text


def test_an_upload_and_its_answer_pass(proxy, tmp_path):
    files = [("files", (path.name, path.read_bytes())) for path in scannet(tmp_path / "room").values()]
    url = f"{proxy.address}gradio_api/call/scene_open"
    with browser() as one:
        paths = one.post(f"{proxy.address}gradio_api/upload", files=files).json()
        sent = {"data": ["", [{"path": path, "meta": META} for path in paths]]}
        told = one.get(f"{url}/{one.post(url, json=sent).json()['event_id']}").text
    assert "event: complete" in told and '"label": "table"' in told


def test_a_heartbeat_is_heard_at_once_and_logs_know_no_session(proxy):
    with browser() as one, one.stream("GET", f"{proxy.address}gradio_api/heartbeat/secretsession") as beat:
        assert next(beat.iter_text())
    assert not (proxy.folder / "access.log").exists()
    logs = list(proxy.folder.rglob("*.log"))
    assert logs and not any("secretsession" in path.read_text(errors="replace") for path in logs)
