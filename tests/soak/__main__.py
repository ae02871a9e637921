"""The soak: a crowd of scripts and browsers on a server of its own; one JSON object is printed last.

    python -m tests.soak --minutes 60

memory_10 and memory_end: megabytes of the server after ten minutes (or a third of a shorter run) and at the
end. files_left: two minutes after the last goodbye. slowest_page: seconds until a browser showed the page.
"""

import argparse
import contextlib
import json
import sys
import tempfile
import threading
import time
from pathlib import Path

from models.scene import pipeline
from tests.launched import Launched, launched
from tests.scene import scan_makers
from tests.soak import visitors
from tests.soak.visitors import ApiClient, Tally

FAREWELL = 120.0  # seconds after the last goodbye, when nothing may be left
OWN = ("lock", "served", "held", "visits", "served/vibe_edit_history")  # of the server itself


def main() -> int:
    """Run the soak. The exit code is 1 when something was lost, wrong, leaked or left."""
    flags = _flags()
    program = ("tests/stand_in_server.py",) if flags.stand_ins else ("launch.py",)
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder, tally = Path(name), Tally()
        scan_makers.scannet(folder / "shared", "shared")
        visitors.SCANS.extend(pipeline.examples())
        with launched(folder, program=program) as server:
            _crowd(server, folder, tally, flags)
            memory = _memories(server, flags.minutes * 60, tally, flags)
            time.sleep(FAREWELL)
            left = [path for path in server.left() if path.split("/", 1)[-1] not in OWN and "/" in path]
            log = server.log.stat().st_size
    told = {name: getattr(tally, name) for name in ("jobs", "refused", "lost", "wrong", "leaked")}
    told |= {
        "files_left": len(left),
        **memory,
        "slowest_page": round(tally.slowest_page, 1),
        "log_bytes": log,
    }
    for note in [*tally.faults, *left[:10]]:
        print(note, file=sys.stderr)
    print(json.dumps(told))
    return int(any(told[name] for name in ("lost", "wrong", "leaked", "files_left")))


def _crowd(server: Launched, folder: Path, tally: Tally, flags: argparse.Namespace) -> None:
    """Everybody on threads, which end when `flags.over` is set."""
    crowd = [ApiClient(server.address, folder, tally, seed) for seed in range(flags.clients)]
    visitors.SECRETS.update(one.secret for one in crowd)
    lives = [one.live for one in crowd]
    if flags.browsers:
        from tests.soak.browsers import Person

        lives += [Person(server.address, folder, tally, 1000 + seed).live for seed in range(flags.browsers)]
    flags.threads = [threading.Thread(target=live, args=(flags.over,), daemon=True) for live in lives]
    for thread in flags.threads:
        thread.start()


def _memories(server: Launched, seconds: float, tally: Tally, flags: argparse.Namespace) -> dict[str, int]:
    """Megabytes after a while and at the end; then everybody goes."""
    begin = min(600.0, seconds / 3)
    time.sleep(begin)
    early = _memory(server)
    end = time.monotonic() + seconds - begin
    while time.monotonic() < end:
        time.sleep(min(30.0, max(0.1, end - time.monotonic())))
        print(f"{tally.jobs} jobs, {_memory(server)} MB", file=sys.stderr, flush=True)
    late = _memory(server)
    flags.over.set()
    for thread in flags.threads:
        thread.join(visitors.JOB_SECONDS)
    if any(thread.is_alive() for thread in flags.threads):
        tally.add("lost", "a visitor never came back")
    return {"memory_10": early, "memory_end": late}


def _memory(server: Launched) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) // 1024
    return 0


def _flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--clients", type=int, default=40, help="scripts")
    parser.add_argument("--browsers", type=int, default=8)
    parser.add_argument("--stand-ins", action="store_true", help="without the networks: the server alone")
    flags = parser.parse_args()
    flags.over = threading.Event()
    return flags


if __name__ == "__main__":
    sys.exit(main())
