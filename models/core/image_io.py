"""The one place that decides how a picture of a visitor becomes 8-bit RGB; checked before it is decoded.

What the pixels mean is decided here and nowhere else: orientation (EXIF, mirrored ones too), what is
transparent (laid on white), depth and range (16 bit, float), the first picture of an animation.
"""

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from models.core.errors import UserError
from models.core.notes import Note, note
from models.core.upload_validation import MEGABYTE, check_file

MAX_FILE = 60 * MEGABYTE  # a JPEG of 48 megapixels has 25
MAX_PIXELS = 64_000_000
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "AVIF", "HEIF")
ANIMATED = ("GIF", "PNG", "WEBP", "TIFF", "AVIF")  # the others' second pictures are depth or gain maps
CLEAR = 250  # alpha below which a pixel lets something through
# What other files begin with: (place, bytes, name).
_OTHERS = (
    (0, b"%PDF", "PDF"),
    (0, b"8BPS", "Photoshop file"),
    (0, b"PK\x03\x04", "ZIP"),
    (0, b"\x1f\x8b", "gzip file"),
    (0, b"Rar!", "RAR"),
    (0, b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"\x00\x00\x01\x00", "ICO"),
    (0, b"\x1aE\xdf\xa3", "film"),
    (0, b"RIFF....AVI ", "film"),
    (0, b"RIFF....WAVE", "sound"),
    (0, b"ID3", "sound"),
    (0, b"OggS", "sound"),
    (0, b"fLaC", "sound"),
    (0, b"\x76\x2f\x31\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (0, b"\x93NUMPY", "NumPy file"),
    (0, b"\x89HDF", "HDF5 file"),
    (128, b"DICM", "DICOM file"),
    (4, b"ftypcrx", "raw photograph"),
    (0, b"FUJIFILMCCD", "raw photograph"),
    (4, b"ftyp", "film"),
    (4, b"moov", "film"),
)


@dataclass(frozen=True)
class Picture:
    """A picture that was read. image: 8-bit RGB, upright. notes: what was made of the file."""

    image: Image.Image
    notes: tuple[Note, ...] = ()


def read_image(path: Path, mode: str) -> Image.Image:
    """An image file in an 8-bit Pillow mode ("RGB", "L"). Raises as `read_picture` does."""
    return read_picture(path).image.convert(mode)


def read_picture(path: Path, side: int | None = None) -> Picture:
    """A picture in 8-bit RGB, of at most MAX_PIXELS; no metadata is kept.

    side: pixels that the longer side is wanted to have at least; a large JPEG is decoded smaller, which
    saves a phone's 48 megapixels.
    Raises UserError: file_missing, file_empty, file_too_big, image_too_large, image_kind, image_unreadable.
    """
    with opened(path) as image:
        notes = []
        if image.format in ANIMATED and (count := getattr(image, "n_frames", 1)) > 1:
            notes.append(note("first_of", name=path.name, count=count))
        if side and image.format in ("JPEG", "MPO") and image.mode in ("RGB", "L"):
            shrink = side / max(image.size)
            image.draft(image.mode, (max(1, int(image.width * shrink)), max(1, int(image.height * shrink))))
        upright = ImageOps.exif_transpose(image)
        if upright.mode == "F" or upright.mode.startswith("I"):
            values, depth = eight_bits(np.asarray(upright))
            notes.append(note("deep", name=path.name, depth=depth))
            return Picture(Image.fromarray(values).convert("RGB"), tuple(notes))
        if upright.has_transparency_data:
            see_through = upright.convert("RGBA")
            if np.asarray(see_through.getchannel("A")).min() < CLEAR:
                notes.append(note("transparent", name=path.name))
            white = Image.new("RGBA", see_through.size, "white")
            return Picture(Image.alpha_composite(white, see_through).convert("RGB"), tuple(notes))
        return Picture(upright.convert("RGB"), tuple(notes))


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """A picture file as Pillow has it, its kind and size checked; what fails inside is told as unreadable.

    Raises as `read_picture` does.
    """
    check_file(path, MAX_FILE)
    _register()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the cap of ours is lower
            # From memory: of a file, a chunk that claims 4 GiB would be given 4 GiB to be read into.
            with Image.open(io.BytesIO(path.read_bytes()), formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise UserError(
                        "image_too_large",
                        name=path.name,
                        width=image.width,
                        height=image.height,
                        limit=MAX_PIXELS // 1_000_000,
                    )
                yield image
    except UserError:
        raise
    except Image.DecompressionBombError:
        raise UserError(
            "image_too_large", name=path.name, width="?", height="?", limit=MAX_PIXELS // 1_000_000
        ) from None
    except (
        UnidentifiedImageError,
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        LookupError,
        TypeError,
        RuntimeError,  # AVIF's decoder
        struct.error,
    ):
        if found := other_kind(path):
            raise UserError("image_kind", name=path.name, kind=found) from None
        raise UserError("image_unreadable", name=path.name) from None


@cache
def _register() -> None:
    """Teach Pillow HEIC, which phones write. AVIF it reads itself."""
    from pi_heif import register_heif_opener

    register_heif_opener(thumbnails=False)


def other_kind(path: Path) -> str:
    """The kind of a file that no picture is expected to be, by its first bytes; "" where it isn't known."""
    with path.open("rb") as file:
        head = file.read(4096)
    for place, magic, name in _OTHERS:
        part = head[place : place + len(magic)]
        if len(part) == len(magic) and all(a == b or b == 0x2E for a, b in zip(part, magic, strict=True)):
            return name
    if b"<svg" in head[:1024].lower():
        return "SVG"
    return "web page" if b"<html" in head[:1024].lower() else ""


def eight_bits(values: NDArray) -> tuple[NDArray[np.uint8], str]:
    """Values (H, W) of any depth scaled to 0 to 255, and the depth that they were taken to have.

    Whole numbers are taken to fill 8, 10, 12, 14, 16 or more bits, the least that hold the largest; floats
    reach from 0 to 1 or to 255, and any others are scaled by their own range.
    """
    if values.dtype.kind == "f":
        known = np.nan_to_num(values.astype(np.float64), nan=0, posinf=0, neginf=0)
        low, high = float(known.min()), float(known.max())
        if low < 0 or high > 255:
            return _scaled(known, low, high), "float"
        return _scaled(known, 0, 1 if high <= 1 else 255), "float"
    known = values.astype(np.int64)
    low, high = int(known.min()), int(known.max())
    if low < 0:
        return _scaled(known, low, high), "32 bit"
    bits = next(bits for bits in (8, 10, 12, 14, 16, 24, 32) if high < 2**bits)
    return _scaled(known, 0, 2**bits - 1), f"{bits} bit"


def _scaled(values: NDArray, low: float, high: float) -> NDArray[np.uint8]:
    share = (values - low) / max(high - low, 1e-12)
    return np.clip(np.rint(share * 255), 0, 255).astype(np.uint8)
