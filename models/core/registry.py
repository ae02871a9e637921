"""A task's methods: one entry each, from which the page's choices, `--model` and the tables' rows come.

Those that ship are written down; those whose weights a person imported (importing.py) are found in the
user's folder, by the method that their cards name.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from models.core import checkpoints
from models.core.errors import UserError
from models.core.import_lock import LOADING

T = TypeVar("T")


@dataclass(frozen=True)
class Method(Generic[T]):
    """title: as its authors call it. load: makes it ready; heavy, so asked once a process.

    beside: further checkpoints that it needs.
    """

    name: str
    title: str
    paper: str
    checkpoint: str
    load: Callable[[], T]
    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Published(Generic[T]):
    """A method whose authors' weights can be imported.

    read: its network, filled with a released file. load: what an imported checkpoint, by its name, answers
    with. write_words: writes what it needs of a file of words, for a network, into the checkpoint's folder;
    None where it needs no words.
    """

    name: str
    title: str
    paper: str
    read: Callable[[Path], Any]
    load: Callable[[str], T]
    write_words: Callable[[Path, Path, Any], None] | None = None


class Registry(Generic[T]):
    """Methods by name; the first is what is used where none was asked for."""

    def __init__(self, task: str, *entries: Method[T], published: tuple[Published[T], ...] = ()) -> None:
        self.task = task
        self.shipped = {entry.name: entry for entry in entries}
        self.published = {one.name: one for one in published}
        self._loaded: dict[str, T] = {}

    @property
    def entries(self) -> Mapping[str, Method[T]]:
        """All methods, those that ship first."""
        found = dict(self.shipped)
        for name, method in checkpoints.imported().items() if self.published else ():
            if (one := self.published.get(method)) and name not in found:
                found[name] = Method(name, f"{one.title} ({name})", one.paper, name, partial(one.load, name))
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __getitem__(self, name: str) -> Method[T]:
        """An entry. Raises UserError("model_unknown") for anything else."""
        entries = self.entries
        if not isinstance(name, str) or name not in entries:
            raise UserError("model_unknown", name=str(name)[:40], choices=", ".join(entries))
        return entries[name]

    def chosen(self, names: str) -> tuple[str, ...]:
        """Names from "a,b", in the registry's order, each once. Raises as `[]` does."""
        asked = {self[name.strip()].name for name in names.split(",")}
        return tuple(name for name in self if name in asked)

    def installed(self) -> tuple[str, ...]:
        """The methods whose checkpoints are all here."""
        return tuple(
            name
            for name, entry in self.entries.items()
            if all(checkpoints.is_here(one) for one in (entry.checkpoint, *entry.beside))
        )

    def loaded(self, name: str) -> T:
        """A method that is ready to be asked, kept in memory. Raises as `[]` and as loading do."""
        if name not in self._loaded:
            entry = self[name]
            with LOADING:
                if name not in self._loaded:
                    self._loaded[name] = entry.load()
        return self._loaded[name]
