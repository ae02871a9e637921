"""The body of a PLY file, element by element: scalars as columns, lists as their lengths and values.

Both binary byte orders and ascii; properties come in any order, and lists of one element may differ in
length from row to row. Nothing is allocated that the file's own bytes don't fill.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.core.errors import UserError
from models.scene.data.mesh_io import check_counts, integers


@dataclass
class Element:
    """`element NAME COUNT` with its properties: (name, type, type of the list's length or "")."""

    name: str
    count: int
    properties: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def least_bytes(self) -> int:
        """Of one row in binary: lists may be empty, their lengths are there."""
        return sum(np.dtype(length or kind).itemsize for _, kind, length in self.properties)

    @property
    def lists(self) -> list[str]:
        """Names of the properties that are lists."""
        return [name for name, _, length in self.properties if length]

    def dtype(self, order: str, lengths: dict[str, int]) -> np.dtype:
        """Of one row in binary, if every list has the length given."""
        fields: list[tuple] = []
        for name, kind, length in self.properties:
            if length:
                fields += [(f"{name} length", order + length), (name, order + kind, (lengths[name],))]
            else:
                fields.append((name, order + kind))
        return np.dtype(fields)


@dataclass(frozen=True)
class Ragged:
    """A list property of N rows. lengths: (N,). values: all rows after one another."""

    lengths: NDArray[np.int64]
    values: NDArray

    def fans(self, name: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Polygons as triangles that share the first corner: places in `values` (M, 3), and rows (M,).

        Raises UserError("scan_too_many") for more triangles than are read.
        """
        check_counts(name, 1, int(np.maximum(self.lengths - 2, 0).sum()))
        starts = np.cumsum(self.lengths) - self.lengths
        count = np.maximum(self.lengths - 2, 0)
        rows = np.repeat(np.arange(len(count)), count)
        step = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
        first = starts[rows]
        return np.stack([first, first + step + 1, first + step + 2], axis=1), rows


@dataclass(frozen=True)
class Table:
    """One element that was read."""

    scalars: dict[str, NDArray]
    lists: dict[str, Ragged]


class BinaryRows:
    """Takes one element after the other from a binary body."""

    def __init__(self, data: bytes, start: int, order: str, name: str) -> None:
        self.data, self.at, self.order, self.name = data, start, order, name

    def read(self, element: Element) -> Table:
        """The next element. Raises UserError("scan_truncated")."""
        lengths: dict[str, int] = {}
        if element.lists and element.count:
            start = self.at
            lengths = self._pass_row(element)[0]
            self.at = start
        row = element.dtype(self.order, lengths) if element.count else None
        if row is None:
            return Table({}, {})
        if self.at + element.count * row.itemsize <= len(self.data):
            table = np.frombuffer(self.data, row, element.count, self.at)
            if all((table[f"{name} length"] == length).all() for name, length in lengths.items()):
                self.at += element.count * row.itemsize
                scalars = {name: table[name] for name, _, length in element.properties if not length}
                lists = {
                    name: Ragged(np.full(element.count, length), table[name].reshape(-1))
                    for name, length in lengths.items()
                }
                return Table(scalars, lists)
        if not element.lists:
            raise UserError("scan_truncated", name=self.name)
        return self._uneven(element)

    def skip(self, element: Element) -> None:
        """Steps over the next element."""
        if element.lists:
            for _ in range(element.count):
                self._pass_row(element)
        else:
            self.at += element.count * element.least_bytes

    def _uneven(self, element: Element) -> Table:
        """Rows of different lengths, passed one by one, their values gathered together."""
        begins: dict[str, list[int]] = {name: [] for name, _, _ in element.properties}
        lengths: dict[str, list[int]] = {name: [] for name in element.lists}
        for _ in range(element.count):
            found, places = self._pass_row(element)
            for name, long in found.items():
                lengths[name].append(long)
            for name, place in places.items():
                begins[name].append(place)
        letters = np.frombuffer(self.data, np.uint8)
        scalars, lists = {}, {}
        for name, kind, length in element.properties:
            of, start = np.dtype(self.order + kind), np.array(begins[name], np.int64)
            if length:
                counts = np.array(lengths[name], np.int64)
                inside = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
                places = np.repeat(start, counts) + inside * of.itemsize
                lists[name] = Ragged(counts, _gathered(letters, places, of))
            else:
                scalars[name] = _gathered(letters, start, of)
        return Table(scalars, lists)

    def _pass_row(self, element: Element) -> tuple[dict[str, int], dict[str, int]]:
        """Steps over one row; the length of each list in it, and where each property's values begin."""
        side: Literal["little", "big"] = "little" if self.order == "<" else "big"
        lengths, begins = {}, {}
        for name, kind, length in element.properties:
            size = int(kind[1])
            if length:
                end = self.at + int(length[1])
                lengths[name] = int.from_bytes(self.data[self.at : end], side, signed=length[0] == "i")
                self.at, size = end, lengths[name] * size
            begins[name] = self.at
            self.at += size
            if size < 0 or self.at > len(self.data):
                raise UserError("scan_truncated", name=self.name)
        return lengths, begins


def _gathered(letters: NDArray[np.uint8], places: NDArray[np.int64], of: np.dtype) -> NDArray:
    """Values of a type at places in bytes."""
    taken = letters[places[:, None] + np.arange(of.itemsize)]
    return np.ascontiguousarray(taken).view(of).reshape(-1)


class AsciiRows:
    """Takes one element after the other from a body of lines."""

    def __init__(self, data: bytes, start: int, name: str) -> None:
        text = data[start:].decode("ascii", "replace")
        self.lines = [line for line in re.split(r"\r\n|\r|\n", text) if line and not line.isspace()]
        self.at, self.name = 0, name

    def read(self, element: Element) -> Table:
        """The next element. Raises UserError("scan_truncated"), also for what is no number."""
        lines = self._take(element)
        if not element.lists:
            table = self._table(lines, len(element.properties))
            columns = enumerate(element.properties)
            return Table({name: _typed(table[:, i], of) for i, (name, of, _) in columns}, {})
        return self._uneven(element, lines)

    def skip(self, element: Element) -> None:
        """Steps over the next element."""
        self._take(element)

    def _uneven(self, element: Element, lines: Sequence[str]) -> Table:
        """Lines with lists, put together by the lengths of these."""
        groups: dict[tuple[int, ...], list[int]] = {}
        for number, line in enumerate(lines):
            groups.setdefault(self._lengths(element, line), []).append(number)
        scalars = {name: np.zeros(len(lines)) for name, _, length in element.properties if not length}
        parts: dict[str, list[tuple[NDArray, NDArray]]] = {name: [] for name in element.lists}
        for lengths, numbers in groups.items():
            width = sum(lengths) + len(element.properties)
            table = self._table([lines[number] for number in numbers], width)
            at, left = 0, list(lengths)
            for name, _, length in element.properties:
                if length:
                    count = left.pop(0)
                    parts[name].append((np.array(numbers), table[:, at + 1 : at + 1 + count]))
                    at += 1 + count
                else:
                    scalars[name][numbers] = table[:, at]
                    at += 1
        kinds = {name: of for name, of, _ in element.properties}
        typed = {name: _typed(values, kinds[name]) for name, values in scalars.items()}
        return Table(typed, {name: _joined(found, len(lines), kinds[name]) for name, found in parts.items()})

    def _lengths(self, element: Element, line: str) -> tuple[int, ...]:
        """How long each list of a line is."""
        words, at, lengths = line.split(), 0, []
        for _, _, length in element.properties:
            if not length:
                at += 1
                continue
            word = words[at] if at < len(words) else ""
            if not (word.isdigit() and len(word) < 10) or int(word) > len(words):
                raise UserError("scan_truncated", name=self.name)
            lengths.append(int(word))
            at += 1 + int(word)
        return tuple(lengths)

    def _take(self, element: Element) -> list[str]:
        if self.at + element.count > len(self.lines):
            raise UserError("scan_truncated", name=self.name)
        self.at += element.count
        return self.lines[self.at - element.count : self.at]

    def _table(self, lines: Sequence[str], columns: int) -> NDArray[np.float64]:
        if not lines:
            return np.empty((0, columns))
        try:
            table = np.loadtxt(lines, ndmin=2, comments=None)
        except ValueError:
            raise UserError("scan_truncated", name=self.name) from None
        if table.shape != (len(lines), columns):
            raise UserError("scan_truncated", name=self.name)
        return table


def _typed(values: NDArray[np.float64], kind: str) -> NDArray:
    """Numbers of a text as the header's type: what is no whole number of it becomes -1."""
    if kind[0] == "f":
        return values
    whole = integers(values)
    # Colours are read by their type: an 8-bit one that fits is one.
    small = kind == "u1" and bool(((whole >= 0) & (whole < 256)).all())
    return whole.astype(np.uint8) if small else whole.astype(np.uint16) if _fits(whole, kind) else whole


def _fits(whole: NDArray[np.int64], kind: str) -> bool:
    return kind == "u2" and bool(((whole >= 0) & (whole < 65536)).all())


def _joined(parts: Sequence[tuple[NDArray, NDArray]], count: int, kind: str) -> Ragged:
    """Groups of rows (numbers, their values) as one list property, in the order of the rows."""
    lengths = np.zeros(count, np.int64)
    for numbers, values in parts:
        lengths[numbers] = values.shape[1]
    starts, flat = np.cumsum(lengths) - lengths, np.zeros(int(lengths.sum()))
    for numbers, values in parts:
        flat[starts[numbers][:, None] + np.arange(values.shape[1])] = values
    return Ragged(lengths, flat if kind[0] == "f" else integers(flat))
