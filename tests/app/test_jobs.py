"""The gate: bounded, one at a time, with a deadline, and plain words for every way to fail."""

import errno
import threading
import time

import pytest

from app.jobs import Gate, in_plain_words
from models.core.errors import UserError
from tests.served import until


def key_of(gate, work, gone=None):
    with pytest.raises(UserError) as caught:
        gate.run(work, gone)
    return caught.value.key


def failing(error):
    def work():
        raise error

    return work


def test_the_result_comes_through():
    assert Gate().run(lambda: 7) == 7


def test_one_job_at_a_time():
    gate, inside, most = Gate(waiting=9), [], []

    def work():
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.02)
        inside.pop()

    crowd = [threading.Thread(target=gate.run, args=(work,)) for _ in range(6)]
    [one.start() for one in crowd]
    [one.join() for one in crowd]
    assert most == [1] * 6


def test_a_full_line_says_busy_and_the_next_gets_in_later():
    gate, go = Gate(places=1, waiting=1), threading.Event()
    crowd = [threading.Thread(target=gate.run, args=(lambda: go.wait(10),)) for _ in range(2)]
    [one.start() for one in crowd]
    assert until(lambda: gate._inside == 2)
    assert key_of(gate, lambda: 1) == "busy"
    go.set()
    [one.join() for one in crowd]
    assert gate.run(lambda: 1) == 1


def test_a_deadline_ends_the_wait_and_the_place_comes_free_with_the_work():
    gate, go = Gate(deadline=0.15), threading.Event()
    assert key_of(gate, lambda: go.wait(10)) == "too_slow"
    assert key_of(gate, lambda: 1) == "too_slow"  # the first still computes
    go.set()
    assert gate.run(lambda: 2) == 2


def test_a_visitor_who_leaves_gives_up_the_place_in_the_line():
    gate, go, gone = Gate(), threading.Event(), threading.Event()
    first = threading.Thread(target=gate.run, args=(lambda: go.wait(10),))
    first.start()
    started = []
    keys = []
    second = threading.Thread(target=lambda: keys.append(key_of(gate, lambda: started.append(1), gone)))
    assert until(lambda: gate._inside == 1)
    second.start()
    gone.set()
    second.join(5)
    assert keys == ["cancelled"]
    assert started == []
    go.set()
    first.join()
    assert gate.run(lambda: 3) == 3


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
    gate = Gate()
    assert key_of(gate, failing(error)) == key
    assert gate.run(lambda: 4) == 4


def test_a_bug_is_logged_without_what_the_visitor_said(caplog):
    secret = "the letter from my doctor"
    try:
        raise ValueError(f"cannot parse {secret}")
    except ValueError as bug:
        error = in_plain_words(bug)
    assert error.key == "internal"
    assert error.facts["reference"] in caplog.text
    assert "ValueError" in caplog.text
    assert "test_jobs.py" in caplog.text
    assert secret not in caplog.text
