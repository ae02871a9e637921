"""Films out, of 25 fps with a sound; a film of any kind gets a preview that every browser plays."""

import itertools
from pathlib import Path

from models.core.film_writer import FilmWriter
from models.face import FPS
from models.face.sources.film_io import Clip, read_clip


class ClipWriter(FilmWriter):
    """An mp4 of exactly 25 fps, as `FilmWriter` makes it.

    with ClipWriter(path, (height, width), count, sound) as clip: clip.write(frame)

    sound: a file that `write_sound` wrote, of at least `count` frames, of which as many are heard, or None.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        count: int,
        sound: Path | None = None,
        comment: str = "",
    ) -> None:
        super().__init__(path, size, FPS, comment, sound, count / FPS)


def write_preview(clip: Clip, path: Path, seconds: float = 2.0) -> Path:
    """The first seconds of a clip as a film that every browser plays. Raises as reader and writer do."""
    frames = list(itertools.islice(read_clip(clip), max(1, round(seconds * FPS))))
    with ClipWriter(path, (clip.height, clip.width), len(frames)) as writer:
        for frame in frames:
            writer.write(frame)
    return path
