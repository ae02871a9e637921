"""Where heavy work runs: in this process, or on the workers of a Ray cluster.

A job is a function of a module and its arguments, frozen values: what can be sent to another machine.
"""

import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from models.core import device

Function = Callable[..., Any]


class Places:
    """How many jobs may run at once, and how many do. Who reads or changes one holds `changed`."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.taken = 0
        self.changed = threading.Condition()

    def add(self, count: int = 0, taken: int = 0) -> None:
        """Change the numbers by so many, and tell who waits."""
        with self.changed:
            self.count += count
            self.taken += taken
            self.changed.notify_all()

    @property
    def free(self) -> bool:
        """Whether one more job may run."""
        return self.taken < self.count


class Executor(Protocol):
    """What runs jobs. places: shared by all who give it some."""

    places: Places

    def submit(self, function: Function, *args: Any, stop: threading.Event | None = None) -> Any:
        """What `function(*args)` gives; raises what it raises.

        stop: the result is not wanted any more once this is set.
        """
        ...

    def stream(self, function: Function, *args: Any, stop: threading.Event | None = None) -> Iterator[Any]:
        """What the iterator `function(*args)` yields, each as soon as it is there.

        The work ends at its next step when this iterator is closed or `stop` is set. Raises what it raises.
        """
        ...

    def device(self) -> str:
        """Where networks run: "cpu", "2 × cuda"."""
        ...

    def close(self) -> None:
        """Let go of what was taken elsewhere."""
        ...


class InProcessExecutor:
    """Runs each job in the thread that asks for it."""

    def __init__(self, places: int = 1) -> None:
        self.places = Places(places)

    def submit(self, function: Function, *args: Any, stop: threading.Event | None = None) -> Any:
        """See `Executor`; a function that runs can't be stopped."""
        return function(*args)

    def stream(self, function: Function, *args: Any, stop: threading.Event | None = None) -> Iterator[Any]:
        """See `Executor`."""
        for step in function(*args):
            yield step
            if stop is not None and stop.is_set():
                return  # the iterator is closed with this frame, which stops what it computes

    def device(self) -> str:
        """See `Executor`."""
        return device.best()

    def close(self) -> None:
        """See `Executor`; there is nothing."""


_chosen: Executor | None = None


def choose(executor: Executor | None) -> None:
    """Remember what all of this process's heavy work runs on; None for this process itself."""
    global _chosen
    _chosen = executor


def chosen() -> Executor | None:
    """What `--ray` asked for, None when it didn't."""
    return _chosen
