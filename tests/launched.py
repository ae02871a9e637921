"""The page in a process of its own, as a user starts it, for tests that kill it or starve it."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[1]
PATIENCE = 180.0  # seconds that a busy machine may take to start the page


def lying(*folders: Path) -> set[Path]:
    """Every file and folder below some folders, which may go while they are listed."""
    walks = [walk for folder in folders for walk in os.walk(folder)]
    return {Path(at, name) for at, below, files in walks for name in (*below, *files)}


@dataclass
class Launched:
    """A running server. temp: its folder for temporary files, nobody else's. log: what it wrote."""

    address: str
    process: subprocess.Popen[bytes]
    temp: Path
    log: Path

    def left(self) -> list[str]:
        """What lies in the temporary folder, under names without this run's."""
        return sorted(str(path.relative_to(self.temp)) for path in lying(self.temp))

    def end(self, sign: signal.Signals, seconds: float) -> float:
        """Send a signal and wait for the end; the seconds that it took."""
        began = time.monotonic()
        self.process.send_signal(sign)
        self.process.wait(seconds)
        return time.monotonic() - began


def _interruptible() -> None:
    """What a shell begins in the background ignores an interruption, and so would its children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def launched(
    folder: Path,
    before: Sequence[str] = (),
    program: Sequence[str] = ("launch.py",),
    flags: Sequence[str] = ("--port", "0"),
    environment: Mapping[str, str] | None = None,
) -> Iterator[Launched]:
    """The page, with `before` in front of its command; killed at the end where it still runs."""
    temp, log = folder / "tmp", folder / "server.log"
    temp.mkdir(exist_ok=True)
    known = environment if environment is not None else os.environ
    around = {**known, "TMPDIR": str(temp), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    command = [*before, sys.executable, *program, *flags]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=around,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_interruptible,
        )
    try:
        yield Launched(_address(process, log), process, temp, log)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Where the page says it is."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        found = re.search(r"Trilab is at (\S+)", log.read_text(errors="replace"))
        if found:
            return found[1]
        time.sleep(0.1)
    raise RuntimeError(f"The page did not start:\n{log.read_text(errors='replace')[-2000:]}")


def begun(address: str, name: str, data: list) -> str:
    """An order that is being worked on; the id of its event."""
    sent = {"data": data, "session_hash": tempfile.mktemp(dir="")}
    return httpx.post(f"{address}gradio_api/call/{name}", json=sent, timeout=90).json()["event_id"]
