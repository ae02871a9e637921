"""What the readers of PLY, OBJ and GLB share: the mesh they give, caps, polygons, colours, textures."""

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.core.errors import UserError

MAX_VERTICES = 3_000_000
MAX_FACES = 6_000_000
MAX_PIXELS = 8192 * 8192
GREY = 160
_FORMATS = ("JPEG", "PNG", "WEBP")


@dataclass(frozen=True)
class Mesh:
    """What a file holds, before anyone asks whether it makes sense as a room.

    vertices: (N, 3) float64, as they stand in the file: may hold NaN.
    colours: (N, 3) uint8, or None where the file has none.
    faces: (M, 3) int64, each below N.
    labels: (N,) int64, ScanNet's `label` property, or None.
    """

    vertices: NDArray[np.float64]
    colours: NDArray[np.uint8] | None
    faces: NDArray[np.int64]
    labels: NDArray[np.int64] | None = None


def check_counts(name: str, vertices: int, faces: int) -> None:
    """Raises UserError: scan_empty, scan_too_many. faces: counted as triangles."""
    if vertices == 0:
        raise UserError("scan_empty", name=name)
    for count, limit in ((vertices, MAX_VERTICES), (faces, MAX_FACES)):
        if count > limit:
            raise UserError("scan_too_many", name=name, count=count, limit=limit)


def check_faces(faces: NDArray[np.int64], count: int, name: str) -> None:
    """Raises UserError("scan_faces") when a face names a vertex that isn't one of `count`."""
    if faces.size and (faces.min() < 0 or faces.max() >= count):
        raise UserError("scan_faces", name=name)


def fan(polygons: NDArray[np.int64]) -> NDArray[np.int64]:
    """(F, C) polygons of C corners -> (F * (C - 2), 3) triangles that share the first corner."""
    if polygons.shape[1] == 3:
        return polygons
    first = np.repeat(polygons[:, :1], max(polygons.shape[1] - 2, 0), axis=1)
    return np.stack([first, polygons[:, 1:-1], polygons[:, 2:]], axis=-1).reshape(-1, 3)


def integers(values: NDArray) -> NDArray[np.int64]:
    """Whole numbers; what is none (NaN, 1e30) becomes -1, which nobody takes for an index or a class."""
    if values.dtype.kind != "f":
        return values.astype(np.int64)
    return np.where(np.abs(values) < 2**31, values, -1).astype(np.int64)


def to_bytes(colours: NDArray) -> NDArray[np.uint8]:
    """(N, C) colours as uint8: integers are 0-255, floats are 0-1 unless one is above."""
    if colours.dtype == np.uint8:
        return colours
    values = np.nan_to_num(colours.astype(np.float64), nan=0.5, posinf=1, neginf=0)
    if colours.dtype.kind == "f" and values.max(initial=0) <= 1:
        values = values * 255
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def check_images(images: Sequence[tuple[bytes, str]]) -> None:
    """Kind and size of images (bytes, name) by their headers alone; their pixels count together.

    Raises UserError: image_broken, image_too_big.
    """
    from PIL import Image

    pixels = 0
    for data, name in images:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            try:
                width, height = Image.open(io.BytesIO(data), formats=_FORMATS).size
            except Image.DecompressionBombError:
                width = height = MAX_PIXELS
            except (OSError, ValueError, SyntaxError):
                raise UserError("image_broken", name=name) from None
        pixels += width * height
        if pixels > MAX_PIXELS:
            raise UserError("image_too_big", name=name, limit=MAX_PIXELS // 1_000_000)


def pixels_of(data: bytes, name: str) -> NDArray[np.uint8]:
    """(H, W, 3) of an image that check_images has passed. Raises UserError("image_broken")."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return np.asarray(Image.open(io.BytesIO(data), formats=_FORMATS).convert("RGB"))
    except (OSError, ValueError, SyntaxError):
        raise UserError("image_broken", name=name) from None


def sampled(image: NDArray[np.uint8], uv: NDArray[np.float64]) -> NDArray[np.uint8]:
    """(K, 3) colours of an image at (K, 2) texture coordinates: v goes up, the image repeats."""
    height, width = image.shape[:2]
    u, v = (np.nan_to_num(uv, posinf=0, neginf=0) % 1).T
    row, column = ((1 - v) * height).astype(np.int64), (u * width).astype(np.int64)
    return image[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
