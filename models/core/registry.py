"""A task's methods: one entry each, from which the page's choices, `--model`, the trainers, the tables and
`models` come.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
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
        module, _, name = self.network.partition(":")
        found: type[Any] = getattr(import_module(module), name)
        return found

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """All that it computes with, its own first."""
        return (self.checkpoint, *self.needs)


class Registry(Generic[T]):
    """Methods by name; the first is what is used where none was asked for. task: what they are for."""

    def __init__(self, task: str, *entries: Method[T]) -> None:
        self.task = task
        self._entries = {entry.name: entry for entry in entries}
        self._loaded: dict[str, T] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __getitem__(self, name: object) -> Method[T]:
        """An entry. Raises UserError("model_unknown") for anything else."""
        if not isinstance(name, str) or name not in self._entries:
            raise UserError("model_unknown", name=str(name)[:40], choices=", ".join(self._entries))
        return self._entries[name]

    @property
    def default(self) -> str:
        """The first method's name."""
        return next(iter(self))

    def chosen(self, names: str) -> tuple[str, ...]:
        """Names from "a,b", in the registry's order, each once. Raises as `[]` does."""
        asked = {self[name.strip()].name for name in names.split(",")}
        return tuple(name for name in self if name in asked)

    def installed(self) -> tuple[str, ...]:
        """The methods whose checkpoints are all here."""
        return tuple(
            name
            for name in self
            if all(
                (checkpoints.FOLDER / one / "model.safetensors").is_file() for one in self[name].checkpoints
            )
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
