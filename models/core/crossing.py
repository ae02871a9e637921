"""How a job and what comes of it cross to another machine: as content, never as a path.

A file that a job names travels as its bytes; a folder that it names is where the worker's files come to lie.
What is large and asked about often (`Keyed`) crosses once, under a key of its content.
"""

import hashlib
import io
import pickle
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

Id = tuple[Any, ...]


class Keyed:
    """What is large, never changes and is asked about often."""

    @cached_property
    def key(self) -> str:
        """32 hex digits of all that it holds."""
        return hashlib.blake2b(pickle.dumps(self, 5), digest_size=16).hexdigest()


def _dumped(value: object, name: Callable[[Any], Id | None]) -> bytes:
    file = io.BytesIO()
    pickler = pickle.Pickler(file, protocol=5)
    pickler.persistent_id = name  # type: ignore[method-assign]
    pickler.dump(value)
    return file.getvalue()


def _loaded(data: bytes, found: Callable[[Id], Any]) -> Any:
    unpickler = pickle.Unpickler(io.BytesIO(data))  # noqa: S301 - what workers of one's own cluster say
    unpickler.persistent_load = found  # type: ignore[method-assign]
    return unpickler.load()


class Sender:
    """The end that asks. kept: the `Keyed` values of what was packed, by their keys."""

    def __init__(self) -> None:
        self.kept: dict[str, Keyed] = {}
        self._folders: list[Path] = []

    def pack(self, job: object) -> bytes:
        """A job without its `Keyed` values; raises pickle.PicklingError for a closure."""
        return _dumped(job, self._name)

    def unpack(self, data: bytes) -> Any:
        """What came of it; its files lie in the folders that the job named."""
        return _loaded(data, self._found)

    def _name(self, value: Any) -> Id | None:
        if isinstance(value, Keyed):
            self.kept[value.key] = value
            return "kept", value.key
        if isinstance(value, Path) and value.is_dir():
            self._folders.append(value)
            return "folder", len(self._folders) - 1
        if isinstance(value, Path):  # one that isn't there is missed by who reads it, in the usual words
            return "file", value.name, value.read_bytes() if value.is_file() else None
        return None

    def _found(self, id: Id) -> Any:
        number, inside, data = id
        path = self._folders[number] / inside
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path


class Receiver:
    """The end that works. place: an empty folder for the job's files. kept: gives a `Keyed` by its key."""

    def __init__(self, place: Path, kept: Callable[[str], Any]) -> None:
        self._place, self._kept = place, kept
        self._brought = 0

    def unpack(self, data: bytes) -> Any:
        """A job, its files written."""
        return _loaded(data, self._found)

    def pack(self, result: object) -> bytes:
        """What came of it, with the bytes of the files that it names in the job's folders."""
        return _dumped(result, self._name)

    def _name(self, value: Any) -> Id | None:
        if not isinstance(value, Path):
            return None
        number, *inside = value.relative_to(self._place / "out").parts
        return int(number), "/".join(inside), value.read_bytes()

    def _found(self, id: Id) -> Any:
        kind, name, *data = id
        if kind == "kept":
            return self._kept(name)
        if kind == "folder":
            path = self._place / "out" / str(name)
            path.mkdir(parents=True)
            return path
        path = self._place / "in" / str(self._brought) / name
        self._brought += 1
        path.parent.mkdir(parents=True)
        if data[0] is not None:
            path.write_bytes(data[0])
        return path
