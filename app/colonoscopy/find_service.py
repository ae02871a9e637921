"""What a visitor can ask of the networks that find polyps: look into frames, real or drawn, and take it home.

The panel and the API both come through here; nothing in it knows a widget.
"""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from app import uploads
from app.colonoscopy.service import drawing, reading
from app.colonoscopy.session import ColonoscopySession
from models.colonoscopy import pipeline
from models.colonoscopy.data.images import Frame, read_frame
from models.colonoscopy.detection.registry import DETECTORS
from models.colonoscopy.segmentation.registry import SEGMENTERS
from models.colonoscopy.types import Finding
from models.core.errors import UserError
from models.core.registry import Registry

MOST_FRAMES = 24
Frames = list[tuple[str, Frame]]


def open_frames(paths: Sequence[str | Path] | None) -> Frames:
    """A visitor's frames with their names, none twice; the files are deleted as soon as they are read.

    Raises UserError: no_file, frames_many, and as `read_frame` does.
    """
    files = [Path(path) for path in paths or ()]
    try:
        if not files:
            raise UserError("no_file")
        if len(files) > MOST_FRAMES:
            raise UserError("frames_many", count=len(files), limit=MOST_FRAMES)
        frames: dict[str, Frame] = {}
        for number, file in enumerate(files, 1):
            name = file.stem if file.stem not in frames else f"{file.stem}_{number}"
            frames[name] = reading.run(read_frame, file)
        return list(frames.items())
    finally:
        for file in files:
            uploads.drop(file)


def chosen(segmenters: object, detectors: object) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the registries from fields that may hold anything, in their order.

    Raises UserError: model_unknown, nothing_chosen where neither names a network.
    """
    first, second = _names(SEGMENTERS, segmenters), _names(DETECTORS, detectors)
    if not first and not second:
        raise UserError("nothing_chosen")
    return first, second


def find(
    session: ColonoscopySession, frames: Frames, segmenters: Sequence[str], detectors: Sequence[str]
) -> Iterator[Finding]:
    """What the networks find in each frame, one after another. Raises as the gate and `pipeline.find` do."""
    if not frames:
        raise UserError("no_file")
    named = [(name, frame, None) for name, frame in frames]
    yield from drawing.stream(pipeline.find_all, named, segmenters, detectors, gone=session.visit.gone)


def find_in_drawn(
    session: ColonoscopySession, segmenters: Sequence[str], detectors: Sequence[str]
) -> Iterator[Finding]:
    """The same in the synthetic frames that are kept, held against the masks that they were drawn for.

    Raises UserError("no_frames") where there are none.
    """
    kept = list(session.frames)
    if not kept:
        raise UserError("no_frames")
    named = [(f"synthetic_{sample.seed}", sample.frame, sample.mask) for sample in kept]
    yield from drawing.stream(pipeline.find_all, named, segmenters, detectors, gone=session.visit.gone)


def pack(session: ColonoscopySession, findings: Sequence[Finding]) -> Path:
    """A zip of masks, outlines and found.json in the visitor's folder."""
    from models.colonoscopy.data import findings as files

    path = Path(tempfile.mkdtemp(dir=session.visit.folder)) / "found_polyps.zip"
    reading.run(files.write_zip, findings, path, gone=session.visit.gone)
    return path


def _names(registry: Registry[Any], asked: object) -> tuple[str, ...]:
    given = asked.split(",") if isinstance(asked, str) else asked if isinstance(asked, list) else []
    names = ",".join(str(name) for name in given if str(name).strip())
    return registry.chosen(names) if names else ()
