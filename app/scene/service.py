"""What a visitor can ask of the scene lab: open a scan, find and repair its objects, ask, have it described.

The page and the API both come through here; nothing in it knows a widget.
"""

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from app import uploads, validation
from app.job_queue import JobQueue
from app.scene import example_cache
from app.scene.session import SceneSession
from models.core.errors import UserError
from models.core.progress import Progress
from models.scene import pipeline
from models.scene.captioning.registry import CAPTIONERS
from models.scene.captioning.structure import described, of_structure
from models.scene.data import instance_edits
from models.scene.data.instance_edits import Edit
from models.scene.data.scan import Instance, Scan
from models.scene.grounding.base import Grounding
from models.scene.segmentation.registry import SEGMENTERS
from models.scene.types import Answer, Caption

# Three, so that a scan opens and a question is answered while somebody's room is described. Objects of a
# million points are found in minutes on a busy machine; the first answer waits for two networks to load.
reading, thinking, working = (
    JobQueue(usual=1),
    JobQueue(usual=0.3, deadline=120, heavy=True),
    JobQueue(usual=20, deadline=300, heavy=True),
)
Step = TypeVar("Step")


@lru_cache(maxsize=12)
def shipped(name: str) -> Scan:
    """A shipped scan, read once and shared by everybody: scans are never changed."""
    return pipeline.open_example(name)


@cache
def warm_up(name: str) -> None:
    """Get the networks ready for a shipped scan while its visitor still looks around; once for a process."""
    get_ready(lambda: shipped(name))


def get_ready(opened: Callable[[], Scan]) -> None:
    """Load the networks and prepare a scan for them, on a thread; what fails is told when somebody asks."""

    def work() -> None:
        with suppress(UserError):
            scan = opened()
            if not scan.instances:
                return
            with suppress(UserError):
                thinking.run(pipeline.ground, scan, "the door")
            for one in described(scan)[:1]:
                thinking.run(pipeline.caption, scan, one.id)

    threading.Thread(target=work, daemon=True).start()


def rehearsal() -> tuple[Any, ...]:
    """The job, a function and its arguments, that gets a worker elsewhere ready."""
    return pipeline.warm_up, example_cache.names()[0]


def open_shipped(session: SceneSession, name: str) -> Scan:
    """Open a scan by its name. Raises UserError("unknown_scan") for any other text."""
    if not isinstance(name, str) or name not in pipeline.examples():
        raise UserError("unknown_scan")
    scan = reading.run(shipped, name, gone=session.visit.gone)
    session.opens(scan, name)
    return scan


def open_upload(session: SceneSession, paths: Sequence[str | Path] | None) -> Scan:
    """Open a visitor's files, or one zip; the files are deleted as soon as they are read."""
    files = [Path(path) for path in paths or ()]
    if not files:
        raise UserError("no_file")
    work = Path(tempfile.mkdtemp(dir=session.visit.folder))
    try:
        scan = reading.run(pipeline.open_upload, files, work, gone=session.visit.gone)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        for file in files:
            uploads.drop(file)
    session.opens(scan)
    return scan


def ask(session: SceneSession, text: object) -> Answer:
    """The object a sentence means in the visitor's scan.

    A shipped example sentence is answered from the stored answers while they are of the installed checkpoint
    and the scan is as it was shipped. Raises UserError for a sentence that can't be asked, "no_scan",
    "scan_unlabelled", "scan_changed" where the answer is about a scan that is not open any more, and what the
    pipeline and the gate raise.
    """
    sentence = validation.sentence(text)
    scan = _labelled(session)
    as_shipped = session.shipped and not session.edits
    answer = example_cache.stored(session.shipped, sentence) if as_shipped else None
    stored = answer is not None
    if answer is None:
        answer = thinking.run(pipeline.ground, scan, sentence, gone=session.visit.gone)
    if session.scan is not scan:
        raise UserError("scan_changed")
    session.answer, session.compared, session.stored = answer, (), stored
    return answer


def compare(session: SceneSession, text: object) -> tuple[Grounding, ...]:
    """What each of the visitor's methods answers, in their order; networks load when they are first asked.

    Raises as `ask` does.
    """
    sentence = validation.sentence(text)
    scan, methods = _labelled(session), session.methods
    found = thinking.run(pipeline.compare, methods, scan, sentence, gone=session.visit.gone)
    if session.scan is scan:
        session.answer, session.stored = None, False
        session.compared = found
    return found


def caption(session: SceneSession, object_id: object) -> Caption:
    """What there is to say of an object. Raises UserError as `instance`, the pipeline and the gate do."""
    found, scan = instance(session, object_id), _labelled(session)
    for said in session.captions:
        if said.object_id == found.id:
            return said
    if named := of_structure(scan, found.id):  # waits for nobody
        return named
    return thinking.run(pipeline.caption, scan, found.id, session.captioners[0], gone=session.visit.gone)


def captions(session: SceneSession, object_id: object, methods: Sequence[str]) -> dict[str, Caption]:
    """What each of some captioners says of an object, by its name. Raises as `caption` does."""
    found, scan = instance(session, object_id), _labelled(session)
    return thinking.run(pipeline.captions, methods, scan, found.id, gone=session.visit.gone)


def choose_captioners(session: SceneSession, names: str) -> None:
    """Others describe objects, "a,b"; what those before said, or are saying, is forgotten.

    Raises UserError("model_unknown").
    """
    session.captioners = CAPTIONERS.chosen(names) if names else (CAPTIONERS.default,)
    session.stop.set()
    session.captions = ()


def choose_segmenter(session: SceneSession, name: object) -> None:
    """Another method finds the objects of the next raw scan. Raises UserError("model_unknown")."""
    session.segmenter = SEGMENTERS[str(name)].name


def describing(session: SceneSession) -> Iterator[Caption]:
    """Captions of the visitor's scan as they come; what was said stays in `session.captions`.

    Ends early when `session.stop` is set or another scan is opened. Raises as `ask` does.
    """
    scan = _labelled(session)
    stop = session.begins()
    session.captions = ()
    for said in _until(stop, session, pipeline.describe, scan, session.captioners[0]):
        session.captions = (*session.captions, said)
        yield said


def finding(session: SceneSession) -> Iterator[Progress]:
    """Finds the objects of the visitor's scan, which then has them; yields what is done at each stage.

    Ends early, with nothing changed, when `session.stop` is set or another scan is opened.
    Raises UserError: no_scan, segment_nothing, and what the pipeline and the gate raise.
    """
    scan = session.original
    if scan is None:
        raise UserError("no_scan")
    stop, session.raw = session.begins(), False
    for step in _until(stop, session, pipeline.segmenting, scan, session.segmenter):
        if isinstance(step, Progress):
            yield step
        else:
            session.opens(step.scan, found=True, tilt=step.level.tilt if step.level else None)
            return


def _until(
    stop: threading.Event, session: SceneSession, function: Callable[..., Iterator[Step]], *args: Any
) -> Iterator[Step]:
    """What a long job yields, until it is stopped."""
    try:
        for step in working.stream(function, *args, gone=stop):
            if stop.is_set():
                return
            yield step
    except UserError as error:
        if error.key != "cancelled" or session.visit.gone.is_set():
            raise


def repair(session: SceneSession, edit: Edit) -> None:
    """Rename, merge or delete an object of the visitor's scan; what was answered before is forgotten.

    Raises UserError: no_scan, object_unknown, merge_itself.
    """
    _edit(session, (*session.edits, edit))


def undo(session: SceneSession) -> None:
    """Take back the last repair; nothing happens where there is none. Raises UserError("no_scan")."""
    if session.original is None:
        raise UserError("no_scan")
    if session.edits:
        _edit(session, session.edits[:-1])


def _edit(session: SceneSession, edits: tuple[Edit, ...]) -> None:
    if session.original is None:
        raise UserError("no_scan")
    session.repaired(instance_edits.edited(session.original, edits), edits)


def instance(session: SceneSession, object_id: object) -> Instance:
    """An object of the visitor's scan by its id. Raises UserError("no_scan"), ("object_unknown")."""
    if session.scan is None:
        raise UserError("no_scan")
    wanted = validation.whole_number(object_id)
    for found in session.scan.instances:
        if found.id == wanted:
            return found
    raise UserError("object_unknown", object="-" if wanted is None else wanted)


def _labelled(session: SceneSession) -> Scan:
    if session.scan is None:
        raise UserError("no_scan")
    if not session.scan.instances:
        raise UserError("scan_unlabelled")
    return session.scan


def as_json(found: Instance) -> dict[str, Any]:
    """An object in plain values: metres in the axis-aligned frame, colour 0-255, confidence 0-1."""
    low, high = found.box[:3], found.box[3:]
    return {
        "object_id": int(found.id),
        "label": found.label,
        "box": [round(float(value), 3) for value in found.box],
        "size": [round(float(value), 3) for value in high - low],
        "colour": [int(value) for value in np.rint(found.colour)],
        "confidence": round(float(found.confidence), 3),
    }
