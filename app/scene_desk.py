"""What a visitor can ask of the scene lab: open a scan, ask it a sentence, look at an object.

The page and the API both come through here; nothing in it knows a widget.
"""

import shutil
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from app import guards, precompute
from app.jobs import Gate
from app.visits import Visit
from models.core.errors import UserError
from models.scene import pipeline
from models.scene.answer import Answer
from models.scene.scan import Instance, Scan

# Two, so that a scan opens while a network computes.
reading, thinking = Gate(), Gate()


@lru_cache(maxsize=12)
def shipped(name: str) -> Scan:
    """A shipped scan, read once and shared by everybody: scans are never changed."""
    return pipeline.open_example(name)


@cache
def warm_up(name: str) -> None:
    """Get the network ready for a shipped scan while its visitor still looks around.

    Once for a process and scan, on a thread of its own; what fails is told when somebody asks.
    """

    def work() -> None:
        with suppress(UserError):
            thinking.run(lambda: pipeline.ground(shipped(name), "the door"))

    threading.Thread(target=work, daemon=True).start()


def open_shipped(visit: Visit, name: str) -> Scan:
    """Open a scan by its name. Raises UserError("unknown_scan") for any other text."""
    if name not in pipeline.examples():
        raise UserError("unknown_scan")
    scan = reading.run(lambda: shipped(name), visit.gone)
    visit.scan, visit.shipped, visit.answer = scan, name, None
    return scan


def open_upload(visit: Visit, paths: Sequence[str | Path] | None) -> Scan:
    """Open a visitor's files, or one zip; the files are deleted as soon as they are read."""
    files = [Path(path) for path in paths or ()]
    if not files:
        raise UserError("no_file")
    work = Path(tempfile.mkdtemp(dir=visit.folder))
    try:
        scan = reading.run(lambda: pipeline.open_upload(files, work), visit.gone)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        for file in files:
            file.unlink(missing_ok=True)
    visit.scan, visit.shipped, visit.answer = scan, "", None
    return scan


def ask(visit: Visit, text: object) -> Answer:
    """The object a sentence means in the visit's scan.

    A shipped example sentence is answered from the stored answers while they are of the
    installed checkpoint. Raises UserError for a sentence that can't be asked, "no_scan",
    "scan_unlabelled", and what the pipeline and the gate raise.
    """
    sentence = guards.sentence(text)
    scan = visit.scan
    if scan is None:
        raise UserError("no_scan")
    if not scan.instances:
        raise UserError("scan_unlabelled")
    answer = precompute.stored(visit.shipped, sentence) if visit.shipped else None
    visit.stored = answer is not None
    if answer is None:
        answer = thinking.run(lambda: pipeline.ground(scan, sentence), visit.gone)
    visit.answer = answer
    return answer


def instance(visit: Visit, object_id: object) -> Instance:
    """An object of the visit's scan by its id. Raises UserError("no_scan"), ("unknown_object")."""
    if visit.scan is None:
        raise UserError("no_scan")
    for found in visit.scan.instances:
        if found.id == object_id:
            return found
    raise UserError("unknown_object")


def as_json(found: Instance) -> dict[str, Any]:
    """An object in plain values: metres in the axis-aligned frame, colour 0-255."""
    low, high = found.box[:3], found.box[3:]
    return {
        "object_id": int(found.id),
        "label": found.label,
        "box": [round(float(value), 3) for value in found.box],
        "size": [round(float(value), 3) for value in high - low],
        "colour": [int(value) for value in np.rint(found.colour)],
    }
