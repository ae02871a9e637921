"""Nothing leaves the machine: under strace, page and commands connect to loopback and to nothing else."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file

from app.face import service
from models.core import checkpoints, offline
from models.scene import pipeline

ROOT = Path(__file__).parents[2]
NEEDED = ("instancerefer", "polyps", "face_motion", "face_generator", "face_sync")
# What has an address of the internet, in any system call of the network.
ADDRESS = re.compile(r'sa_family=AF_INET6?,.*?(?:inet_addr\("|inet_pton\(AF_INET6, ")([0-9a-f.:]+)"')


def _can_trace() -> bool:
    """Whether strace is there and may trace."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-f", "true"], capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not _can_trace(), reason="strace is not installed or may not trace here")


def traced(log: Path, *command: str) -> list[str]:
    """A command that runs under strace and writes its calls of the network to `log`."""
    return [
        "strace",
        "-f",
        "--seccomp-bpf",
        "-e",
        "trace=connect,sendto,sendmsg,sendmmsg",
        "-o",
        str(log),
        *command,
    ]


def foreign(log: Path) -> set[str]:
    """Addresses that were called and are not of this machine."""
    called = set(ADDRESS.findall(log.read_text(errors="replace")))
    return {one for one in called if not one.startswith("127.") and one != "::1"}


def surroundings(home: Path) -> dict[str, str]:
    """A user's environment, whose own proxy settings must not open a way."""
    own = {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "NO_PROXY": "*", "no_proxy": "*"}
    return {**{key: value for key, value in os.environ.items() if key not in offline.SWITCHES}, **own}


@contextmanager
def launched(log: Path, home: Path) -> Iterator[str]:
    """Address of the page as a user starts it, traced."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = traced(log, sys.executable, "launch.py", "--port", str(port))
    server = subprocess.Popen(command, cwd=ROOT, env=surroundings(home), start_new_session=True)
    address = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(600):
            try:
                httpx.get(f"{address}gradio_api/startup-events")
                break
            except httpx.TransportError:
                time.sleep(0.2)
        yield address
    finally:
        os.killpg(server.pid, signal.SIGINT)
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)


def test_strace_sees_who_calls(tmp_path):
    call = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('192.0.2.7', 9))"
    subprocess.run(traced(tmp_path / "log", sys.executable, "-c", call), check=True)
    assert foreign(tmp_path / "log") == {"192.0.2.7"}


@pytest.mark.skipif(
    not all((checkpoints.FOLDER / name).is_dir() for name in NEEDED), reason="the checkpoints are not here"
)
def test_no_lab_calls_anybody(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    portrait = handle_file(str(service.example()))
    with launched(tmp_path / "log", home) as address:
        client = Client(address, verbose=False, httpx_kwargs={"timeout": 60})
        client.predict("the chair", pipeline.examples()[0], None, api_name="/scene_ground")
        client.predict("the biggest chair you see", "", None, api_name="/scene_ground")
        found = client.predict(portrait, api_name="/colonoscopy_segment")
        assert found["mask"].startswith("data:image/png")
        spoken = ("Hi.", "en", "", "generated", False, True, 0, True)
        known, *_ = client.predict(portrait, None, None, *spoken, api_name="/face_animate")
        assert known["ai_generated"]
        client.close()
        time.sleep(5)  # who calls home does it when it has something to tell, and again when it is over
    assert foreign(tmp_path / "log") == set()
    assert [path for path in home.rglob("*") if "onnx" in str(path).lower() or "device" in path.name] == []


def test_no_command_calls_anybody(tmp_path):
    track = (
        "import time; from app.face import service; from models.face.sources import portrait_io, tracking; "
        "tracking.track_image(portrait_io.read_portrait(service.example())); time.sleep(3)"
    )
    command = traced(tmp_path / "log", sys.executable, "-c", track)
    subprocess.run(command, cwd=ROOT, env=surroundings(tmp_path), check=True, timeout=300)
    assert foreign(tmp_path / "log") == set()


def test_a_public_link_reaches_its_relay_and_nobody_else(monkeypatch):
    for name, value in offline.SWITCHES.items():
        monkeypatch.setenv(name, value)
    offline.allow("gradio.app")
    with httpx.Client() as client:
        assert client._transport_for_url(httpx.URL("https://api.gradio.app/")) is client._transport
        assert client._transport_for_url(httpx.URL("https://play.googleapis.com/")) is not client._transport
