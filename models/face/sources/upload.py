"""A file of any kind, looked at: what it is, and what a person should know of it before it is used."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.core.errors import UserError
from models.core.notes import Note, note
from models.face import FPS, RATE
from models.face.sources import film_io, portrait_io, sound_io

if TYPE_CHECKING:
    from models.face.sources.tracking import Faces


@dataclass(frozen=True)
class Upload:
    """kind: "picture", "film" or "sound". first: the picture or first frame (H, W, 3), None of a sound.

    seconds: None of a picture. faces: the most of about the same size seen at once, None of a sound.
    """

    kind: str
    first: np.ndarray | None
    seconds: float | None
    faces: int | None
    notes: tuple[Note, ...]


def look_at(path: Path) -> Upload:
    """What is read of a picture, film or sound.

    Raises UserError as `told_portrait`, `open_clip` and `hear` do, for what the file is.
    """
    try:
        image, notes = portrait_io.told_portrait(path)
    except UserError as error:
        if error.key not in ("image_unreadable", "image_kind", "file_too_big"):
            raise
        if error.key == "image_kind" and error.facts["kind"] not in ("film", "sound"):
            raise
        not_a_picture = error
    else:
        faces = faces_in([image])
        return Upload("picture", image, None, faces.most, notes + faces_told(faces))
    try:
        clip = film_io.open_clip(path)
    except UserError as error:
        if error.key == "video_only_sound":
            sound = sound_io.hear(path)
            return Upload("sound", None, round(len(sound.samples) / RATE, 3), None, sound.notes)
        if error.key == "video_unreadable" and not_a_picture.key == "image_unreadable":
            raise not_a_picture from None
        raise
    first = next(film_io.read_clip(clip))
    faces = faces_throughout(clip)
    notes = clip.notes + faces_told(faces, film=True)
    return Upload("film", first, round(clip.seconds, 3), faces.most, notes)


def faces_throughout(clip: film_io.Clip) -> "Faces":
    """The faces in a film, looked for once a second."""
    return faces_in(itertools.islice(film_io.read_clip(clip), 0, None, FPS))


def faces_in(frames: Iterable[np.ndarray]) -> "Faces":
    """The faces in some frames."""
    from models.face.sources import tracking

    return tracking.look_for_faces(frames)


def faces_told(faces: "Faces", film: bool = False) -> tuple[Note, ...]:
    """What to know of the faces in a picture or film: how many they are, and whether a mouth is covered."""
    if faces.most == 0:
        return (note("faces_none"),)
    notes = []
    if faces.most > 1:
        notes.append(note("faces_film" if film else "faces_many", count=faces.most))
    if faces.covered and film:
        notes.append(note("mouth_covered_film", count=faces.covered, frames=faces.frames))
    elif faces.covered:
        notes.append(note("mouth_covered"))
    return tuple(notes)
