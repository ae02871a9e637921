"""What a visitor made on a page, the last of each kind, so that a click brings it back with its settings.

It knows no lab: each lab has its own classes of `Work`. A reload of the page does not end it, see
`Visits.reloaded`.
"""

import itertools
import os
import secrets
import shutil
import tempfile
import threading
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from app import process_folder
from models.core.errors import UserError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

MOST = 12  # works of a kind
MOST_MEMORY = 24 * 2**20  # bytes, of a kind
MOST_DISK = 256 * 2**20  # the same of files

_numbers = itertools.count(1)  # of all visitors, so that a visit's may join those of the one before


class Work:
    """One thing that was made, and all that brings it back. Of two that are equal the later one is kept."""

    def files(self) -> tuple[Path, ...]:
        """The files that go with it."""
        return ()

    def linked(self, folder: Path) -> Self:
        """The same with its files in that folder."""
        return self

    def size(self) -> int:
        """Bytes of memory that it holds."""
        return 0

    def there(self) -> bool:
        """Whether it can still be brought back."""
        return True


Kind = TypeVar("Kind", bound=Work)
Value = TypeVar("Value", bound="DataclassInstance")


class History:
    """One visitor's works. key: who knows it may take them over once the visit has ended."""

    def __init__(self) -> None:
        self.key = secrets.token_urlsafe(24)
        self._works: dict[int, Work] = {}  # by number, the oldest first
        self._folders: list[Path] = []
        self._ended = False
        self._lock = threading.RLock()

    def add(self, work: Work) -> int:
        """Keep a work, its files linked, and drop what is too much; its number.

        Raises UserError("cancelled") for who has left.
        """
        with self._lock:
            if self._ended:
                raise UserError("cancelled")
            number = next((number for number, one in self._works.items() if one == work), None)
            if number is None:
                number = next(_numbers)
            self._works[number] = work.linked(self._folder()) if work.files() else work
            self._drop_too_much()
            return number

    def of(self, kind: type[Kind]) -> list[tuple[int, Kind]]:
        """Number and work of all of a kind that can be brought back, the newest first."""
        with self._lock:
            found = [(number, one) for number, one in self._works.items() if isinstance(one, kind)]
        return [(number, one) for number, one in reversed(found) if one.there()]

    def get(self, kind: type[Kind], number: object) -> Kind:
        """A work by its number. Raises UserError("work_gone")."""
        for known, work in self.of(kind):
            if known == number:
                return work
        raise UserError("work_gone")

    def take(self, other: "History") -> None:
        """The works of a visit that ended are this one's from now on, as the older ones."""
        with self._lock, other._lock:
            own = list(self._works.values())
            older = {number: one for number, one in other._works.items() if one not in own}
            self._works = {**older, **self._works}
            self._folders += other._folders
            other._works, other._folders = {}, []
            self._drop_too_much()

    def end(self) -> None:
        """Delete everything; nothing is kept from now on."""
        with self._lock:
            self._ended, self._works = True, {}
            folders, self._folders = self._folders, []
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)

    def __len__(self) -> int:
        return len(self._works)

    def _folder(self) -> Path:
        if not self._folders:
            self._folders.append(Path(tempfile.mkdtemp(dir=process_folder.visits())))
        return self._folders[-1]

    def _drop_too_much(self) -> None:
        """Of each kind the oldest go, and those that can't be brought back; the newest always stays."""
        for number in [number for number, one in self._works.items() if not one.there()]:
            self._drop(number)
        for kind in {type(one) for one in self._works.values()}:
            numbers = [number for number, one in self._works.items() if type(one) is kind]
            while len(numbers) > 1 and self._too_much([self._works[number] for number in numbers]):
                self._drop(numbers.pop(0))

    @staticmethod
    def _too_much(works: list[Work]) -> bool:
        files = {file for one in works for file in one.files()}
        disk = sum(file.stat().st_size for file in files if file.exists())
        return len(works) > MOST or sum(one.size() for one in works) > MOST_MEMORY or disk > MOST_DISK

    def _drop(self, number: int) -> None:
        """Forget a work and delete its files, but those that another one has as well."""
        gone = self._works.pop(number)
        held = {file for one in self._works.values() for file in one.files()}
        for file in set(gone.files()) - held:
            file.unlink(missing_ok=True)


def linked(file: Path, folder: Path) -> Path:
    """The file under its own name in a folder as well, without a second copy where the disk can do that."""
    there = folder / file.name
    if not there.exists():
        try:
            os.link(file, there)
        except OSError:
            shutil.copyfile(file, there)
    return there


def files_of(value: "DataclassInstance") -> dict[str, Path]:
    """The files that a dataclass names, by field."""
    known = {one.name: getattr(value, one.name) for one in fields(value)}
    return {name: file for name, file in known.items() if isinstance(file, Path)}


def linked_all(value: Value, folder: Path) -> Value:
    """A dataclass whose files lie in a folder as well, and which names those."""
    return replace(value, **{name: linked(file, folder) for name, file in files_of(value).items()})
