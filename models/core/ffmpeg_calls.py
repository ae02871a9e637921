"""ffmpeg, asked safely: every file is hostile until it is parsed.

It is imageio-ffmpeg's bundled binary, called through ffmpeg-python with
lists of arguments and no shell. It may read only the containers named here and
only files: no playlist, no network.
"""

import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from models.core.errors import UserError
from models.core.upload_validation import MEGABYTE

# "mov" reads mp4, "matroska" webm, "mpegts" what cameras and televisions record.
CONTAINERS = "wav,mp3,flac,ogg,aac,mov,matroska,aiff,amr,caf,w64,au,avi,mpegts,mpeg,asf,flv"
SAFE = ("-format_whitelist", CONTAINERS, "-protocol_whitelist", "file")
MAX_FILE = 200 * MEGABYTE
DEADLINE = 120.0  # seconds that reading may take


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


def opened(path: Path, **options: Any) -> Any:
    """A file as the input of a call, for ffmpeg-python; options: ffmpeg's own, of an input."""
    import ffmpeg

    return ffmpeg.input(
        str(path.resolve()), format_whitelist=CONTAINERS, protocol_whitelist="file", **options
    )


def arguments(ask: Any) -> list[str]:
    """The command line of a call."""
    quiet = ["-hide_banner", "-loglevel", "error", "-nostdin", "-y"]
    compiled: list[str] = ask.compile(cmd=binary())
    return [compiled[0], *quiet, *compiled[1:]]


def run(ask: Any, key: str, name: str) -> bytes:
    """What a call writes to its pipe. Raises UserError(key, name) where it fails, or gives nothing."""
    try:
        done = subprocess.run(
            arguments(ask), stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise UserError(key, name=name) from error
    if done.returncode or not done.stdout:
        raise UserError(key, name=name)
    return done.stdout


def told(path: Path, key: str) -> str:
    """What ffmpeg tells of a file. Raises UserError(key) where that takes too long."""
    ask = [binary(), "-hide_banner", "-nostdin", *SAFE, "-i", str(path.resolve())]
    try:
        done = subprocess.run(
            ask, stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise UserError(key, name=path.name) from error
    return done.stderr[-200_000:].decode("utf-8", "replace")


def still(path: Path, height: int) -> bytes:
    """The first picture of a film, scaled, as a JPEG. Raises UserError: video_unreadable, ffmpeg_missing."""
    picture = opened(path).filter("scale", -2, height)
    ask = picture.output("pipe:", format="image2pipe", vcodec="mjpeg", vframes=1, **{"q:v": 4})
    return run(ask, "video_unreadable", path.name)


def check_media(path: Path, key: str) -> None:
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
