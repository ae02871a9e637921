"""A task's methods: one entry each, from which the page's choices, `--model` and the tables' rows come."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from models.core import checkpoints
from models.core.errors import UserError
from models.core.import_lock import LOADING

T = TypeVar("T")


@dataclass(frozen=True)
class Method(Generic[T]):
    """title: as its authors call it. load: makes it ready; heavy, so asked once a process."""

    name: str
    title: str
    paper: str
    checkpoint: str
    load: Callable[[], T]


class Registry(Generic[T]):
    """Methods by name; the first is what is used where none was asked for."""

    def __init__(self, *entries: Method[T]) -> None:
        self._entries = {entry.name: entry for entry in entries}
        self._loaded: dict[str, T] = {}
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __getitem__(self, name: str) -> Method[T]:
        """An entry. Raises UserError("model_unknown") for any other text."""
        if name not in self._entries:
            raise UserError("model_unknown", name=str(name)[:40], choices=", ".join(self._entries))
        return self._entries[name]

    def chosen(self, names: str) -> tuple[str, ...]:
        """Names from "a,b", in the registry's order, each once. Raises as `[]` does."""
        asked = {self[name.strip()].name for name in names.split(",")}
        return tuple(name for name in self._entries if name in asked)

    def installed(self) -> tuple[str, ...]:
        """The methods whose checkpoint is here."""
        return tuple(
            name
            for name, entry in self._entries.items()
            if (checkpoints.FOLDER / entry.checkpoint / "model.safetensors").is_file()
        )

    def loaded(self, name: str) -> T:
        """A method that is ready to be asked, kept in memory. Raises as `[]` and as loading do."""
        entry = self[name]
        with self._lock:
            if name not in self._loaded:
                with LOADING:
                    self._loaded[name] = entry.load()
            return self._loaded[name]
