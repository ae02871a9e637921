"""The one gate for heavy work: a bounded queue, a deadline, and plain words when it fails."""

import errno
import logging
import queue
import secrets
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from models.core.errors import UserError
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
    """

    def __init__(
        self, places: int = 1, longest_wait: float = 90.0, usual: float = 5.0, deadline: float = 60.0
    ) -> None:
        self._places = places
        self._longest_wait = longest_wait
        self._seconds = usual
        self._running = 0
        self._line: list[object] = []
        self._changed = threading.Condition()
        self.deadline = deadline

    @property
    def inside(self) -> int:
        """How many jobs run or wait."""
        return self._running + len(self._line)

    def run(self, work: Callable[[], T], gone: threading.Event | None = None) -> T:
        """The result of `work()`, run on a thread of its own.

        gone: set when the visitor has left; the place is then given up.
        Raises UserError: what `work` raised itself, "busy", "too_slow", "cancelled",
        "out_of_memory", "disk_full", or "internal" for a bug (logged under a reference).
        """
        return self._pass(work, gone or threading.Event())

    def stream(
        self,
        work: Callable[[], Iterator[T]],
        gone: threading.Event | None = None,
        line: Callable[[int], T] | None = None,
    ) -> Iterator[T]:
        """What the iterator that `work()` makes yields, each as soon as it is there.

        Closing this iterator, or setting `gone`, ends the work at its next step. The deadline
        counts anew from each step. line: makes what is yielded first of how many are before it, and
        again whenever they are fewer. Raises as `run` does.
        """
        gone = gone or threading.Event()
        yield from self._wait(gone, line)
        yield from self._follow(work, gone)

    def _pass(self, work: Callable[[], T], gone: threading.Event) -> T:
        end = time.monotonic() + self.deadline
        for _ in self._wait(gone):
            pass
        job = _Job(work, self._leave)
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

        job = _Job(forward, self._leave)
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

    def _wait(self, gone: threading.Event, line: Callable[[int], T] | None = None) -> Iterator[T]:
        """Take a place, telling meanwhile how many are before; "busy" where the line is too long to join."""
        end, told, ticket = time.monotonic() + self.deadline, -1, object()
        with self._changed:
            if self.wait_for(self.inside + 1) > self._longest_wait:
                raise UserError("busy")
            self._line.append(ticket)
        try:
            while not self._placed(ticket):
                self._look(end, gone)
                with self._changed:
                    ahead = self._running + self._line.index(ticket)
                if line is not None and ahead != told:
                    told = ahead
                    yield line(ahead)
        finally:
            with self._changed:
                if ticket in self._line:
                    self._line.remove(ticket)
                    self._changed.notify_all()

    def _placed(self, ticket: object) -> bool:
        """Whether it was this one's turn, within a moment."""
        with self._changed:
            if self._line[0] is not ticket or self._running >= self._places:
                self._changed.wait(POLL)
            if self._line[0] is not ticket or self._running >= self._places:
                return False
            self._line.remove(ticket)
            self._running += 1
            self._changed.notify_all()
            return True

    def wait_for(self, order: int) -> float:
        """About how many seconds the `order`-th job of those here waits; running ones count."""
        return max(0, order - self._places) * self._seconds / self._places

    def _leave(self, seconds: float) -> None:
        """A job has ended and took so many seconds; what jobs take is averaged over the last ten or so."""
        with self._changed:
            self._seconds += 0.1 * (seconds - self._seconds)
            self._running -= 1
            self._changed.notify_all()

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
