"""The jobs: bounded, one at a time, with a deadline, and plain words for every way to fail."""

import errno
import threading
import time

import pytest

from app.job_queue import JobQueue, in_plain_words
from models.core.errors import UserError
from tests.served import until


def key_of(jobs, work, gone=None):
    with pytest.raises(UserError) as caught:
        jobs.run(work, gone=gone)
    return caught.value.key


def failing(error):
    def work():
        raise error

    return work


def test_the_result_comes_through():
    assert JobQueue().run(lambda: 7) == 7


def test_one_job_at_a_time():
    jobs, together, most = JobQueue(), [], []

    def work():
        together.append(1)
        most.append(len(together))
        time.sleep(0.02)
        together.pop()

    crowd = [threading.Thread(target=jobs.run, args=(work,)) for _ in range(6)]
    [one.start() for one in crowd]
    [one.join() for one in crowd]
    assert most == [1] * 6


def test_a_full_line_says_busy_and_the_next_gets_in_later():
    jobs, go = JobQueue(longest_wait=10, usual=10), threading.Event()
    crowd = [threading.Thread(target=jobs.run, args=(lambda: go.wait(10),)) for _ in range(2)]
    [one.start() for one in crowd]
    assert until(lambda: jobs.inside == 2)
    assert key_of(jobs, lambda: 1) == "busy"
    go.set()
    [one.join() for one in crowd]
    assert jobs.run(lambda: 1) == 1


def test_short_jobs_may_have_a_hundred_behind_them_and_long_ones_may_not():
    quick, slow = JobQueue(usual=0.03), JobQueue(usual=60)
    assert quick.wait_for(101) == pytest.approx(3)
    assert slow.wait_for(3) == 120
    assert JobQueue(places=2, usual=10).wait_for(5) == 15


def test_the_line_learns_how_long_jobs_take():
    jobs = JobQueue(usual=60)
    for _ in range(30):
        jobs.run(lambda: 1)
    assert jobs.wait_for(2) < 5


def test_first_come_first_served():
    jobs, go, order = JobQueue(usual=0.01), threading.Event(), []
    crowd = [threading.Thread(target=jobs.run, args=(lambda: go.wait(10),))]
    crowd += [threading.Thread(target=jobs.run, args=(lambda n=n: order.append(n),)) for n in range(6)]
    for expected, one in enumerate(crowd, 1):
        one.start()
        assert until(lambda expected=expected: jobs.inside == expected)
    go.set()
    [one.join() for one in crowd]
    assert order == list(range(6))


def test_a_deadline_ends_the_wait_and_the_place_comes_free_with_the_work():
    jobs, go = JobQueue(deadline=0.15), threading.Event()
    assert key_of(jobs, lambda: go.wait(10)) == "too_slow"
    assert key_of(jobs, lambda: 1) == "too_slow"  # the first still computes
    go.set()
    assert jobs.run(lambda: 2) == 2


def test_a_visitor_who_leaves_gives_up_the_place_in_the_line():
    jobs, go, gone = JobQueue(), threading.Event(), threading.Event()
    first = threading.Thread(target=jobs.run, args=(lambda: go.wait(10),))
    first.start()
    started = []
    keys = []
    second = threading.Thread(target=lambda: keys.append(key_of(jobs, lambda: started.append(1), gone)))
    assert until(lambda: jobs.inside == 1)
    second.start()
    gone.set()
    second.join(5)
    assert keys == ["cancelled"]
    assert started == []
    go.set()
    first.join()
    assert jobs.run(lambda: 3) == 3


def counting(upto, closed, pause=0.0):
    try:
        for number in range(upto):
            yield number
            time.sleep(pause)
    finally:
        closed.append(1)


def test_a_stream_gives_each_step_and_frees_its_place():
    jobs, closed = JobQueue(), []
    assert list(jobs.stream(counting, 5, closed)) == [0, 1, 2, 3, 4]
    assert jobs.run(lambda: 1) == 1


def test_a_closed_stream_stops_its_work_and_the_place_comes_free():
    jobs, closed = JobQueue(), []
    running = jobs.stream(counting, 10**6, closed, 0.01)
    assert next(running) == 0
    running.close()
    assert until(lambda: closed == [1])
    assert jobs.run(lambda: 1) == 1
    assert jobs.inside == 0


def test_a_visitor_who_leaves_ends_the_stream():
    jobs, closed, gone = JobQueue(), [], threading.Event()
    running = jobs.stream(counting, 10**6, closed, 0.01, gone=gone)
    next(running)
    gone.set()
    with pytest.raises(UserError, match="cancelled"):
        list(running)
    assert until(lambda: closed == [1])


def test_a_stream_that_stands_still_is_given_up():
    jobs, go = JobQueue(deadline=0.15), threading.Event()

    def work():
        yield 1
        go.wait(10)

    with pytest.raises(UserError, match="too_slow"):
        list(jobs.stream(work))
    go.set()
    assert until(lambda: jobs.inside == 0)


def test_a_stream_that_fails_gives_what_it_had_and_then_says_why():
    def work():
        yield 1
        raise MemoryError

    running = JobQueue().stream(work)
    assert next(running) == 1
    with pytest.raises(UserError, match="out_of_memory"):
        next(running)


@pytest.mark.parametrize(
    ("error", "key"),
    [
        (MemoryError(), "out_of_memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 1 bytes"), "out_of_memory"),
        (type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory"), "out_of_memory"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk_full"),
        (UserError("no_scan"), "no_scan"),
        (ValueError("anything"), "internal"),
        (SystemExit(3), "internal"),
    ],
)
def test_every_failure_has_its_words_and_the_next_job_works(error, key):
    jobs = JobQueue()
    assert key_of(jobs, failing(error)) == key
    assert jobs.run(lambda: 4) == 4


def test_a_bug_is_logged_without_what_the_visitor_said(caplog):
    secret = "the letter from my doctor"
    try:
        raise ValueError(f"cannot parse {secret}")
    except ValueError as bug:
        error = in_plain_words(bug)
    assert error.key == "internal"
    assert error.facts["reference"] in caplog.text
    assert "ValueError" in caplog.text
    assert "test_job_queue.py" in caplog.text
    assert secret not in caplog.text
