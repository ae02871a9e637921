"""Sound, pictures and clips in and out, by ffmpeg; every file is hostile until it is parsed.

ffmpeg is imageio-ffmpeg's bundled binary, called through ffmpeg-python with
lists of arguments and no shell. It may read only the containers named here and
only files: no playlist, no network.
"""

import contextlib
import math
import subprocess
import tempfile
import threading
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from PIL import Image

from models.core.errors import UserError
from models.core.image_io import MAX_PIXELS, read_image
from models.core.upload_validation import MEGABYTE, check_file
from models.face import FPS, RATE

CONTAINERS = "wav,mp3,flac,ogg,aac,mov,matroska,aiff,amr,caf,w64,au,avi"  # "mov" reads mp4, "matroska" webm
MAX_FILE = 200 * MEGABYTE
MAX_SECONDS = 15 * 60  # of a sound
MAX_CLIP_SECONDS = 120
MAX_SIDE = 1280  # what a portrait or clip is scaled to
SOUND_OUT = 48_000  # AAC's frames are 21 ms there, so that a file lasts as long as its frames
PIECE = 60 * RATE  # samples that are written at once
DEADLINE = 120.0  # seconds that reading may take
TAIL = 4000  # characters of what ffmpeg said last


@cache
def binary() -> str:
    """The bundled ffmpeg. Raises UserError("ffmpeg_missing")."""
    import imageio_ffmpeg

    try:
        path = imageio_ffmpeg.get_ffmpeg_exe()
        said = subprocess.run(
            [path, "-hide_banner", "-encoders"], capture_output=True, timeout=20, check=True
        )
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        raise UserError("ffmpeg_missing") from error
    if b"libx264" not in said.stdout or b" aac " not in said.stdout:
        raise UserError("ffmpeg_missing")
    return str(path)


def read_sound(path: Path, limit: float = MAX_SECONDS) -> np.ndarray:
    """The sound of any audio or video file, (N,) float32 at 16 kHz, mono.

    Raises UserError: sound_unreadable, sound_long, sound_short, ffmpeg_missing, and those of check_file.
    """
    check_file(path, MAX_FILE)
    written = _written(path)
    samples = _decoded(path, limit) if written is None else written
    if len(samples) > limit * RATE:
        raise UserError("sound_long", limit=round(limit / 60))
    if len(samples) < RATE / FPS:
        raise UserError("sound_short")
    return samples


def is_written(path: Path, count: int) -> bool:
    """Whether a file is as `write_sound` writes it, of at least `count` frames."""
    samples = _written(path)
    return samples is not None and len(samples) >= count * RATE // FPS


def _written(path: Path) -> np.ndarray | None:
    """The samples of a wav as `write_sound` writes it, None for any other file."""
    try:
        with wave.open(str(path), "rb") as file:
            if file.getparams()[:3] != (1, 2, RATE):
                return None
            data = file.readframes(file.getnframes())
    except (wave.Error, EOFError):
        return None
    return np.frombuffer(data, "<i2", len(data) // 2).astype(np.float32) / 32767


def _decoded(path: Path, limit: float) -> np.ndarray:
    """The first sound of any file, by ffmpeg."""
    _check_media(path, "sound_unreadable")
    ask = _input(path, vn=None, t=limit + 1).output(
        "pipe:", format="f32le", acodec="pcm_f32le", ac=1, ar=RATE, map="0:a:0"
    )
    data = _run(ask, "sound_unreadable", path.name)
    samples = np.nan_to_num(np.frombuffer(data, np.float32, len(data) // 4))
    np.clip(samples, -1, 1, out=samples)
    return samples


def read_portrait(path: Path) -> np.ndarray:
    """A portrait (H, W, 3) uint8, turned as its camera says, at most MAX_SIDE on the long side, sides even.

    Raises as `models.core.image_io.read_image` does.
    """
    image = read_image(path, "RGB")
    size = fitted(*image.size)
    return np.asarray(image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)).copy()


def fitted(width: int, height: int) -> tuple[int, int]:
    """Width and height scaled to at most MAX_SIDE, and even, as H.264 wants them."""
    scale = min(1.0, MAX_SIDE / max(width, height))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


@dataclass(frozen=True)
class Clip:
    """What is known of a video file: its size in pixels after scaling, and seconds."""

    path: Path
    width: int
    height: int
    seconds: float


def open_clip(path: Path) -> Clip:
    """A video file, looked at and not yet decoded.

    Raises UserError: video_unreadable, video_long, video_big, ffmpeg_missing, and those of check_file.
    """
    import imageio_ffmpeg

    check_file(path, MAX_FILE)
    _check_media(path, "video_unreadable")
    facts: dict[str, Any] = {}
    try:
        reader = imageio_ffmpeg.read_frames(
            str(path.resolve()), input_params=["-format_whitelist", CONTAINERS, "-protocol_whitelist", "file"]
        )
        facts = next(reader)
        reader.close()
    except (RuntimeError, OSError, StopIteration, ValueError, IndexError, KeyError) as error:
        raise UserError("video_unreadable", name=path.name) from error
    width, height = facts["source_size"]
    turned = abs(int(facts.get("rotate", 0) or 0)) % 180 == 90
    if turned:
        width, height = height, width
    seconds = float(facts.get("duration", 0) or 0)
    if not (width > 0 and height > 0 and math.isfinite(seconds) and seconds > 0):
        raise UserError("video_unreadable", name=path.name)
    if width * height > MAX_PIXELS:
        raise UserError(
            "image_too_large",
            name=path.name,
            width=width,
            height=height,
            limit=MAX_PIXELS // 1_000_000,
        )
    if seconds > MAX_CLIP_SECONDS:
        raise UserError("video_long", limit=MAX_CLIP_SECONDS)
    return Clip(path, *fitted(width, height), seconds)


def read_clip(clip: Clip) -> Iterator[np.ndarray]:
    """The frames (H, W, 3) uint8 of a clip at exactly 25 fps, one after another.

    Raises UserError("video_unreadable") where not one comes.
    """
    ask = (
        _input(clip.path, an=None, t=MAX_CLIP_SECONDS)
        .filter("fps", fps=FPS)
        .filter("scale", clip.width, clip.height)
        .output("pipe:", format="rawvideo", pix_fmt="rgb24")
    )
    size = clip.width * clip.height * 3
    with subprocess.Popen(
        _arguments(ask), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        timer = threading.Timer(DEADLINE, process.kill)
        timer.start()
        count = 0
        try:
            assert process.stdout is not None
            while len(data := process.stdout.read(size)) == size:
                yield np.frombuffer(data, np.uint8).reshape(clip.height, clip.width, 3)
                count += 1
        finally:
            timer.cancel()
            process.kill()
    if not count:
        raise UserError("video_unreadable", name=clip.path.name)


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
        return _arguments(ffmpeg.output(picture, *streams[1:], str(self._partial), **options))

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


def write_sound(path: Path, samples: np.ndarray, count: int | None = None) -> Path:
    """Samples (N,) at 16 kHz in [-1, 1] as a wav, cut or filled with silence to `count` frames if given."""
    wanted = len(samples) if count is None else count * RATE // FPS
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        for start in range(0, wanted, PIECE):
            piece = samples[start : min(start + PIECE, wanted)]
            file.writeframes(np.round(np.clip(piece, -1, 1) * 32767).astype("<i2").tobytes())
        file.writeframes(bytes(2 * max(0, wanted - len(samples))))
    return path


def _input(path: Path, **options: Any) -> Any:
    import ffmpeg

    return ffmpeg.input(
        str(path.resolve()), format_whitelist=CONTAINERS, protocol_whitelist="file", **options
    )


def _arguments(ask: Any) -> list[str]:
    quiet = ["-hide_banner", "-loglevel", "error", "-nostdin", "-y"]
    compiled: list[str] = ask.compile(cmd=binary())
    return [compiled[0], *quiet, *compiled[1:]]


def _run(ask: Any, key: str, name: str) -> bytes:
    try:
        done = subprocess.run(
            _arguments(ask), stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise UserError(key, name=name) from error
    if done.returncode or not done.stdout:
        raise UserError(key, name=name)
    return done.stdout


def _check_media(path: Path, key: str) -> None:
    """Raises UserError(key) for what no container of ours begins with: a playlist, a text, a script."""
    with path.open("rb") as file:
        head = file.read(64)
    known = (
        head[:4] in (b"RIFF", b"fLaC", b"OggS", b"FORM", b"caff", b"riff", b".snd", b"\x1aE\xdf\xa3", b"RF64")
        or head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
        or head[:3] == b"ID3"
        or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0)  # MPEG audio and ADTS
        or head[:5] == b"#!AMR"
    )
    if not known:
        raise UserError(key, name=path.name)
