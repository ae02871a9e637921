"""A task's methods: one entry each, from which the page's choices, `--model`, the trainers, the tables and
`models` come.

Those that ship are written down; those whose weights a person imported (importing.py) are found in the
user's folder, by the method that their cards name.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, TypeVar

from models.core import checkpoints
from models.core.errors import UserError
from models.core.import_lock import LOADING

T = TypeVar("T")


@dataclass(frozen=True)
class Method(Generic[T]):
    """One entry. title: as its authors call it.

    network: "module:Class" of what the checkpoint holds, imported when it is asked for. load: of that class
    and the checkpoint's name makes what can be asked; heavy, so once a process. needs: the checkpoints that
    it computes with beside its own.
    """

    name: str
    title: str
    paper: str
    checkpoint: str
    network: str
    load: Callable[[type[Any], str], T]
    needs: tuple[str, ...] = ()

    @property
    def kind(self) -> type[Any]:
        """The network's class."""
        return _class(self.network)

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """All that it computes with, its own first."""
        return (self.checkpoint, *self.needs)


@dataclass(frozen=True)
class Published(Generic[T]):
    """A method whose authors' weights can be imported.

    network: "module:Class", which has `from_published(file)`. load: as in `Method`, of what was imported.
    write_words: writes what it needs of a file of words, for a network, into the checkpoint's folder; None
    where it needs no words.
    endings: what it computes with beside its own: of an imported NAME the checkpoints NAME + ending.
    part: what is imported is only computed with, and can't be asked for itself.
    """

    name: str
    title: str
    paper: str
    network: str
    load: Callable[[type[Any], str], T]
    write_words: Callable[[Path, Path, Any], None] | None = None
    endings: tuple[str, ...] = ()
    part: bool = False

    def read(self, file: Path) -> Any:
        """The network, filled with a released file. Raises UserError as `from_published` does."""
        return _class(self.network).from_published(file)

    def imported(self, name: str) -> Method[T]:
        """The entry of an imported checkpoint."""
        needs = tuple(name + ending for ending in self.endings)
        return Method(name, f"{self.title} ({name})", self.paper, name, self.network, self.load, needs)


def _class(network: str) -> type[Any]:
    module, _, name = network.partition(":")
    found: type[Any] = getattr(import_module(module), name)
    return found


class Registry(Generic[T]):
    """Methods by name; the first is what is used where none was asked for. task: what they are for."""

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
            if method in self.published and not self.published[method].part and name not in found:
                found[name] = self.published[method].imported(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __getitem__(self, name: object) -> Method[T]:
        """An entry. Raises UserError("model_unknown") for anything else."""
        if isinstance(name, str) and name in self.shipped:  # without reading the user's folder
            return self.shipped[name]
        entries = self.entries
        if not isinstance(name, str) or name not in entries:
            raise UserError("model_unknown", name=str(name)[:40], choices=", ".join(entries))
        return entries[name]

    @property
    def default(self) -> str:
        """The first method's name."""
        return next(iter(self.shipped))

    def chosen(self, names: object) -> tuple[str, ...]:
        """Names from "a,b", in the registry's order, each once. Raises as `[]` does."""
        listed = names.split(",") if isinstance(names, str) else [names]
        asked = {self[name.strip() if isinstance(name, str) else name].name for name in listed}
        return tuple(name for name in self if name in asked)

    def installed(self) -> tuple[str, ...]:
        """The methods whose checkpoints are all here."""
        return tuple(
            name
            for name, entry in self.entries.items()
            if all(checkpoints.is_here(one) for one in entry.checkpoints)
        )

    def loaded(self, name: str) -> T:
        """A method that is ready to be asked, kept in memory. Raises as `[]` and as loading do."""
        entry = self[name]
        if name not in self._loaded:
            with LOADING:  # the only lock here: a method may load another of the same registry
                if name not in self._loaded:
                    self._loaded[name] = entry.load(entry.kind, entry.checkpoint)
        return self._loaded[name]

    def weights(self, name: str) -> str:
        """12 hex digits that change with any weight that a method's answers come from.

        Raises as `[]` and as `checkpoints.card` do.
        """
        hashes = [checkpoints.card(one).sha256 for one in self[name].checkpoints]
        return hashlib.sha256(" ".join(hashes).encode()).hexdigest()[:12]
