"""A HEIC made by a test: one HEVC picture of ffmpeg's in the boxes of ISO/IEC 23008-12."""

import struct
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from models.core.ffmpeg_calls import binary


def heic(pixels: np.ndarray, turns: int = 0) -> bytes:
    """The file of a picture (H, W, 3) uint8 with even sides. turns: quarter turns against the clock."""
    height, width = pixels.shape[:2]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.mp4"
        size = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-i", "pipe:"]
        code = ["-frames:v", "1", "-c:v", "libx265", "-x265-params", "log-level=none:crf=8", "-tag:v", "hvc1"]
        ask = [binary(), "-loglevel", "error", *size, *code, "-pix_fmt", "yuv420p", str(path)]
        subprocess.run(ask, input=pixels.tobytes(), check=True)
        film = path.read_bytes()
    at = film.index(b"hvcC")
    config = film[at - 4 : at - 4 + struct.unpack(">I", film[at - 4 : at])[0]]
    place = film.index(b"mdat")
    picture = film[place + 4 : place - 4 + struct.unpack(">I", film[place - 4 : place])[0]]

    kind = box(b"ftyp", b"heic" + bytes(4) + b"mif1heic")
    item = box(b"infe", struct.pack(">IHH4s", 2 << 24, 1, 0, b"hvc1") + b"\0")
    properties = [config, box(b"ispe", struct.pack(">III", 0, width, height))]
    properties += [box(b"irot", bytes([turns]))] if turns else []
    listed = bytes(range(1, len(properties) + 1))
    associated = struct.pack(">IIHB", 0, 1, 1, len(listed)) + bytes([listed[0] | 0x80]) + listed[1:]

    def meta(offset: int) -> bytes:
        parts = [
            box(b"hdlr", bytes(8) + b"pict" + bytes(13)),
            box(b"pitm", bytes(4) + struct.pack(">H", 1)),
            box(b"iinf", bytes(4) + struct.pack(">H", 1) + item),
            box(b"iprp", box(b"ipco", b"".join(properties)) + box(b"ipma", associated)),
            box(
                b"iloc",
                bytes(4) + b"\x44\0" + struct.pack(">HHHHII", 1, 1, 0, 1, offset, len(picture)),
            ),
        ]
        return box(b"meta", bytes(4) + b"".join(parts))

    return kind + meta(len(kind) + len(meta(0)) + 8) + box(b"mdat", picture)


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), name) + body
