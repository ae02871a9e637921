"""Films out: H.264 and AAC, frame by frame, through ffmpeg's standard input."""

import contextlib
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from models.core.errors import UserError
from models.core.ffmpeg_calls import DEADLINE, arguments

SOUND_OUT = 48_000  # AAC's frames are 21 ms there, so that a file lasts as long as its frames
TICKS = 12_800  # of the track's clock, a second; a multiple of every rate used here
TAIL = 4000  # characters of what ffmpeg said last


class FilmWriter:
    """An mp4 that is written frame by frame: H.264 and AAC, exactly `rate` fps, playable while it loads.

    with FilmWriter(path, (height, width), 10) as film: film.write(frame)

    sound: a file that ffmpeg reads, of which `seconds` are heard, or None. comment: goes into the metadata.
    The file appears under its name when it is complete; an error or an early end leaves nothing.
    Raises UserError: ffmpeg_missing, clip_broken (ffmpeg died), and OSError where the disk is full.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        rate: int,
        comment: str = "",
        sound: Path | None = None,
        seconds: float = 0.0,
    ) -> None:
        self.path, self.size, self.rate = path, size, rate
        self._partial = path.with_name(f".{path.stem}.part.mp4")
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the writer is
        ask = self._ask(comment, sound, seconds)
        self._process = subprocess.Popen(
            ask, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._said
        )

    def _ask(self, comment: str, sound: Path | None, seconds: float) -> list[str]:
        import ffmpeg

        size = "{1}x{0}".format(*self.size)
        picture = ffmpeg.input("pipe:", format="rawvideo", pix_fmt="rgb24", s=size, r=self.rate)
        streams = [picture.video]
        options: dict[str, Any] = {
            "vcodec": "libx264", "preset": "superfast", "crf": 18, "pix_fmt": "yuv420p", "r": self.rate,
            "movflags": "+faststart", "threads": 1, "video_track_timescale": TICKS,
            "color_primaries": "bt709", "color_trc": "bt709", "colorspace": "bt709",
        }  # fmt: skip
        if sound:
            streams.append(ffmpeg.input(str(sound), t=seconds).audio)
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
