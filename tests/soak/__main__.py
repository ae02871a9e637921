"""The soak: a crowd of scripts and browsers on a server of its own; one JSON object is printed last.

    python -m tests.soak --minutes 60

memory_10 and memory_end: megabytes of the server, the median of a minute, after ten minutes (or a third of a
shorter run) and at the end. files_left: two minutes after the last goodbye. slowest_page: seconds until a
browser showed the page. It talks to its own server on 127.0.0.1 and to nothing else, and ends by itself.
"""

import argparse
import contextlib
import json
import re
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from models.scene import pipeline
from tests.launched import Launched, launched
from tests.scene import scan_makers
from tests.soak import visitors
from tests.soak.tally import JOB_SECONDS, Tally
from tests.soak.visitors import ApiClient

FAREWELL = 120.0  # seconds after the last goodbye, when nothing may be left
# Of the server itself, and an empty folder that torch makes for its compiler.
OWN = re.compile(r"lock|served|held|visits|served/vibe_edit_history|torchinductor_\w+")
ASKED = ("lost", "wrong", "leaked", "files_left")  # to be 0
TOLD = 60.0  # seconds between two lines about how it goes


def main() -> int:
    """Run the soak. The exit code is 1 when something was lost, wrong, leaked or left."""
    flags = _flags()
    program = ("tests/stand_in_server.py",) if flags.stand_ins else ("launch.py",)
    with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as name:
        folder, tally = Path(name), Tally()
        scan_makers.scannet(folder / "shared", "shared")
        visitors.SCANS.extend(pipeline.examples())
        with launched(folder, program=program) as server:
            over = threading.Event()
            with _crowd(server, folder, tally, flags, over) as crowd:
                memory = _watched(server, flags.minutes * 60, tally)
                over.set()
                _goodbye(crowd, tally)
            time.sleep(FAREWELL)
            left = _left(server)
            log = server.log.stat().st_size
            bugs = [line for line in server.log.read_text().splitlines() if "bug " in line or "Error" in line]
    told = {
        "minutes": flags.minutes,
        "jobs": tally.jobs,
        "refused": tally.refused,
        "lost": tally.missing,
        "wrong": tally.wrong,
        "leaked": tally.leaked,
        "files_left": len(left),
        **memory,
        "slowest_page": round(tally.slowest_page, 1),
        "log_bytes": log,
    }
    _report(tally, left, bugs)
    print(json.dumps(told))
    return int(any(told[name] for name in ASKED))


@contextlib.contextmanager
def _crowd(
    server: Launched, folder: Path, tally: Tally, flags: argparse.Namespace, over: threading.Event
) -> Iterator[list[threading.Thread]]:
    """Everybody on threads, which end when `over` is set; no browser outlives this."""
    people: list[Any] = []  # playwright may not be installed
    lives = [ApiClient(server.address, folder, tally, number).live for number in range(flags.clients)]
    if flags.browsers:
        from tests.soak.browsers import Person

        people += [Person(server.address, folder, tally, 1000 + seed) for seed in range(flags.browsers)]
    lives += [person.live for person in people]
    threads = [threading.Thread(target=live, args=(over,), daemon=True) for live in lives]
    for thread in threads:
        thread.start()
    try:
        yield threads
    finally:
        over.set()
        for person in people:
            person.kill()


def _watched(server: Launched, seconds: float, tally: Tally) -> dict[str, int]:
    """Megabytes after a while and at the end."""
    begin, early = min(600.0, seconds / 3), 0
    started, told = time.monotonic(), 0.0
    lately: list[int] = []
    while (now := time.monotonic() - started) < seconds:
        lately = [*lately[-11:], _memory(server)]
        if now >= begin and not early:
            early = round(median(lately))
        if now - told >= TOLD:
            told = now
            line = f"{now / 60:.0f} min: {tally.jobs} jobs, {tally.refused} refused, {tally.missing} lost"
            print(f"{line}, {lately[-1]} MB", file=sys.stderr, flush=True)
        time.sleep(5)
    return {"memory_10": early, "memory_end": round(median(lately))}


def _goodbye(crowd: list[threading.Thread], tally: Tally) -> None:
    """Wait until everybody has gone; who can't is lost."""
    end = time.monotonic() + JOB_SECONDS
    for thread in crowd:
        thread.join(max(0.0, end - time.monotonic()))
    for _ in filter(threading.Thread.is_alive, crowd):
        tally.lost("goodbye", "a visitor never came back")


def _left(server: Launched) -> list[str]:
    """What lies in the server's folder that belongs to a visitor."""
    return [path for path in server.left() if "/" in path and not OWN.fullmatch(path.split("/", 1)[1])]


def _memory(server: Launched) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) // 1024
    return 0


def _report(tally: Tally, left: list[str], bugs: list[str]) -> None:
    """Everything that explains the figures, on stderr."""
    for way, count in tally.ways.most_common():
        print(f"{count} x {way}", file=sys.stderr)
    for sentence, count in tally.sentences.most_common():
        print(f"told {count} x {sentence}", file=sys.stderr)
    for line in [*tally.faults, *left[:20], *bugs[:20]]:
        print(line, file=sys.stderr)


def _flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--clients", type=int, default=40, help="scripts, at most 64")
    parser.add_argument("--browsers", type=int, default=8)
    parser.add_argument("--stand-ins", action="store_true", help="without the networks: the server alone")
    flags = parser.parse_args()
    if not 0 <= flags.clients <= 2**visitors.BITS or not 0 < flags.minutes <= 24 * 60:
        parser.error("at most 64 clients and a day")
    return flags


if __name__ == "__main__":
    sys.exit(main())
