"""The one gate for heavy work: a bounded queue, a deadline, and plain words when it fails."""

import logging
import queue
import secrets
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from models.core import executors
from models.core.errors import UserError, WorkerError, as_user_error
from models.core.executors import Executor, Function, InProcessExecutor
from models.core.progress import Ahead, Progress

log = logging.getLogger("trilab")
T = TypeVar("T")

_working: set[threading.Thread] = set()


def idle() -> bool:
    """Whether no job runs in any gate."""
    return not _working


def wait_until_idle(seconds: float) -> None:
    """Wait until no job runs, at most so long."""
    end = time.monotonic() + seconds
    while _working and time.monotonic() < end:
        time.sleep(0.05)


POLL = 0.1  # seconds between looks at whether the visitor is still there


class _Job(Generic[T]):
    """One piece of work on its own thread, which keeps its place until it has ended."""

    def __init__(self, work: Callable[[], T], leave: Callable[[float], None]) -> None:
        self._work, self._leave = work, leave
        self.result: T | None = None
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        _working.add(self.thread)
        self.thread.start()

    def _run(self) -> None:
        started = time.monotonic()
        try:
            self.result = self._work()
        except BaseException as error:  # handed to the thread that waits
            self.error = error
        finally:
            _working.discard(self.thread)
            self._leave(time.monotonic() - started)


class JobQueue:
    """Lets `places` jobs run at once; others stand in line, first come, first served.

    A line is bounded by the wait it means: nobody is let in who would wait longer than `longest_wait`
    seconds, going by what jobs here have taken lately (`usual` at first). A job that passes its deadline is
    given up: its visitor is told, and its place comes free when the computation ends, so two heavy jobs never
    share one.

    heavy: its jobs run where `--ray` asks for, and then on the places there, which all such queues share.
    They are functions of modules and frozen values.
    """

    def __init__(
        self,
        places: int = 1,
        longest_wait: float = 90.0,
        usual: float = 5.0,
        deadline: float = 60.0,
        heavy: bool = False,
    ) -> None:
        self._here = InProcessExecutor(places)
        self._heavy = heavy
        self._longest_wait = longest_wait
        self._seconds = usual
        self._running = 0
        self._line: list[object] = []
        self.deadline = deadline

    @property
    def _executor(self) -> Executor:
        return (executors.chosen() if self._heavy else None) or self._here

    @property
    def inside(self) -> int:
        """How many jobs run or wait."""
        return self._running + len(self._line)

    def run(self, function: Callable[..., T], *args: Any, gone: threading.Event | None = None) -> T:
        """The result of `function(*args)`, run on a thread of its own.

        gone: set when the visitor has left; the place is then given up.
        Raises UserError: what the function raised itself, "busy", "too_slow", "cancelled",
        "out_of_memory", "disk_full", "internal" for a bug (logged under a reference), and as the
        executor does.
        """
        gone = gone or threading.Event()
        executor, end, left = self._executor, time.monotonic() + self.deadline, threading.Event()
        for _ in self._wait(executor, gone):
            pass
        job = self._begun(executor, lambda: executor.submit(function, *args, stop=left))
        try:
            while job.thread.is_alive():
                job.thread.join(POLL)
                if job.thread.is_alive():
                    self._look(end, gone)
        finally:
            left.set()
        if job.error is not None:
            raise in_plain_words(job.error) from None
        return job.result  # type: ignore[return-value]

    def stream(
        self,
        function: Callable[..., Iterator[T]],
        *args: Any,
        gone: threading.Event | None = None,
        line: Callable[[int], T] | None = None,
    ) -> Iterator[T]:
        """What the iterator that `function(*args)` makes yields, each as soon as it is there.

        Closing this iterator, or setting `gone`, ends the work at its next step. The deadline
        counts anew from each step. line: makes what is yielded first of how many are before it, and
        again whenever they are fewer. Raises as `run` does.
        """
        gone, executor = gone or threading.Event(), self._executor
        yield from self._wait(executor, gone, line)
        yield from self._follow(executor, gone, function, args)

    def _follow(
        self, executor: Executor, gone: threading.Event, function: Function, args: tuple[Any, ...]
    ) -> Iterator[Any]:
        steps: queue.SimpleQueue[Any] = queue.SimpleQueue()
        left = threading.Event()

        def forward() -> None:
            for step in executor.stream(function, *args, stop=left):
                steps.put(step)

        job = self._begun(executor, forward)
        end = time.monotonic() + self.deadline
        try:
            while True:
                alive = job.thread.is_alive()  # asked first: what it put before it ended is not missed
                try:
                    step = steps.get(timeout=POLL if alive else 0)
                except queue.Empty:
                    if not alive:
                        break
                    self._look(end, gone)
                    continue
                yield step
                self._look(float("inf"), gone)
                end = time.monotonic() + self.deadline
        finally:
            left.set()
        if job.error is not None:
            raise in_plain_words(job.error) from None

    def _wait(
        self, executor: Executor, gone: threading.Event, line: Callable[[int], T] | None = None
    ) -> Iterator[T]:
        """Take a place, telling meanwhile how many are before; "busy" where the line is too long to join."""
        end, told, ticket, places = time.monotonic() + self.deadline, -1, object(), executor.places
        with places.changed:
            if places.count and self.wait_for(self.inside + 1) > self._longest_wait:
                raise UserError("busy")
            self._line.append(ticket)
        try:
            while not self._placed(executor, ticket):
                self._look(end, gone)
                with places.changed:
                    ahead = self._running + self._line.index(ticket)
                if line is not None and ahead != told:
                    told = ahead
                    yield line(ahead)
        finally:
            with places.changed:
                if ticket in self._line:
                    self._line.remove(ticket)
                    places.changed.notify_all()

    def _placed(self, executor: Executor, ticket: object) -> bool:
        """Whether it was this one's turn, within a moment. Raises UserError where no place is left."""
        places = executor.places
        with places.changed:
            if self._line[0] is not ticket or not places.free:
                places.changed.wait(POLL)
            if not places.count:
                raise UserError("workers_gone")
            if self._line[0] is not ticket or not places.free:
                return False
            self._line.remove(ticket)
            self._running += 1
            places.add(taken=1)
            return True

    def wait_for(self, order: int) -> float:
        """About how many seconds the `order`-th job of those here waits; running ones count."""
        count = self._executor.places.count
        return max(0, order - count) * self._seconds / count

    def _begun(self, executor: Executor, work: Callable[[], T]) -> _Job[T]:
        """A job that has its place."""

        def leave(seconds: float) -> None:
            """It has ended; what jobs take is averaged over the last ten or so."""
            with executor.places.changed:
                self._seconds += 0.1 * (seconds - self._seconds)
                self._running -= 1
                executor.places.add(taken=-1)

        return _Job(work, leave)

    def _look(self, end: float, gone: threading.Event) -> None:
        if gone.is_set():
            raise UserError("cancelled")
        if time.monotonic() > end:
            raise UserError("too_slow", seconds=round(self.deadline))


def in_line(ahead: int) -> Progress:
    """What is told to a visitor before whom others stand: key "in_line"."""
    return Progress(0.0, "in_line", Ahead(ahead))


def in_plain_words(error: BaseException) -> UserError:
    """The UserError that stands for any error; a bug is logged without its message.

    A message can carry what a visitor typed or a file's name, so the log keeps the kind
    of the error and the lines of code it passed, under a reference the visitor sees too.
    """
    known = as_user_error(error)
    if known is not None:
        return known
    reference = secrets.token_hex(4)
    kind, frames = type(error).__qualname__, "".join(traceback.format_tb(error.__traceback__))
    if isinstance(error, WorkerError):
        kind, frames = error.kind, error.frames
    log.error("bug %s: %s\n%s", reference, kind, frames)
    return UserError("internal", reference=reference)
