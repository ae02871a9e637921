"""Many jobs of one kind on an executor: as many at once as it has places, each result as it comes."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Protocol, TypeVar

from models.core.errors import UserError
from models.core.executors import Executor
from models.core.sentences import sentence

AGAIN = 1.0  # seconds until a job whose worker was lost is tried elsewhere


class Named(Protocol):
    """A job that is told of by its name."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...


Job = TypeVar("Job", bound=Named)


def spread(
    executor: Executor, jobs: Sequence[Job], call: Callable[[Job], tuple[Any, ...]]
) -> Iterator[tuple[Job, Any]]:
    """Each job with its result, in the order in which they are done.

    call: the function of a job and its arguments, made when the job's turn comes. A job whose worker was lost
    is tried again. Raises as the functions do, after which no more are begun, and those that run are waited
    for: nothing of a run goes on after it.
    """
    count, stop = executor.places.count, threading.Event()

    def work(job: Job) -> tuple[Job, Any]:
        while True:
            function, *arguments = call(job)
            try:
                return job, executor.submit(function, *arguments, stop=stop)
            except UserError as error:  # a run of days outlives its machines
                if error.key not in ("worker_lost", "workers_gone") or stop.is_set():
                    raise
                print(f"{job.name}: {sentence(error)}", file=sys.stderr, flush=True)
                time.sleep(AGAIN)

    if count == 1:
        yield from map(work, jobs)
        return
    waiting: set[Future[tuple[Job, Any]]] = set()
    pool = ThreadPoolExecutor(count)
    try:
        for job in jobs:
            waiting.add(pool.submit(work, job))
            if len(waiting) == 2 * count:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (one.result() for one in done)
        for one in waiting:
            yield one.result()
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
