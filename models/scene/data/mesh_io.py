"""What the readers of PLY, OBJ and GLB share: the mesh they give, caps, polygons, colours, textures."""

import io
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from models.core.errors import UserError
from models.core.notes import Note
from models.core.upload_validation import safe_name

MAX_VERTICES = 3_000_000
MAX_FACES = 6_000_000
MAX_PIXELS = 8192 * 8192
GREY = 160
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".tga")
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "TGA")
_TRUE_NAME = re.compile(r"[ _.\-]+")


@dataclass(frozen=True)
class Paint:
    """How the faces of a mesh are coloured where its vertices don't tell.

    uv: (M, 3, 2) texture coordinates of the corners, v up ((N, 1, 2) of a cloud's points). image: (M,) which
    of `images`, -1 for none. images: (H, W, 3) uint8 each. shade: (M, 3, 3) linear light that each corner's
    colour is multiplied with, None for 1.
    """

    uv: NDArray[np.float64]
    image: NDArray[np.int64]
    images: tuple[NDArray[np.uint8], ...]
    shade: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Mesh:
    """What a file holds, before anyone asks whether it makes sense as a room.

    vertices: (N, 3) float64, as they stand in the file: may hold NaN.
    colours: (N, 3) uint8, or None where the file has none.
    faces: (M, 3) int64, each below N.
    labels: (N,) int64, ScanNet's `label` property, or None.
    instances: (N,) int64, ids of objects, -1 for none, or None.
    notes: what a visitor should know of the file.
    paint: the texture, for points between the vertices.
    tilted: nothing in the file says what is up.
    """

    vertices: NDArray[np.float64]
    colours: NDArray[np.uint8] | None
    faces: NDArray[np.int64]
    labels: NDArray[np.int64] | None = None
    instances: NDArray[np.int64] | None = None
    notes: tuple[Note, ...] = ()
    paint: Paint | None = None
    tilted: bool = False


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
    """(N, C) colours as uint8: integers are 0-255 (16-bit ones 0-65535), floats 0-1 unless one is above."""
    if colours.dtype == np.uint8:
        return colours
    if colours.dtype.kind == "u" and colours.dtype.itemsize == 2 and colours.max(initial=0) > 255:
        return (colours >> 8).astype(np.uint8)
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

    from models.core.image_io import eight_bits

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image: Image.Image = Image.open(io.BytesIO(data), formats=_FORMATS)
            if image.mode == "F" or image.mode.startswith("I"):
                image = Image.fromarray(eight_bits(np.asarray(image))[0])
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError):
        raise UserError("image_broken", name=name) from None


def picture_of(name: str, files: Sequence[Path]) -> Path | None:
    """The file among `files` that another one calls `name`, by its base name, whatever a zip made of it.

    Programs write paths, URL escapes, blanks and options before the name; nothing outside `files` is opened.
    """
    name = name.strip().strip('"').replace("\\", "/")
    words = name.split(" ")
    for start in range(len(words)):
        base = " ".join(words[start:]).rsplit("/", 1)[-1]
        for one in (base, unquote(base)):
            if one:
                for file in files:
                    if _plain(file.name) == _plain(safe_name(one)) or _plain(file.name) == _plain(one):
                        return file
    return None


def _plain(name: str) -> str:
    return _TRUE_NAME.sub("_", name.strip().lower())


def linear(colours: NDArray) -> NDArray[np.float64]:
    """sRGB of 0 to 1 as linear light (IEC 61966-2-1)."""
    values = np.asarray(colours, np.float64)
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def encoded(light: NDArray) -> NDArray[np.uint8]:
    """Linear light of 0 to 1 as sRGB bytes."""
    values = np.clip(np.nan_to_num(light), 0, 1)
    values = np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)
    return np.round(values * 255).astype(np.uint8)


def painted(
    paint: Paint, faces: NDArray[np.int64], colours: NDArray[np.uint8] | None, count: int
) -> NDArray[np.uint8]:
    """(N, 3) colours of the `count` vertices as their faces are painted; others keep theirs, or are grey."""
    result = np.full((count, 3), GREY, np.uint8) if colours is None else colours.copy()
    corners = faces if paint.uv.shape[1] == 3 else np.arange(count)[:, None]  # a cloud has one place a point
    found = shaded(paint, np.arange(len(corners)), paint.uv, paint.shade)
    chosen = (paint.image >= 0) | (paint.shade is not None)
    result[corners[chosen]] = found[chosen]
    return result


def shaded(
    paint: Paint, rows: NDArray[np.int64], uv: NDArray[np.float64], shade: NDArray[np.float64] | None
) -> NDArray[np.uint8]:
    """(R, K, 3) colours at K points of each of the faces `rows`. uv: (R, K, 2). shade: (R, K, 3)."""
    colours = np.full((*uv.shape[:2], 3), 255, np.uint8)
    for number, image in enumerate(paint.images):
        chosen = paint.image[rows] == number
        colours[chosen] = sampled(image, uv[chosen].reshape(-1, 2)).reshape(*uv[chosen].shape[:2], 3)
    if shade is None or (shade == 1).all():
        return colours
    return encoded(linear(colours / 255) * shade)


def refined(mesh: Mesh, longest: float, most: int) -> Mesh:
    """The mesh with triangles cut until their edges are at most `longest`, or as fine as `most` points allow.

    Modelled rooms have a wall of two triangles, where a scan has thousands: networks read points. New points
    take the colour of the texture where they lie, else one between the corners'.
    """
    corners = mesh.vertices[mesh.faces]
    sides = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    cuts = np.maximum(1, np.ceil(np.nan_to_num(sides) / longest))
    while ((cuts + 1) * (cuts + 2) / 2)[cuts > 1].sum() > most:
        longest *= 1.25
        cuts = np.maximum(1, np.ceil(np.nan_to_num(sides) / longest))
    own = mesh.colours
    vertices, colours, count = [mesh.vertices], [own] if own is not None else [], len(mesh.vertices)
    faces, sources = [mesh.faces[cuts == 1]], [np.empty(0, np.int64)]
    for number in np.unique(cuts[cuts > 1]).astype(int):
        rows = np.flatnonzero(cuts == number)
        weights, pattern = _cut(number)
        points = np.einsum("pk,rkc->rpc", weights, corners[rows])
        vertices.append(points.reshape(-1, 3))
        if own is not None:
            between = np.einsum("pk,rkc->rpc", weights, own[mesh.faces[rows]].astype(np.float64))
            tint = np.round(between).astype(np.uint8)
            if mesh.paint is not None:
                tint = _tinted(mesh.paint, rows, weights, tint)
            colours.append(tint.reshape(-1, 3))
        starts = count + np.arange(len(rows)) * len(weights)
        faces.append((pattern[None] + starts[:, None, None]).reshape(-1, 3))
        sources.append(np.repeat(mesh.faces[rows, 0], len(weights)))
        count += len(rows) * len(weights)
    source = np.concatenate([np.arange(len(mesh.vertices)), *sources])

    def of(values: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
        return None if values is None else values[source]

    return Mesh(
        np.concatenate(vertices),
        np.concatenate(colours) if own is not None else None,
        np.concatenate(faces),
        of(mesh.labels),
        of(mesh.instances),
        mesh.notes,
        None,
        mesh.tilted,
    )


def _tinted(
    paint: Paint, rows: NDArray[np.int64], weights: NDArray[np.float64], plain: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """(R, P, 3) colours of points in faces: of the texture where these have one, else `plain`."""
    uv = np.einsum("pk,rkc->rpc", weights, paint.uv[rows])
    shade = None if paint.shade is None else np.einsum("pk,rkc->rpc", weights, paint.shade[rows])
    colours = shaded(paint, rows, uv, shade)
    if shade is not None:
        return colours
    return np.where((paint.image[rows] >= 0)[:, None, None], colours, plain)


def _cut(number: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """A triangle with `number` parts to an edge: weights (P, 3) of its corners, triangles (number^2, 3)."""
    place: dict[tuple[int, int], int] = {}
    points: list[tuple[int, int, int]] = []
    triangles: list[tuple[int, int, int]] = []
    for i in range(number + 1):
        for j in range(number + 1 - i):
            place[i, j] = len(points)
            points.append((number - i - j, i, j))
    for i in range(number):
        for j in range(number - i):
            triangles.append((place[i, j], place[i + 1, j], place[i, j + 1]))
            if i + j < number - 1:
                triangles.append((place[i + 1, j], place[i + 1, j + 1], place[i, j + 1]))
    return np.array(points) / number, np.array(triangles, np.int64)


def sampled(image: NDArray[np.uint8], uv: NDArray[np.float64]) -> NDArray[np.uint8]:
    """(K, 3) colours of an image at (K, 2) texture coordinates: v goes up, the image repeats."""
    height, width = image.shape[:2]
    known = np.nan_to_num(uv, posinf=0, neginf=0)
    u, v = np.where((known > 0) & (known % 1 == 0), 1.0, known % 1).T  # 1 is the far edge, not the near one
    row, column = ((1 - v) * height).astype(np.int64), (u * width).astype(np.int64)
    return image[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
