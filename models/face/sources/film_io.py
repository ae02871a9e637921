"""Films in: upright, square pixels, 25 fps, BT.709, by ffmpeg; lengths are measured, since headers lie."""

import re
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.core.errors import UserError
from models.core.ffmpeg_calls import (
    DEADLINE,
    MAX_FILE,
    SAFE,
    arguments,
    binary,
    check_media,
    opened,
    run,
    told,
)
from models.core.notes import Note, note
from models.core.upload_validation import check_file
from models.face import FPS
from models.face.sources.portrait_io import MAX_SIDE

MAX_PIXELS = 40_000_000  # of a film's frame: 8K has 33
MAX_CLIP_SECONDS = 120


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
    check_media(path, "video_unreadable")
    said = told(path, "video_unreadable")
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
    first = run(
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
    eight_bit = re.search(r"\byuv420p\b", video)
    playable = bool(re.search(r"Video: (h264|vp8|vp9|av1)\b", video) and eight_bit) and not bright
    playable = playable and path.suffix.lower() in (".mp4", ".m4v", ".mov", ".webm")
    if not playable:
        notes.append(note("video_preview"))
    return Clip(path, int(header[1]), int(header[2]), seconds, playable, bright, tuple(notes))


def _length(path: Path, said: str) -> float:
    """Seconds of the picture, by what the header says where its packets agree, else by decoding.

    A recording by a browser tells none, and a file that was cut short tells what it had.
    """
    stated = re.search(r"Duration: (\d+):(\d+):(\d+(?:\.\d+)?)", said)
    header = 3600 * int(stated[1]) + 60 * int(stated[2]) + float(stated[3]) if stated else 0.0
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
        *SAFE,
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
    picture = opened(path, an=None, **options)["V:0"].filter("bwdif", mode="send_frame", deint="interlaced")
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
        arguments(ask), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
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
