"""A file of any kind, looked at: what it is, and what a person should know of it before it is used."""

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.core.errors import UserError
from models.core.notes import Note, note
from models.face import FPS, RATE
from models.face.sources import film_io, portrait_io, sound_io


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
        return Upload("picture", image, None, faces_in([image]), notes + faces_told(faces_in([image])))
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
    return Upload("film", first, round(clip.seconds, 3), faces, clip.notes + faces_told(faces, film=True))


def faces_throughout(clip: film_io.Clip) -> int:
    """The most faces of about the same size in a film, looked for once a second."""
    return faces_in(itertools.islice(film_io.read_clip(clip), 0, None, FPS))


def faces_in(frames: "itertools.islice[np.ndarray] | list[np.ndarray]") -> int:
    """The most faces of about the same size in any of some frames."""
    from models.face.sources import tracking

    return tracking.count_faces(frames)


def faces_told(count: int, film: bool = False) -> tuple[Note, ...]:
    """What to know of the number of faces."""
    if count == 0:
        return (note("faces_none"),)
    return (note("faces_film" if film else "faces_many", count=count),) if count > 1 else ()
