"""Films out: H.264 and AAC, frame by frame; a film of any kind gets a preview that every browser plays."""

import contextlib
import itertools
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from models.core.errors import UserError
from models.face import FPS
from models.face.sources.ffmpeg_calls import DEADLINE, arguments
from models.face.sources.film_io import Clip, read_clip

SOUND_OUT = 48_000  # AAC's frames are 21 ms there, so that a file lasts as long as its frames
TAIL = 4000  # characters of what ffmpeg said last


class ClipWriter:
    """An mp4 that is written frame by frame: H.264 and AAC, exactly 25 fps, playable while it loads.

    with ClipWriter(path, (height, width), count, sound) as clip: clip.write(frame)

    sound: a file that `write_sound` wrote, of at least `count` frames, of which as many are heard, or None.
    The file appears under its name when it is complete; an error or an early end leaves nothing.
    Raises UserError: ffmpeg_missing, clip_broken (ffmpeg died), and OSError where the disk is full.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        count: int,
        sound: Path | None = None,
        comment: str = "",
    ) -> None:
        self.path, self.size, self.count = path, size, count
        self._partial = path.with_name(f".{path.stem}.part.mp4")
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the writer is
        ask = self._ask(sound, comment)
        self._process = subprocess.Popen(
            ask, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._said
        )

    def _ask(self, sound: Path | None, comment: str) -> list[str]:
        import ffmpeg

        height, width = self.size
        picture = ffmpeg.input("pipe:", format="rawvideo", pix_fmt="rgb24", s=f"{width}x{height}", r=FPS)
        streams = [picture.video]
        options: dict[str, Any] = {
            "vcodec": "libx264", "preset": "superfast", "crf": 18, "pix_fmt": "yuv420p", "r": FPS,
            "movflags": "+faststart", "threads": 1, "video_track_timescale": 12_800,
            "color_primaries": "bt709", "color_trc": "bt709", "colorspace": "bt709",
        }  # fmt: skip
        if sound:
            streams.append(ffmpeg.input(str(sound), t=self.count / FPS).audio)
            options |= {"acodec": "aac", "audio_bitrate": "128k", "ar": SOUND_OUT}
        if comment:
            options |= {"metadata:g:0": f"comment={comment}", "metadata:g:1": f"description={comment}"}
        picture = streams[0].filter("scale", out_color_matrix="bt709")
        return arguments(ffmpeg.output(picture, *streams[1:], str(self._partial), **options))

    def write(self, frame: np.ndarray) -> None:
        """One frame (height, width, 3) uint8."""
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(np.ascontiguousarray(frame).data)
        except BrokenPipeError:
            self._process.wait(timeout=DEADLINE)
            self._fail()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is not None:
                return
            assert self._process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            if self._process.wait(timeout=DEADLINE):
                self._fail()
            self._partial.replace(self.path)
        finally:
            self._process.kill()
            self._process.wait()
            self._said.close()
            self._partial.unlink(missing_ok=True)

    def _fail(self) -> None:
        self._said.seek(0)
        said = self._said.read()[-TAIL:].decode(errors="replace")
        if "No space left" in said:
            raise OSError(28, "No space left on device")
        raise UserError("clip_broken")


def write_preview(clip: Clip, path: Path, seconds: float = 2.0) -> Path:
    """The first seconds of a clip as a film that every browser plays. Raises as reader and writer do."""
    frames = list(itertools.islice(read_clip(clip), max(1, round(seconds * FPS))))
    with ClipWriter(path, (clip.height, clip.width), len(frames)) as writer:
        for frame in frames:
            writer.write(frame)
    return path
