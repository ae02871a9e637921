"""What a visitor can ask of the colonoscopy lab: draw frames for a mask, compare models, take frames home.

The page and the API both come through here; nothing in it knows a widget.
"""

import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from app import uploads, validation
from app.colonoscopy.session import ColonoscopySession
from app.job_queue import JobQueue, in_line
from models.colonoscopy import LOOKS, SAMPLERS, pipeline
from models.colonoscopy.data.images import (
    Frame,
    Mask,
    fitted,
    letterboxed,
    own_part,
    padded,
    squared,
    told_frame,
)
from models.colonoscopy.data.masks import check_mask, read_cleaned
from models.colonoscopy.pipeline import Alteration, Order, Sample
from models.colonoscopy.segmentation.registry import SEGMENTERS
from models.colonoscopy.synthesis.registry import GENERATORS
from models.core import checkpoints
from models.core.errors import UserError
from models.core.notes import Note, note
from models.core.progress import Progress

SIZE = 256  # pixels of the sides of what the networks see
MOST_FRAMES = 16
SEEDS = (2, 4)  # of a grid, in which each model has a column
MOST_STEPS = 250  # the paper's; more takes a CPU minutes a frame
BESIDE = ("colonoscopy_memory", "polyps")  # what every model needs

T = TypeVar("T")
# Three, so that an upload is read and looked at while a network draws. The third counts its deadline by the
# step.
reading, looking, drawing = (
    JobQueue(usual=1),
    JobQueue(usual=1, heavy=True),
    JobQueue(usual=15, deadline=120.0, heavy=True),
)


def models() -> list[str]:
    """The models that are installed, best first. Raises as `checkpoints.card` does when none can draw."""
    for name in BESIDE:
        checkpoints.card(name)
    there = GENERATORS.installed()
    for name in there or (GENERATORS.default,):
        checkpoints.card(GENERATORS[name].checkpoint)
    return list(there)


@dataclass(frozen=True)
class OpenedMask:
    """A mask file on the pad. mask, given: bool (SIZE, SIZE), as used and as the file has it, padded.

    shape: (height, width) of the file. notes: what was understood and cleaned.
    """

    mask: Mask
    given: Mask
    shape: tuple[int, int]
    notes: tuple[Note, ...]


def open_mask(paths: Sequence[str | Path] | None) -> OpenedMask:
    """A visitor's mask file, padded and fitted to SIZE; the file is deleted as soon as it is read."""

    def opened(path: Path) -> OpenedMask:
        found = read_cleaned(path)
        mask, given = (fitted(padded(one), SIZE, SIZE) for one in (found.mask, found.given))
        height, width = found.mask.shape
        return OpenedMask(check_mask(mask), given, (height, width), found.notes)

    return _read(paths, opened)


def open_frame(paths: Sequence[str | Path] | None) -> tuple[Frame, tuple[Note, ...]]:
    """A visitor's frame with at most MOST_LINES lines, and what was made of its file.

    The file is deleted as soon as it is read.
    """

    def opened(path: Path) -> tuple[Frame, tuple[Note, ...], str]:
        return *told_frame(path), path.name

    frame, notes, name = _read(paths, opened)
    if not looking.run(pipeline.looks_like_endoscopy, frame):
        notes = (*notes, note("frame_foreign", name=name))
    return _lowered(frame), notes


def _lowered(frame: Frame) -> Frame:
    lines = min(frame.shape[:2])
    if lines <= pipeline.MOST_LINES:
        return frame
    width, height = (round(side * pipeline.MOST_LINES / lines) for side in frame.shape[1::-1])
    return np.asarray(Image.fromarray(frame).resize((width, height), Image.Resampling.BOX))


def on_pad(frame: Frame) -> Frame:
    """A frame padded to a square and scaled to SIZE."""
    return squared(letterboxed(frame), SIZE)


def as_it_came(wanted: Order, shape: tuple[int, int] | None) -> Order:
    """An order whose frames are given back in the `shape` of the file that its mask came from.

    Not where something was drawn beside it, in what had been padded.
    """
    return wanted if shape is None or not lies_in(wanted.mask, shape) else replace(wanted, shape=shape)


def lies_in(mask: Mask, shape: tuple[int, int]) -> bool:
    """Whether nothing of a padded mask lies outside of what had `shape` (height, width) before."""
    inside = np.zeros_like(mask)
    inside[own_part(shape, len(inside))] = True
    return not (mask & ~inside).any()


def _read(paths: Sequence[str | Path] | None, reader: Callable[[Path], T]) -> T:
    files = [Path(path) for path in paths or ()]
    if not files:
        raise UserError("no_file")
    try:
        return reading.run(reader, files[0])
    finally:
        for file in files:
            uploads.drop(file)


def order(
    mask: Mask,
    count: object,
    seed: object,
    model: object,
    steps: object,
    sampler: object,
    judge: object = pipeline.JUDGE,
    look: object = "any",
) -> Order:
    """An order of what fields hold, whatever they hold.

    Raises UserError: mask_empty, mask_small, mask_full, count_range, seed_range, steps_range,
    model_unknown, sampler_unknown, look_unknown.
    """
    check_mask(mask)
    frames, first, times = map(validation.whole_number, (count, seed, steps))
    if frames is None or not 1 <= frames <= MOST_FRAMES:
        raise UserError("count_range", count=_short(count), limit=MOST_FRAMES)
    if first is None or not 0 <= first <= pipeline.MAX_SEED - MOST_FRAMES:
        raise UserError("seed_range", limit=pipeline.MAX_SEED - MOST_FRAMES)
    if times is None or not 1 <= times <= MOST_STEPS:
        raise UserError("steps_range", steps=_short(steps), limit=MOST_STEPS)
    drawer = GENERATORS[model].name
    if not isinstance(sampler, str) or sampler not in SAMPLERS:
        raise UserError("sampler_unknown", name=_short(sampler), choices=", ".join(SAMPLERS))
    if look not in LOOKS:
        raise UserError("look_unknown", name=_short(look), choices=", ".join(LOOKS))
    judged = SEGMENTERS[judge].name
    return Order(mask, frames, first, drawer, times, str(sampler), judge=judged, look=str(look))


def draw(session: ColonoscopySession, wanted: Order) -> Iterator[Progress | Sample]:
    """The frames of an order as they come, kept in `session.frames`; `stop` ends it without an error.

    Raises UserError: what the pipeline and the gate raise. What was done before stays kept.
    """
    yield from _kept(session, (), pipeline.draw, wanted)


def draw_each(
    session: ColonoscopySession, wanted: Order, models: Sequence[str]
) -> Iterator[Progress | Sample]:
    """A frame by each of the models for each seed of an order, as many as `count`; as `draw` otherwise.

    Raises UserError("count_range") where it is not one of SEEDS.
    """
    if wanted.count not in SEEDS:
        raise UserError("count_range", count=wanted.count, limit=max(SEEDS))
    yield from _kept(session, tuple(models), pipeline.draw_each, wanted, tuple(models))


def alter(session: ColonoscopySession, wanted: Order, remove: bool) -> Iterator[Progress | Sample]:
    """The frame that the visitor brought, with a polyp under the mask or without one; as `draw` otherwise.

    wanted: mask (as on the pad), count, seed, steps, judge and look.
    Raises UserError("no_own_frame") where none was brought.
    """
    frame = session.own_frame
    if frame is None:
        raise UserError("no_own_frame")
    mask = fitted(wanted.mask[own_part(frame.shape, len(wanted.mask))], *frame.shape[:2])
    order = Alteration(
        frame, mask, wanted.count, wanted.seed, remove, wanted.steps, wanted.look, wanted.judge
    )
    yield from _kept(session, (), pipeline.inpaint, order)


def compare(session: ColonoscopySession, place: int, model: object) -> Iterator[Progress | Sample]:
    """The frame that another model draws from the mask and the noise of a kept one.

    Raises UserError("frame_unknown"), ("model_unknown"), and as `draw` does. An altered frame has no other.
    """
    kept = frame(session, place)
    if kept.kind != "drawn":
        raise UserError("frame_unknown")
    wanted = order(kept.mask, 1, kept.seed, model, kept.steps, kept.sampler, kept.judge, kept.look)
    yield from _running(session, pipeline.draw, wanted)


def frame(session: ColonoscopySession, place: int | None) -> Sample:
    """A kept frame by its place. Raises UserError("frame_unknown")."""
    if place is None or not 0 <= place < len(session.frames):
        raise UserError("frame_unknown")
    return session.frames[place]


def _kept(
    session: ColonoscopySession,
    models: tuple[str, ...],
    function: Callable[..., Iterator[Progress | Sample]],
    *order: Any,
) -> Iterator[Progress | Sample]:
    """The steps of a job whose frames are the visitor's from now on, drawn by `models` in turns."""
    session.frames = done = []
    session.compared = models
    for step in _running(session, function, *order):
        if isinstance(step, Sample):
            done.append(step)
        yield step


def _running(
    session: ColonoscopySession, function: Callable[..., Iterator[Progress | Sample]], *order: Any
) -> Iterator[Progress | Sample]:
    session.halt = stop = threading.Event()
    if session.visit.gone.is_set():
        raise UserError("cancelled")
    try:
        yield from drawing.stream(function, *order, gone=stop, line=in_line)
    except UserError as error:
        if error.key != "cancelled" or session.visit.gone.is_set():
            raise


def stop(session: ColonoscopySession) -> None:
    """End what is being drawn for the visitor; frames that are done stay."""
    session.halt.set()


def pack(session: ColonoscopySession, burn: bool, dicom: bool = False) -> Path:
    """A zip of the kept frames where the page may serve it: ArSDM's layout with a JSON, or DICOM files.

    burn: write SYNTHETIC into each; the metadata says so anyway. Raises UserError("no_frames").
    """
    from models.colonoscopy.data import exports

    frames = list(session.frames)
    if not frames:
        raise UserError("no_frames")
    # Gradio copies what lies elsewhere, and keeps the copy.
    folder = Path(tempfile.mkdtemp(dir=session.visit.shown))
    path = folder / ("synthetic_dicom.zip" if dicom else "synthetic_frames.zip")
    write = exports.write_dicom if dicom else exports.write_zip
    reading.run(write, frames, path, burn, gone=session.visit.gone)
    return path


def segment(picture: Frame, session: ColonoscopySession) -> Mask:
    """The polyps that the shipped segmenter finds in a frame."""
    return drawing.run(pipeline.segment, picture, gone=session.visit.gone)


def rehearsal() -> tuple[Any, ...]:
    """The job, a function and its arguments, that gets a worker elsewhere ready."""
    return (pipeline.warm_up,)


def _short(value: object) -> str:
    return str(value)[:40]
