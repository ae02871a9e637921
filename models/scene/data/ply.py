"""PLY files, read strictly: the header is checked against the file's size before anything is allocated.

Format: Greg Turk, "The PLY Polygon File Format" (1994). Both binary byte orders
and ascii; any scalar property beside x, y, z is read over; polygons become
triangles.
"""

import io
import re
from collections.abc import Mapping, Sized
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.core.errors import UserError
from models.core.upload_validation import check_file, kind, megabytes
from models.scene.data.mesh_io import (
    MAX_FACES,
    MAX_VERTICES,
    Mesh,
    check_counts,
    check_faces,
    fan,
    integers,
    to_bytes,
)

_MAX_HEADER = 2**16
_TYPES = {
    "char": "i1",
    "uchar": "u1",
    "short": "i2",
    "ushort": "u2",
    "int": "i4",
    "uint": "u4",
    "float": "f4",
    "double": "f8",
    "int8": "i1",
    "uint8": "u1",
    "int16": "i2",
    "uint16": "u2",
    "int32": "i4",
    "uint32": "u4",
    "float32": "f4",
    "float64": "f8",
}
_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": ""}
_COLOURS = (("red", "green", "blue"), ("diffuse_red", "diffuse_green", "diffuse_blue"), ("r", "g", "b"))


@dataclass
class _Element:
    """`element NAME COUNT` with its properties: (name, type, type of the list's length or "")."""

    name: str
    count: int
    properties: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def least_bytes(self) -> int:
        """Of one row in binary: lists may be empty, their lengths are there."""
        return sum(np.dtype(length or kind).itemsize for _, kind, length in self.properties)

    def dtype(self, order: str, lengths: dict[str, int]) -> np.dtype:
        """Of one row in binary, if every list has the length given."""
        fields: list[tuple] = []
        for name, kind_, length in self.properties:
            if length:
                fields += [(f"{name} length", order + length), (name, order + kind_, (lengths[name],))]
            else:
                fields.append((name, order + kind_))
        return np.dtype(fields)


def read_ply(path: Path) -> Mesh:
    """The vertices, colours, triangles and labels of a PLY file.

    Raises UserError: file_type, ply_header, ply_claims (more rows than the file's
    bytes can hold), scan_truncated, scan_empty, scan_too_many, scan_faces, and
    those of check_file.
    """
    size = check_file(path)
    if kind(path) != "ply":
        raise UserError("file_type", name=path.name, kind="PLY")
    data = path.read_bytes()
    order, elements, start = _read_header(data, path.name)
    _check_counts(elements, order, size - start, path.name)
    rows = (
        _AsciiRows(data, start, path.name) if order == "ascii" else _BinaryRows(data, start, order, path.name)
    )
    vertex, faces = None, np.empty((0, 3), np.int64)
    for element in elements:
        if element.name == "vertex":
            vertex = rows.scalars(element)
        elif element.name == "face" and (listed := _vertex_list(element)):
            faces = rows.triangles(element, listed)
        else:
            rows.skip(element)
        if element.name == "face" and vertex is not None:
            break
    assert vertex is not None  # _check_counts has seen it
    check_faces(faces, len(vertex["x"]), path.name)
    vertices = np.stack([vertex[axis].astype(np.float64) for axis in "xyz"], axis=1)
    labels = vertex.get("label")
    return Mesh(vertices, _colours(vertex), faces, None if labels is None else integers(labels))


def _read_header(data: bytes, name: str) -> tuple[str, list[_Element], int]:
    """Byte order, elements, and where the body begins."""
    end = re.search(rb"(?:^|\n)end_header[ \t]*\r?\n", data[:_MAX_HEADER])
    if end is None:
        raise UserError("ply_header", name=name)
    order, elements = None, []
    try:
        for line in data[: end.start()].decode("ascii").splitlines()[1:]:
            match line.split():
                case [] | ["comment" | "obj_info", *_]:
                    pass
                case ["format", word, "1.0"]:
                    order = _ORDERS[word] or "ascii"
                case ["element", word, count] if count.isdigit() and len(count) < 19:
                    elements.append(_Element(word, int(count)))
                case ["property", "list", length, of, word] if _TYPES[length][0] != "f":
                    elements[-1].properties.append((word, _TYPES[of], _TYPES[length]))
                case ["property", of, word]:
                    elements[-1].properties.append((word, _TYPES[of], ""))
                case _:
                    raise ValueError(line)
    except (KeyError, IndexError, ValueError):
        raise UserError("ply_header", name=name) from None
    names = [element.name for element in elements]
    doubled = any(len({p[0] for p in e.properties}) < len(e.properties) for e in elements)
    if order is None or "vertex" not in names or len(set(names)) < len(names) or doubled:
        raise UserError("ply_header", name=name)
    return order, elements, end.end()


def _check_counts(elements: list[_Element], order: str, size: int, name: str) -> None:
    """Counts against caps and against the bytes that are there; nothing has been allocated yet."""
    claimed = 0
    for element in elements:
        scalars = [prop for prop, _, length in element.properties if not length]
        if element.name == "vertex" and not (
            set("xyz") <= set(scalars) and len(scalars) == len(element.properties)
        ):
            raise UserError("ply_header", name=name)
        # An ascii value takes a digit and a space.
        row = 2 * len(element.properties) if order == "ascii" else element.least_bytes
        claimed += element.count * max(row, 1)
        if element.name == "vertex" and element.count == 0:
            raise UserError("scan_empty", name=name)
    if claimed > max(10 * size, 2**30):
        raise UserError("ply_claims", name=name, claimed=megabytes(claimed), found=megabytes(size))
    for element in elements:
        limit = MAX_VERTICES if element.name == "vertex" else MAX_FACES
        if element.count > limit:
            raise UserError("scan_too_many", name=name, count=element.count, limit=limit)
    if claimed > size + (1 if order == "ascii" else 0):
        raise UserError("scan_truncated", name=name)


def _vertex_list(element: _Element) -> str:
    """The name of the property that lists a face's vertices, or ""."""
    for name, kind_, length in element.properties:
        if length and name in ("vertex_indices", "vertex_index") and kind_[0] != "f":
            return name
    return ""


class _BinaryRows:
    """Takes one element after the other from a binary body."""

    def __init__(self, data: bytes, start: int, order: str, name: str) -> None:
        self.data, self.at, self.order, self.name = data, start, order, name

    def scalars(self, element: _Element) -> dict[str, NDArray]:
        table = self._take(element, element.dtype(self.order, {}))
        return {name: table[name] for name, _, _ in element.properties}

    def triangles(self, element: _Element, listed: str) -> NDArray[np.int64]:
        if not element.count:
            return np.empty((0, 3), np.int64)
        start = self.at
        lengths, _ = self._pass_row(element)
        row = element.dtype(self.order, lengths)
        self.at = start
        if start + element.count * row.itemsize <= len(self.data):
            table = np.frombuffer(self.data, row, element.count, start)
            if all((table[f"{name} length"] == length).all() for name, length in lengths.items()):
                self.at += table.nbytes
                _check_polygons({lengths[listed]: table}, self.name)
                return fan(table[listed].astype(np.int64))
        return self._polygons(element, listed)

    def skip(self, element: _Element) -> None:
        if any(length for _, _, length in element.properties):
            for _ in range(element.count):
                self._pass_row(element)
        else:
            self.at += element.count * element.least_bytes

    def _polygons(self, element: _Element, listed: str) -> NDArray[np.int64]:
        """Rows of different lengths, passed one by one, then read together by their number of corners."""
        places: dict[int, list[int]] = {}
        for _ in range(element.count):
            lengths, begins = self._pass_row(element)
            places.setdefault(lengths[listed], []).append(begins[listed])
        _check_polygons(places, self.name)
        index = np.dtype(self.order + next(kind_ for name, kind_, _ in element.properties if name == listed))
        letters = np.frombuffer(self.data, np.uint8)
        fans = []
        for corners, begins_ in places.items():
            taken = letters[np.array(begins_)[:, None] + np.arange(corners * index.itemsize)]
            fans.append(fan(taken.view(index).astype(np.int64).reshape(-1, corners)))
        return np.concatenate([np.empty((0, 3), np.int64), *fans])

    def _pass_row(self, element: _Element) -> tuple[dict[str, int], dict[str, int]]:
        """Steps over one row; the length of each list in it and where its values begin."""
        side: Literal["little", "big"] = "little" if self.order == "<" else "big"
        lengths, begins = {}, {}
        for name, kind_, length in element.properties:
            size = int(kind_[1])
            if length:
                end = self.at + int(length[1])
                lengths[name] = int.from_bytes(self.data[self.at : end], side, signed=length[0] == "i")
                begins[name] = end
                self.at, size = end, lengths[name] * size
            self.at += size
            if size < 0 or self.at > len(self.data):
                raise UserError("scan_truncated", name=self.name)
        return lengths, begins

    def _take(self, element: _Element, row: np.dtype) -> NDArray:
        if self.at + element.count * row.itemsize > len(self.data):
            raise UserError("scan_truncated", name=self.name)
        table = np.frombuffer(self.data, row, element.count, self.at)
        self.at += table.nbytes
        return table


class _AsciiRows:
    """Takes one element after the other from a body of lines."""

    def __init__(self, data: bytes, start: int, name: str) -> None:
        text = io.StringIO(data[start:].decode("ascii", "replace"))
        self.lines = [line for line in text if not line.isspace()]
        self.at, self.name = 0, name

    def scalars(self, element: _Element) -> dict[str, NDArray]:
        table = self._table(self._take(element), len(element.properties))
        columns = enumerate(element.properties)
        return {name: table[:, i] if of[0] == "f" else integers(table[:, i]) for i, (name, of, _) in columns}

    def triangles(self, element: _Element, listed: str) -> NDArray[np.int64]:
        lines = self._take(element)
        by_corners: dict[int, list[str]] = {}
        if element.properties[0][0] != listed:
            raise UserError("ply_header", name=self.name)
        for line in lines:
            first = line.split(None, 1)[0]
            by_corners.setdefault(int(first) if first.isdigit() and len(first) < 10 else -1, []).append(line)
        _check_polygons(by_corners, self.name)
        fans = []
        for corners, rows in by_corners.items():
            if not 0 <= corners < len(rows[0]):
                raise UserError("scan_truncated", name=self.name)
            table = self._table(rows, corners + len(element.properties))
            fans.append(fan(integers(table[:, 1 : corners + 1])))
        return np.concatenate([np.empty((0, 3), np.int64), *fans])

    def skip(self, element: _Element) -> None:
        self._take(element)

    def _take(self, element: _Element) -> list[str]:
        if self.at + element.count > len(self.lines):
            raise UserError("scan_truncated", name=self.name)
        self.at += element.count
        return self.lines[self.at - element.count : self.at]

    def _table(self, lines: list[str], columns: int) -> NDArray[np.float64]:
        try:
            table = np.loadtxt(lines, ndmin=2, comments=None)
        except ValueError:
            raise UserError("scan_truncated", name=self.name) from None
        if table.shape != (len(lines), columns):
            raise UserError("scan_truncated", name=self.name)
        return table


def _check_polygons(by_corners: Mapping[int, Sized], name: str) -> None:
    """Bounds the triangles that polygons will become. by_corners: the polygons of each number of corners."""
    triangles = sum(max(corners - 2, 0) * len(polygons) for corners, polygons in by_corners.items())
    check_counts(name, 1, triangles)


def _colours(vertex: dict[str, NDArray]) -> NDArray[np.uint8] | None:
    for names in _COLOURS:
        if all(name in vertex for name in names):
            colours = np.stack([vertex[name] for name in names], axis=1)
            return to_bytes(colours)
    return None
