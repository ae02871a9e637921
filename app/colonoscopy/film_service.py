"""What a visitor can ask of the networks that make films: one film at a time, and its files to take home.

The panel and the API both come through here; nothing in it knows a widget. A film is written while its frames
come, in the visit's folder; what is not complete is deleted.
"""

import secrets
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from app import uploads, validation
from app.colonoscopy import service
from app.colonoscopy.service import MOST_STEPS, SIZE, lies_in
from app.colonoscopy.session import ColonoscopySession
from app.job_queue import JobQueue, in_line
from models.colonoscopy import LOOKS, MASKLESS, MOVES, pipeline
from models.colonoscopy.data.film_exports import FilmFiles, FilmMade, FilmRecord
from models.colonoscopy.data.images import Frame, Mask, fitted, letterboxed, own_part
from models.colonoscopy.data.masks import check_mask
from models.colonoscopy.segmentation.registry import SEGMENTERS
from models.colonoscopy.video.base import FPS, LONGEST, SHORTEST, FilmOrder, check
from models.colonoscopy.video.registry import FILMS
from models.core.errors import UserError
from models.core.progress import Drawing, Progress

KEPT = round(SHORTEST * FPS)  # frames from which on a film that was stopped is one
# One of its own, so that frames are drawn while a film of minutes is made. The deadline is that of a step;
# who waits for a place may have such a film before them.
filming = JobQueue(usual=60, longest_wait=300.0, deadline=300.0, heavy=True)


def order(
    mask: Mask,
    move: object,
    seconds: object,
    seed: object,
    model: object,
    look: object = "any",
    steps: object = None,
    mask_last: Mask | None = None,
    frame: Frame | None = None,
    painted: bool = False,
) -> FilmOrder:
    """An order of what fields hold, whatever they hold. steps: None for as many as are usual.

    A method that knows no mask needs none on the pad.
    Raises UserError: model_unknown, mask_empty, mask_small, mask_full, move_unknown, seconds_range,
    seed_range, look_unknown, steps_range.
    """
    if FILMS[model].name in MASKLESS and not mask.any():
        mask = _anywhere()
    for given in (mask, *([] if mask_last is None else [mask_last])):
        check_mask(given)
    first = validation.whole_number(seed)
    if first is None or not 0 <= first <= pipeline.MAX_SEED:
        raise UserError("seed_range", limit=pipeline.MAX_SEED)
    if not isinstance(move, str) or move not in MOVES:
        raise UserError("move_unknown", name=_short(move), choices=", ".join(MOVES))
    if look not in LOOKS:
        raise UserError("look_unknown", name=_short(look), choices=", ".join(LOOKS))
    lasts = validation.number(seconds)
    if lasts is None:
        raise UserError("seconds_range", least=SHORTEST, most=LONGEST)
    wanted = FilmOrder(mask, mask_last, frame, painted, move, lasts, first, look=str(look))
    if steps is not None:
        times = validation.whole_number(steps)
        if times is None or not 1 <= times <= MOST_STEPS:
            raise UserError("steps_range", steps=_short(steps), limit=MOST_STEPS)
        wanted = replace(wanted, steps=times)
    check(wanted)
    return wanted


def shape_of(session: ColonoscopySession, wanted: FilmOrder) -> tuple[int, int] | None:
    """The sides that a film of the pad's outlines has: of the frame it begins with, or of the mask's file."""
    if wanted.frame is not None:
        return (wanted.frame.shape[0], wanted.frame.shape[1])
    shape = session.mask_shape
    masks = (wanted.mask, *([] if wanted.mask_last is None else [wanted.mask_last]))
    return shape if shape is not None and all(lies_in(mask, shape) for mask in masks) else None


@dataclass(frozen=True)
class Brought:
    """Files of a script as a film is ordered from them: squares of SIZE, and a square frame of any size.

    shape: (height, width) of the frame, or of the mask where there is none.
    """

    mask: Mask
    mask_last: Mask | None
    frame: Frame | None
    shape: tuple[int, int]


def bring(mask: str | None, mask_last: str | None, frame: str | None) -> Brought:
    """A mask file, with or without a last mask and a first frame, whose sides the masks then take.

    The files are deleted. Raises UserError: no_file, and as `open_mask` and `open_frame` do.
    """
    try:
        first = service.open_mask([mask] if mask else [])
        last = service.open_mask([mask_last]) if mask_last else None
        own = service.open_frame([frame])[0] if frame else None
    finally:  # what comes after a refused one is not read
        for path in (mask, mask_last, frame):
            if path:
                uploads.drop(Path(path))
    shape = first.shape if own is None else (own.shape[0], own.shape[1])
    masks = [None if one is None else _laid_over(one.mask, one.shape, shape) for one in (first, last)]
    assert masks[0] is not None
    return Brought(masks[0], masks[1], None if own is None else letterboxed(own), shape)


def _laid_over(mask: Mask, shape: tuple[int, int], other: tuple[int, ...]) -> Mask:
    """A mask in the square of its own `shape` as it lies in the square of a picture of another shape."""
    square = np.zeros_like(mask)
    part = square[own_part(other, len(mask))]
    part[:] = fitted(mask[own_part(shape, len(mask))], *part.shape)
    return square


def film(
    session: ColonoscopySession,
    wanted: FilmOrder,
    model: object,
    judge: object = pipeline.JUDGE,
    shape: tuple[int, int] | None = None,
) -> Iterator[Progress | FilmMade]:
    """Previews and frames as they come, then the film, kept in `session.film`; `stop` ends it earlier.

    A film that is stopped before it has KEPT frames is none, and the one before stays.
    Raises UserError: model_unknown, and what the pipeline, the gate and the writers raise.
    """
    session.film_halt = stop = threading.Event()
    if session.visit.gone.is_set():
        raise UserError("cancelled")
    name, judged = FILMS[model].name, SEGMENTERS[judge].name
    record = FilmRecord(wanted, name, FILMS.weights(name), judged, shape)
    folder = Path(tempfile.mkdtemp(dir=session.visit.folder))
    try:
        files = FilmFiles(folder, f"synthetic_film_{secrets.token_hex(6)}", record)
        with files:
            yield from _written(session, wanted, files, stop)
        yield _kept(session, files.made)
    except UserError as error:
        if error.key != "cancelled" or session.visit.gone.is_set():
            raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if session.visit.gone.is_set():
            session.visit.end()  # what was written after it had ended


def _written(
    session: ColonoscopySession, wanted: FilmOrder, files: FilmFiles, stop: threading.Event
) -> Iterator[Progress]:
    record = files.record
    asked = (wanted, record.model, record.judge)
    try:
        for step in filming.stream(pipeline.film, *asked, gone=stop, line=in_line):
            if isinstance(step, Progress):
                shown = step.preview
                if isinstance(shown, Drawing):
                    step = replace(step, preview=replace(shown, frame=record.own(shown.frame)))
                yield step
            else:
                files.add(step)
                share = record.frames / wanted.count
                yield Progress(share, "drawing", Drawing(step.index, record.own(step.frame)))
    except UserError as error:
        enough = record.frames >= KEPT and not session.visit.gone.is_set()
        if error.key != "cancelled" or not enough:
            raise


def stop(session: ColonoscopySession) -> None:
    """End the film that is being made for the visitor; what is done of it stays."""
    session.film_halt.set()


def _kept(session: ColonoscopySession, made: FilmMade) -> FilmMade:
    """The film where the page may serve it; the one before is deleted."""
    _drop_film(session)
    video, outlined, packed, dicom = (
        Path(shutil.move(path, session.visit.shown / path.name)) for path in made.paths
    )
    session.film = FilmMade(video, outlined, packed, dicom, made.facts)
    return session.film


def show_again(session: ColonoscopySession, made: FilmMade) -> None:
    """An earlier film, whose files the page may serve, is the one that is there; the one before goes."""
    _drop_film(session, keeps=made.paths)
    session.film = made


def _drop_film(session: ColonoscopySession, keeps: Sequence[Path] = ()) -> None:
    before, session.film = session.film, None
    for path in before.paths if before else ():
        if path not in keeps:
            path.unlink(missing_ok=True)


def _anywhere() -> Mask:
    mask = np.zeros((SIZE, SIZE), bool)
    mask[SIZE // 4 : -SIZE // 4, SIZE // 4 : -SIZE // 4] = True
    return mask


def _short(value: object) -> str:
    return str(value)[:40]
