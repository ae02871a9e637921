"""docs/DEPLOYMENT.md as it is written: the service's unit, and HAProxy before several pages."""

import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.launched import ROOT, launched

STAND_IN = ("tests/stand_in_server.py",)
SCAN = "room_office_01"
VISITORS = 12


def block(language: str) -> str:
    """A configuration of the page."""
    text = (ROOT / "docs" / "DEPLOYMENT.md").read_text(encoding="utf-8")
    found = re.search(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_the_service_is_one_that_systemd_reads(tmp_path):
    unit = block("ini")
    assert "/opt/trilab/venv/bin/python" in unit
    file = tmp_path / "trilab.service"
    file.write_text(unit.replace("/opt/trilab/venv/bin/python", sys.executable))
    tried = subprocess.run(
        ["systemd-analyze", "verify", str(file)], capture_output=True, text=True, check=False
    )
    about_it = [line for line in tried.stderr.splitlines() if "trilab" in line]
    assert tried.returncode == 0 and about_it == [], tried.stderr
    file.write_text(unit)  # it would have told of a program that is not there
    tried = subprocess.run(
        ["systemd-analyze", "verify", str(file)], capture_output=True, text=True, check=False
    )
    assert "/opt/trilab/venv/bin/python" in tried.stderr


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """HOST:PORT of two pages."""
    with ExitStack() as stack:
        servers = [
            stack.enter_context(launched(tmp_path_factory.mktemp("page"), program=STAND_IN)) for _ in range(2)
        ]
        yield [server.address.removeprefix("http://").rstrip("/") for server in servers]


@contextmanager
def haproxy(folder: Path, configuration: str, pages: list[str]) -> Iterator[str]:
    """Address of HAProxy with that configuration, before pages that lie elsewhere than it says."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for number, page in enumerate(pages, 1):
        assert f"127.0.0.1:786{number}" in configuration
        configuration = configuration.replace(f"127.0.0.1:786{number}", page)
    file = folder / "haproxy.cfg"
    file.write_text(configuration.replace("bind :8080", f"bind 127.0.0.1:{port}"))
    tried = subprocess.run(["haproxy", "-c", "-f", str(file)], capture_output=True, text=True, check=False)
    assert tried.returncode == 0, tried.stdout + tried.stderr
    process = subprocess.Popen(["haproxy", "-db", "-f", str(file)], stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(100):
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(20)


def finds_the_scan_again(address: str, session: str) -> bool:
    """Whether a visitor who opened a scan is told of an object of it."""
    with httpx.Client(timeout=90) as browser:
        browser.get(address)
        opened = answer(browser, address, "scene_open", [SCAN, None], session)
        first = re.search(r'"object_id": (\d+)', opened)
        return bool(first) and "label" in answer(browser, address, "scene_pick", [int(first[1])], session)


def answer(browser: httpx.Client, address: str, name: str, data: list, session: str) -> str:
    """What an endpoint answers, "" where it does not."""
    url = f"{address}gradio_api/call/{name}"
    try:
        event = browser.post(url, json={"data": data, "session_hash": session})
        told = browser.get(f"{url}/{event.json()['event_id']}").text if event.is_success else ""
    except httpx.RemoteProtocolError:  # a page that knows nothing of the event breaks off
        return ""
    return told if "event: complete" in told else ""


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is not here")
def test_with_the_cookie_every_visitor_finds_the_page_again(tmp_path, pages):
    with haproxy(tmp_path, block("haproxy"), pages) as address:
        found = [finds_the_scan_again(address, f"visitor{number}") for number in range(VISITORS)]
    assert found == [True] * VISITORS


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is not here")
def test_by_round_robin_they_do_not(tmp_path, pages):
    turns = re.sub(r"^ +cookie .*\n", "", block("haproxy"), flags=re.MULTILINE)
    turns = turns.replace("leastconn", "roundrobin").replace(" cookie page", " # ")
    with haproxy(tmp_path, turns, pages) as address:
        found = [finds_the_scan_again(address, f"turn{number}") for number in range(VISITORS)]
    assert not all(found)
