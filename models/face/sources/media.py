"""Sound, pictures and clips in and out, by ffmpeg; every file is hostile until it is parsed.

ffmpeg is imageio-ffmpeg's bundled binary, called through ffmpeg-python with
lists of arguments and no shell. It may read only the containers named here and
only files: no playlist, no network.
"""

import contextlib
import itertools
import re
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
from models.core.image_io import read_picture
from models.core.notes import Note, note
from models.core.upload_validation import MEGABYTE, check_file
from models.face import FPS, RATE

# "mov" reads mp4, "matroska" webm, "mpegts" what cameras and televisions record.
CONTAINERS = "wav,mp3,flac,ogg,aac,mov,matroska,aiff,amr,caf,w64,au,avi,mpegts,mpeg,asf,flv"
_SAFE = ("-format_whitelist", CONTAINERS, "-protocol_whitelist", "file")
MAX_PIXELS = 40_000_000  # of a film's frame: 8K has 33
MAX_FILE = 200 * MEGABYTE
MAX_SECONDS = 15 * 60  # of a sound
MAX_CLIP_SECONDS = 120
MAX_SIDE = 1280  # what a portrait or clip is scaled to
SOUND_OUT = 48_000  # AAC's frames are 21 ms there, so that a file lasts as long as its frames
PIECE = 60 * RATE  # samples that are written at once
DEADLINE = 120.0  # seconds that reading may take
SILENT = 10 ** (-60 / 20)  # peak of a recording in which nothing is heard
CANCELS = 0.1  # share of the better channel's power that a mix must keep
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


@dataclass(frozen=True)
class Sound:
    """Samples (N,) float32 at 16 kHz, mono, in [-1, 1]; and what was made of the recording."""

    samples: np.ndarray
    notes: tuple[Note, ...] = ()


def read_sound(path: Path, limit: float = MAX_SECONDS) -> np.ndarray:
    """The samples of `hear`. Raises as it does."""
    return hear(path, limit).samples


def hear(path: Path, limit: float = MAX_SECONDS) -> Sound:
    """The sound of any audio or video file: its channels together, or the better one.

    Channels that cancel each other (a plug of the wrong polarity) or of which one is silent aren't mixed;
    what is louder than full scale is made quieter, not cut off.
    Raises UserError: sound_unreadable, sound_long, sound_short, ffmpeg_missing, and those of check_file.
    """
    check_file(path, MAX_FILE)
    written = _written(path)
    channels = _decoded(path, limit) if written is None else written[:, None]
    if len(channels) > limit * RATE:
        raise UserError("sound_long", limit=round(limit / 60))
    if len(channels) < RATE / FPS:
        raise UserError("sound_short")
    notes: list[Note] = []
    samples = _mixed(channels, notes)
    peak = float(np.abs(samples).max(initial=0))
    if peak > 1:
        samples = samples / np.float32(peak)
        notes.append(note("sound_loud"))
    if peak < SILENT:
        notes.append(note("sound_silent"))
    return Sound(np.ascontiguousarray(samples, np.float32), tuple(notes))


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
    except (wave.Error, EOFError, RuntimeError):  # the last for a chunk that ends behind the file
        return None
    return np.frombuffer(data, "<i2", len(data) // 2).astype(np.float32) / 32767


def _decoded(path: Path, limit: float) -> np.ndarray:
    """(N, C) samples of the first sound of any file, by ffmpeg."""
    _check_media(path, "sound_unreadable")
    # More channels than two become two by ffmpeg's own matrix; one stays one.
    ask = (
        _input(path, vn=None, t=limit + 1)
        .filter("aresample", RATE)
        .filter("aformat", channel_layouts="mono|stereo", sample_fmts="flt")
        .output("pipe:", format="wav", acodec="pcm_f32le", map_metadata="-1", fflags="+bitexact")
    )
    data = _run(ask, "sound_unreadable", path.name)
    channels = _channels(data)
    if not len(channels):
        raise UserError("sound_unreadable", name=path.name)
    return channels


def _channels(data: bytes) -> np.ndarray:
    """(N, C) samples of a float wav that was written to a pipe, whose sizes are not known."""
    place = data.find(b"data", 12)
    if place < 0:
        return np.empty((0, 1), np.float32)
    count = max(1, int.from_bytes(data[22:24], "little"))
    body = memoryview(data)[place + 8 :]
    values = np.frombuffer(body, np.float32, len(body) // 4 // count * count)
    return np.nan_to_num(values, posinf=0, neginf=0).reshape(-1, count)


def _mixed(channels: np.ndarray, notes: list[Note]) -> np.ndarray:
    """(N,) of the channels (N, C): their mean, or the louder one where the mean loses what is in it."""
    if channels.shape[1] == 1:
        return channels[:, 0]
    mean = channels.mean(axis=1)
    power = np.square(channels, dtype=np.float64).mean(axis=0)
    best = int(power.argmax())
    lost = float(np.square(mean, dtype=np.float64).mean()) < CANCELS * float(power[best])
    if power[best] > 0 and lost:
        notes.append(note("sound_channel", number=best + 1))
        return channels[:, best]
    return mean


def read_portrait(path: Path) -> np.ndarray:
    """A portrait (H, W, 3) uint8, as `told_portrait` gives it."""
    return told_portrait(path)[0]


def told_portrait(path: Path) -> tuple[np.ndarray, tuple[Note, ...]]:
    """A portrait (H, W, 3) uint8, turned as its camera says, at most MAX_SIDE on the long side, sides even;
    and what was made of its file.

    Raises as `models.core.image_io.read_picture` does.
    """
    picture = read_picture(path, MAX_SIDE)
    image, size = picture.image, fitted(*picture.image.size)
    image = image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)
    return np.asarray(image).copy(), picture.notes


def fitted(width: int, height: int) -> tuple[int, int]:
    """Width and height scaled to at most MAX_SIDE, and even, as H.264 wants them."""
    scale = min(1.0, MAX_SIDE / max(width, height))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


@dataclass(frozen=True)
class Clip:
    """What is known of a video file: its size in pixels as it is shown, after scaling, and seconds.

    playable: whether browsers play the file as it is. bright: HDR, to be tone-mapped. notes: what was made
    of it.
    """

    path: Path
    width: int
    height: int
    seconds: float
    playable: bool = True
    bright: bool = False
    notes: tuple[Note, ...] = ()


def open_clip(path: Path) -> Clip:
    """A video file, looked at: its first frame is decoded, and its length measured, since headers lie.

    Raises UserError: video_unreadable, video_only_sound, video_long,
    image_too_large, ffmpeg_missing, and those of check_file.
    """
    check_file(path, MAX_FILE)
    _check_media(path, "video_unreadable")
    said = _said(path)
    video = next(
        (line for line in said.splitlines() if " Video: " in line and "(attached pic)" not in line), ""
    )
    if not video:
        key = "video_only_sound" if " Audio: " in said else "video_unreadable"
        raise UserError(key, name=path.name)
    sides = re.search(r"[ ,](\d{1,5})x(\d{1,5})[ ,\n]", video + " ")
    if sides and int(sides[1]) * int(sides[2]) > MAX_PIXELS:
        raise UserError(
            "image_too_large",
            name=path.name,
            width=int(sides[1]),
            height=int(sides[2]),
            limit=MAX_PIXELS // 1_000_000,
        )
    bright = any(word in video for word in ("smpte2084", "arib-std-b67"))
    seconds = _length(path, said)
    if seconds > MAX_CLIP_SECONDS:
        raise UserError("video_long", limit=MAX_CLIP_SECONDS)
    first = _run(
        _upright(path, bright).output("pipe:", format="image2pipe", vcodec="ppm", vframes=1),
        "video_unreadable",
        path.name,
    )
    header = re.match(rb"P6\s+(\d+)\s+(\d+)\s", first)
    if header is None or seconds <= 0:
        raise UserError("video_unreadable", name=path.name)
    notes = []
    if bright:
        notes.append(note("video_hdr"))
    playable = bool(re.search(r"Video: (h264|vp8|vp9|av1)\b", video)) and "yuv420p" in video and not bright
    playable = playable and path.suffix.lower() in (".mp4", ".m4v", ".mov", ".webm")
    if not playable:
        notes.append(note("video_preview"))
    return Clip(path, int(header[1]), int(header[2]), seconds, playable, bright, tuple(notes))


def _said(path: Path) -> str:
    """What ffmpeg tells of a file."""
    ask = [binary(), "-hide_banner", "-nostdin", *_SAFE, "-i", str(path.resolve())]
    try:
        done = subprocess.run(
            ask, stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise UserError("video_unreadable", name=path.name) from error
    return done.stderr[-200_000:].decode("utf-8", "replace")


def _length(path: Path, said: str) -> float:
    """Seconds of the picture, by what the header says where its packets agree, else by decoding.

    A recording by a browser tells none, and a file that was cut short tells what it had.
    """
    told = re.search(r"Duration: (\d+):(\d+):(\d+(?:\.\d+)?)", said)
    header = 3600 * int(told[1]) + 60 * int(told[2]) + float(told[3]) if told else 0.0
    if header and abs(header - _passed_over(path, copy=True)) < 0.5:
        return header
    return _passed_over(path, copy=False)


def _passed_over(path: Path, copy: bool) -> float:
    """Seconds of picture that ffmpeg finds. copy: by the packets' times alone, short by some frames."""
    ask = [
        binary(),
        "-hide_banner",
        "-loglevel",
        "error",
        "-nostdin",
        *_SAFE,
        "-t",
        str(MAX_CLIP_SECONDS + 5),
    ]
    ask += ["-i", str(path.resolve()), "-map", "0:V:0", *(("-c", "copy") if copy else ())]
    ask += ["-f", "null", "-progress", "pipe:1", "-"]
    try:
        done = subprocess.run(
            ask, stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise UserError("video_unreadable", name=path.name) from error
    times = re.findall(rb"out_time_us=(\d+)", done.stdout)
    return int(times[-1]) / 1e6 if times else 0.0


def _upright(path: Path, bright: bool, **options: Any) -> Any:
    """A film's picture as a person is shown it: ffmpeg turns it by its display matrix before any filter;
    fields become frames, HDR becomes BT.709, and pixels square.
    """
    picture = _input(path, an=None, **options)["V:0"].filter("bwdif", mode="send_frame", deint="interlaced")
    if bright:
        picture = (
            picture.filter("zscale", t="linear", npl=203)
            .filter("format", "gbrpf32le")
            .filter("zscale", p="bt709")
            .filter("tonemap", "mobius", desat=0)
            .filter("zscale", t="bt709", m="bt709", r="tv")
        )
    side = MAX_SIDE
    longest = f"min(1,{side}/max(iw*max(sar,0.0001),ih))"
    width, height = f"max(2,2*round(iw*max(sar,0.0001)*{longest}/2))", f"max(2,2*round(ih*{longest}/2))"
    return picture.filter("scale", width, height).filter("setsar", 1).filter("format", "rgb24")


def read_clip(clip: Clip) -> Iterator[np.ndarray]:
    """The frames (H, W, 3) uint8 of a clip at exactly 25 fps, one after another.

    Raises UserError("video_unreadable") where not one comes.
    """
    ask = (
        _upright(clip.path, clip.bright, t=MAX_CLIP_SECONDS)
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


def write_preview(clip: Clip, path: Path, seconds: float = 2.0) -> Path:
    """The first seconds of a clip as a film that every browser plays. Raises as reader and writer do."""
    frames = list(itertools.islice(read_clip(clip), max(1, round(seconds * FPS))))
    with ClipWriter(path, (clip.height, clip.width), len(frames)) as writer:
        for frame in frames:
            writer.write(frame)
    return path


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
    with path.open("wb") as raw, wave.open(raw, "wb") as file:
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
        or (head[0:1] == b"G" and len(head) > 4 and path.suffix.lower() in (".ts", ".mts", ".m2ts"))
        or head[4:5] == b"G"  # M2TS
        or head[:4] in (b"\x00\x00\x01\xba", b"\x30\x26\xb2\x75", b"FLV\x01")
    )
    if not known:
        raise UserError(key, name=path.name)
