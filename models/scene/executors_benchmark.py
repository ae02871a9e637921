"""What it costs to ask a question elsewhere: in this process, on a worker of Ray, and there by TLS.

Each is measured in a process of its own, since Ray reads at its start whether it speaks TLS.
"""

import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from models.core.cli import executor_at
from models.core.crossing import Sender
from models.core.errors import UserError
from models.core.results import markdown, write
from models.scene import pipeline

SENTENCE = "the chair closest to the window"
SCAN = "room_office_01"
TIMES = 50
ROOT = Path(__file__).resolve().parents[2]
MADE = (
    "openssl",
    "req",
    "-x509",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-days",
    "2",
    "-subj",
    "/CN=trilab",
)
WAYS = ("in this process", "Ray", "Ray, TLS")


def measure() -> dict[str, Any]:
    """The table of all three ways, written into RESULTS.md. Raises UserError("ray_package")."""
    if find_spec("ray") is None:
        raise UserError("ray_package")
    with tempfile.TemporaryDirectory() as folder:
        rows = [_in_own_process(way, Path(folder)) for way in WAYS]
    table = markdown(rows)
    print(table)
    text = "\n\n".join(
        (
            "## Work on another machine: what it costs",
            "Medians of 50 in ms, on this machine alone (`--ray local`), so that no network is between; "
            "other work on it shows in them. "
            f"A new scan crosses first ({_size(pipeline.open_example(SCAN))}); of one that is kept only its "
            f"key does, {_order()} with the sentence. A preview is 256 x 256 pixels.",
            table,
            "`python -m models.scene evaluate executors`",
        )
    )
    write("executors", text)
    return {"executors": rows}


def row_of(way: str) -> dict[str, Any]:
    """One way's row, measured in this process."""
    scan = pipeline.open_example(SCAN)
    with executor_at(None if way == WAYS[0] else "local") as executor:
        executor.submit(pipeline.warm_up, SCAN)
        executor.submit(pipeline.ground, scan, SENTENCE)

        changed = iter(range(TIMES))

        def other() -> None:
            executor.submit(pipeline.ground, replace(scan, name=f"{SCAN} {next(changed)}"), SENTENCE)

        return {
            "where": way,
            "nothing": _milliseconds(lambda: executor.submit(nothing)),
            "a preview": _milliseconds(lambda: executor.submit(preview)),
            "a question": _milliseconds(lambda: executor.submit(pipeline.ground, scan, SENTENCE)),
            "of a new scan": _milliseconds(other),
        }


def nothing() -> None:
    """A job without work."""


def preview() -> bytes:
    """A job that gives back a frame, (256, 256, 3) of uint8."""
    return bytes(256 * 256 * 3)


def _milliseconds(ask: Callable[[], object]) -> str:
    took = []
    for _ in range(TIMES):
        start = time.perf_counter()
        ask()
        took.append(1000 * (time.perf_counter() - start))
    return f"{median(took):.1f}"


def _size(value: object) -> str:
    return f"{len(pickle.dumps(value, 5)) / 1e6:.1f} MB"


def _order() -> str:
    scan = pipeline.open_example(SCAN)
    return f"{len(Sender().pack((pipeline.ground, (scan, SENTENCE))))} bytes"


def _in_own_process(way: str, folder: Path) -> dict[str, Any]:
    code = f"from models.scene.executors_benchmark import json, row_of; print(json.dumps(row_of({way!r})))"
    around = {**os.environ, **(_certificates(folder) if way == WAYS[2] else {})}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=around, stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _certificates(folder: Path) -> dict[str, str]:
    """Ray's variables for TLS, with a certificate of this machine made by openssl."""
    from ray.util import get_node_ip_address

    address = get_node_ip_address()
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            *MADE,
            "-addext",
            f"subjectAltName=IP:127.0.0.1,IP:{address}",
            "-keyout",
            str(key),
            "-out",
            str(certificate),
        ],
        check=True,
        capture_output=True,
    )
    return {
        "RAY_USE_TLS": "1",
        "RAY_TLS_SERVER_CERT": str(certificate),
        "RAY_TLS_SERVER_KEY": str(key),
        "RAY_TLS_CA_CERT": str(certificate),
    }
