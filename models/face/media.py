"""Sound and moving pictures in and out, through the ffmpeg that imageio-ffmpeg carries.

A clip here is 16 kHz mono and 25 frames a second. A file is hostile until parsed: its
first bytes choose the one demuxer that may read it, ffmpeg may open nothing but that
file, and length, pixels and time are bounded.
"""

import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, Any

import ffmpeg
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from scipy.io import wavfile

from models.core.errors import UserError
from models.core.guards import check_file

Sound = NDArray[np.float32]
Frame = NDArray[np.uint8]

RATE = 16_000
FPS = 25
MAX_SECONDS = 600
MAX_VIDEO_SECONDS = 120
MAX_VIDEO_PIXELS = 3840 * 2160
MAX_PIXELS = 24_000_000
LONG_SIDE = 1280  # a video's frames are scaled down to this
DEADLINE = 180.0  # seconds that ffmpeg may take for one file
MARK = "AI-generated"

_SOUND = "wav,mp3,aac,ogg,flac,mov,matroska,aiff,caf,amr,avi"
_EBML = b"\x1aE\xdf\xa3"


@cache
def ffmpeg_path() -> str:
    """The ffmpeg to run. Raises UserError("ffmpeg_missing")."""
    import imageio_ffmpeg

    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:
        raise UserError("ffmpeg_missing") from None


def demuxer(path: Path) -> str | None:
    """ffmpeg's name for the container that a file's first bytes announce, None for anything else."""
    with path.open("rb") as file:
        head = file.read(16)
    if head[:4] == b"RIFF":
        return {b"WAVE": "wav", b"AVI ": "avi"}.get(head[8:12])
    if head[4:8] == b"ftyp":
        return "mov"
    if head[:3] == b"ID3":
        return "mp3"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        return "aac" if head[1] & 0xF6 == 0xF0 else "mp3"
    starts = {
        b"OggS": "ogg",
        b"fLaC": "flac",
        b"FORM": "aiff",
        b"caff": "caf",
        b"#!AM": "amr",
        _EBML: "matroska",
    }
    return starts.get(head[:4])


def read_sound(path: Path, rate: int = RATE) -> Sound:
    """(S,) samples in [-1, 1], mono, of any sound file or of a video's sound, at most MAX_SECONDS.

    Raises UserError: those of check_file, sound_type, sound_broken, sound_long, sound_short, ffmpeg_missing,
    media_slow.
    """
    stream = _opened(path, "sound_type", MAX_SECONDS + 1)
    wanted = stream.audio.output("pipe:", format="f32le", acodec="pcm_f32le", ac=1, ar=rate)
    try:
        done = subprocess.run(
            _command(wanted), capture_output=True, timeout=DEADLINE, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise UserError("media_slow", name=path.name, seconds=round(DEADLINE)) from None
    sound = np.frombuffer(done.stdout[: len(done.stdout) // 4 * 4], "<f4")
    if not len(sound):
        raise UserError("sound_broken", name=path.name)
    if len(sound) > MAX_SECONDS * rate:
        raise UserError("sound_long", name=path.name, minutes=MAX_SECONDS // 60)
    if len(sound) < rate // 5:
        raise UserError("sound_short", name=path.name)
    return np.clip(np.nan_to_num(sound), -1, 1)


def read_frames(path: Path) -> Iterator[Frame]:
    """Frames (H, W, 3) of a video at exactly 25 a second, one at a time, the long side at most LONG_SIDE.

    Raises UserError: those of check_file, video_type, video_broken (no picture in it), video_long,
    ffmpeg_missing, media_slow.
    """
    stream = _opened(path, "video_type", MAX_VIDEO_SECONDS + 1)
    size = {
        "w": f"min({LONG_SIDE},iw)",
        "h": f"min({LONG_SIDE},ih)",
        "force_original_aspect_ratio": "decrease",
    }
    moving = stream.video.filter("fps", fps=FPS).filter("scale", **size)
    with _running(moving.output("pipe:", format="image2pipe", vcodec="ppm"), path.name) as process:
        assert process.stdout is not None
        count = 0
        while (frame := _ppm(process.stdout)) is not None:
            count += 1
            if count > MAX_VIDEO_SECONDS * FPS:
                raise UserError("video_long", name=path.name, seconds=MAX_VIDEO_SECONDS)
            yield frame
    if not count:
        raise UserError("video_broken", name=path.name)


def read_picture(path: Path) -> Frame:
    """(H, W, 3) of a PNG, JPEG or WebP, turned as its camera says; nothing else of its metadata is kept.

    Raises UserError: those of check_file, portrait_type, portrait_large.
    """
    check_file(path)
    try:
        with Image.open(path, formats=("PNG", "JPEG", "WEBP")) as image:
            if image.width * image.height > MAX_PIXELS:
                megapixels = round(image.width * image.height / 1e6)
                limit = MAX_PIXELS // 1_000_000
                raise UserError("portrait_large", name=path.name, megapixels=megapixels, limit=limit)
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB")).copy()
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise UserError("portrait_type", name=path.name) from None


def frame_count(sound: Sound, rate: int = RATE) -> int:
    """Frames of a video that is as long as the sound, at least one."""
    return max(1, round(len(sound) * FPS / rate))


def write_video(
    path: Path, frames: Iterable[Frame], sound: Sound, rate: int = RATE
) -> Iterator[tuple[int, Frame]]:
    """H.264 and AAC in an mp4 of exactly frame_count(sound) frames, marked as AI-generated.

    A generator: it gives the number written so far and the frame, and the file is there when it is exhausted.
    frames: as many, or more, of one size; an odd side is padded by a pixel. Nothing half-written stays.
    Raises UserError: ffmpeg_missing, video_unwritten. ValueError where there are too few frames.
    """
    wanted = frame_count(sound, rate)
    samples = np.zeros(round(wanted * rate / FPS), np.float32)
    samples[: min(len(sound), len(samples))] = sound[: len(samples)]
    partial = path.with_name(f".{path.name}.part.mp4")
    try:
        with tempfile.TemporaryDirectory() as folder:
            track = Path(folder) / "sound.wav"
            wavfile.write(track, rate, (np.clip(samples, -1, 1) * 32767).astype(np.int16))
            yield from _encoded(partial, iter(frames), wanted, track)
        partial.replace(path)
    except OSError:
        raise UserError("video_unwritten") from None
    finally:
        partial.unlink(missing_ok=True)


def _encoded(path: Path, frames: Iterator[Frame], wanted: int, track: Path) -> Iterator[tuple[int, Frame]]:
    process: subprocess.Popen[bytes] | None = None
    try:
        for count in range(wanted):
            frame = next(frames, None)
            if frame is None:
                raise ValueError(f"{count} frames of {wanted}")
            process = process or subprocess.Popen(
                _command(_mp4(path, frame.shape[1], frame.shape[0], track), "-y"),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            assert process.stdin is not None
            process.stdin.write(np.ascontiguousarray(frame).tobytes())
            yield count + 1, frame
        assert process is not None and process.stdin is not None
        process.stdin.close()
        if process.wait(DEADLINE) != 0:
            raise UserError("video_unwritten")
    except subprocess.TimeoutExpired:
        raise UserError("video_unwritten") from None
    finally:
        if process is not None:
            process.kill()
            process.wait()


def _mp4(path: Path, width: int, height: int, track: Path) -> Any:
    picture = ffmpeg.input("pipe:", format="rawvideo", pix_fmt="rgb24", s=f"{width}x{height}", r=FPS)
    return ffmpeg.output(
        picture.filter("pad", w="ceil(iw/2)*2", h="ceil(ih/2)*2"),
        ffmpeg.input(str(track)).audio,
        str(path.resolve()),
        **{"metadata": f"comment={MARK}", "b:a": "128k", "movflags": "+faststart"},
        vcodec="libx264",
        acodec="aac",
        ar=48_000,
        pix_fmt="yuv420p",
        preset="veryfast",
        crf=18,
        r=FPS,
    )


def _opened(path: Path, refusal: str, seconds: int) -> Any:
    """ffmpeg-python's input of a file that may be read, at most `seconds` of it."""
    check_file(path)
    container = demuxer(path)
    if container is None:
        raise UserError(refusal, name=path.name)
    return ffmpeg.input(
        f"file:{path.resolve()}",
        format=container,
        format_whitelist=_SOUND,
        protocol_whitelist="file,pipe",
        max_pixels=MAX_VIDEO_PIXELS,
        t=seconds,
    )


def _command(output: Any, *more: str) -> list[str]:
    return [ffmpeg_path(), "-nostdin", "-loglevel", "error", *more, *output.get_args()]


@contextmanager
def _running(output: Any, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """A running ffmpeg that is killed at its deadline and when its reader goes away."""
    process = subprocess.Popen(
        _command(output), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    late = threading.Event()

    def stop() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(DEADLINE, stop)
    timer.start()
    try:
        yield process
        if late.is_set():
            raise UserError("media_slow", name=name, seconds=round(DEADLINE))
    finally:
        timer.cancel()
        process.kill()
        process.wait()


def _ppm(pipe: IO[bytes]) -> Frame | None:
    """The next binary PPM of a stream as (H, W, 3), None at its end."""
    if pipe.readline() != b"P6\n":
        return None
    width, height = map(int, pipe.readline().split())
    pipe.readline()
    data = pipe.read(width * height * 3)
    if len(data) < width * height * 3:
        return None
    return np.frombuffer(data, np.uint8).reshape(height, width, 3)
