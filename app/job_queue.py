"""The one gate for heavy work: a bounded queue, a deadline, and plain words when it fails."""

import errno
import logging
import queue
import secrets
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from models.core.errors import UserError

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

    def __init__(self, work: Callable[[], T], place: threading.Semaphore) -> None:
        self._work, self._place = work, place
        self.result: T | None = None
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        _working.add(self.thread)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.result = self._work()
        except BaseException as error:  # handed to the thread that waits
            self.error = error
        finally:
            _working.discard(self.thread)
            self._place.release()


class JobQueue:
    """Lets `places` jobs run at once and `waiting` more stand in line.

    A job that passes its deadline is given up: its visitor is told, and its place comes
    free when the computation ends, so two heavy jobs never share a place.
    """

    def __init__(self, places: int = 1, waiting: int = 8, deadline: float = 60.0) -> None:
        self._place = threading.Semaphore(places)
        self._lock = threading.Lock()
        self._room = places + waiting
        self._inside = 0
        self.deadline = deadline

    def run(self, work: Callable[[], T], gone: threading.Event | None = None) -> T:
        """The result of `work()`, run on a thread of its own.

        gone: set when the visitor has left; the place is then given up.
        Raises UserError: what `work` raised itself, "busy", "too_slow", "cancelled",
        "out_of_memory", "disk_full", or "internal" for a bug (logged under a reference).
        """
        with self._inside_line():
            return self._pass(work, gone or threading.Event())

    def stream(self, work: Callable[[], Iterator[T]], gone: threading.Event | None = None) -> Iterator[T]:
        """What the iterator that `work()` makes yields, each as soon as it is there.

        Closing this iterator, or setting `gone`, ends the work at its next step. The deadline
        counts anew from each step. Raises as `run` does.
        """
        with self._inside_line():
            yield from self._follow(work, gone or threading.Event())

    @contextmanager
    def _inside_line(self) -> Iterator[None]:
        with self._lock:
            if self._inside >= self._room:
                raise UserError("busy")
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1

    def _pass(self, work: Callable[[], T], gone: threading.Event) -> T:
        end = time.monotonic() + self.deadline
        self._enter(end, gone)
        job = _Job(work, self._place)
        while job.thread.is_alive():
            job.thread.join(POLL)
            if job.thread.is_alive():
                self._look(end, gone)
        if job.error is not None:
            raise in_plain_words(job.error) from None
        return job.result  # type: ignore[return-value]

    def _follow(self, work: Callable[[], Iterator[T]], gone: threading.Event) -> Iterator[T]:
        steps: queue.SimpleQueue[T] = queue.SimpleQueue()
        left = threading.Event()

        def forward() -> None:
            for step in work():
                steps.put(step)
                if left.is_set():
                    return  # the iterator is closed with this frame, which stops what it computes

        self._enter(time.monotonic() + self.deadline, gone)
        job = _Job(forward, self._place)
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

    def _enter(self, end: float, gone: threading.Event) -> None:
        while not self._place.acquire(timeout=POLL):
            self._look(end, gone)

    def _look(self, end: float, gone: threading.Event) -> None:
        if gone.is_set():
            raise UserError("cancelled")
        if time.monotonic() > end:
            raise UserError("too_slow", seconds=round(self.deadline))


def in_plain_words(error: BaseException) -> UserError:
    """The UserError that stands for any error; a bug is logged without its message.

    A message can carry what a visitor typed or a file's name, so the log keeps the kind
    of the error and the lines of code it passed, under a reference the visitor sees too.
    """
    if isinstance(error, UserError):
        return error
    if isinstance(error, MemoryError) or _torch_out_of_memory(error):
        return UserError("out_of_memory")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UserError("disk_full")
    reference = secrets.token_hex(4)
    frames = "".join(traceback.format_list(traceback.extract_tb(error.__traceback__)))
    log.error("bug %s: %s\n%s", reference, type(error).__qualname__, frames)
    return UserError("internal", reference=reference)


def _torch_out_of_memory(error: BaseException) -> bool:
    """torch says so by a class of its own on a GPU and by a plain RuntimeError on a CPU."""
    if type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
