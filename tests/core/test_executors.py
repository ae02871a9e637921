"""Where heavy work runs: in this process, and what has to hold so that it can run elsewhere."""

import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.job_queue import JobQueue, in_plain_words
from models.core import executors, ray_cluster
from models.core.crossing import Receiver, Sender
from models.core.errors import UserError, WorkerError
from models.core.executors import InProcessExecutor
from models.core.ray_worker import Worker, build
from models.scene.data.scan import Scan
from tests.core import ray_jobs
from tests.launched import ROOT
from tests.scene.scan_makers import room
from tests.served import until


def small_scan() -> Scan:
    return Scan("room", *room())


def ends(place: Path, known: dict[str, object]) -> tuple[Sender, Receiver]:
    return Sender(), Receiver(place, lambda key: known[key])


def test_here_a_job_runs_where_it_is_asked_for():
    here = InProcessExecutor()
    assert here.submit(threading.current_thread) is threading.current_thread()
    assert list(here.stream(range, 3)) == [0, 1, 2]


def test_here_a_stopped_stream_ends_at_its_next_step():
    stop = threading.Event()
    running = InProcessExecutor().stream(ray_jobs.steps, 100, 0.0, stop=stop)
    assert next(running)[1] == 0
    stop.set()
    assert list(running) == []


def test_a_user_error_crosses_with_its_facts():
    error = pickle.loads(pickle.dumps(UserError("busy", count=3)))
    assert (error.key, error.facts) == ("busy", {"count": 3})


def test_a_closure_is_no_job():
    secret = object()
    with pytest.raises((pickle.PicklingError, AttributeError)):
        Sender().pack((lambda: secret, ()))


def test_files_cross_as_content_and_come_to_lie_in_the_folder_that_was_named(tmp_path):
    given, out, place = tmp_path / "speech.wav", tmp_path / "out", tmp_path / "worker"
    given.write_bytes(b"RIFF")
    out.mkdir()
    sender, receiver = ends(place, {})
    function, args = receiver.unpack(sender.pack((ray_jobs.film, (ray_jobs.Order(given, "!"), out))))
    assert args[0].file != given and args[0].file.name == "speech.wav" and place in args[1].parents
    first, whole = (sender.unpack(receiver.pack(step)) for step in function(*args))
    assert first.preview == out / "first.mp4" and first.preview.read_bytes() == b"RIF"
    assert whole["whole"] == out / "inside" / "whole.mp4" and whole["whole"].read_bytes() == b"RIFF!"


def test_a_file_that_is_not_there_is_missed_by_who_reads_it(tmp_path):
    sender, receiver = ends(tmp_path / "worker", {})
    path = receiver.unpack(sender.pack(tmp_path / "nothing.png"))
    assert path.name == "nothing.png" and not path.exists()


def test_a_scan_crosses_as_a_key_of_its_content(tmp_path):
    scan, other = small_scan(), small_scan()
    sender, receiver = ends(tmp_path / "worker", known := {})
    data = sender.pack((ray_jobs.place, (scan,)))
    known.update(sender.kept)
    assert len(data) < 300 and receiver.unpack(data)[1][0] is scan
    assert other.key == scan.key
    assert replace(scan, vertices=scan.vertices + np.float32(1)).key != scan.key


def test_what_comes_back_of_a_scan_is_whole(tmp_path):
    sender, receiver = ends(tmp_path / "worker", {})
    scan = sender.unpack(receiver.pack(small_scan()))
    assert scan.key == small_scan().key and scan.vertices.flags.writeable


RESULTS = """
import pickle, sys
from models.colonoscopy import pipeline
from models.colonoscopy.types import Box, Finding
from models.face.types import Made
from models.face.sources import tracking
from models.scene.grounding.base import Grounding
from models.scene.types import Answer, Caption, Segmented
import app.scene.service, app.face.service, app.colonoscopy.service
from models.core import ray_executor
assert "torch" not in sys.modules and "ray" not in sys.modules
"""


def test_what_comes_back_imports_no_network():
    """The page was 517 MB after a segmentation, because of the module of its result."""
    subprocess.run([sys.executable, "-c", RESULTS], cwd=ROOT, check=True, timeout=120)


class Elsewhere(InProcessExecutor):
    """Stands for another machine's workers."""


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    """Two places elsewhere."""
    executors.choose(found := Elsewhere(2))
    try:
        yield found
    finally:
        executors.choose(None)


def test_heavy_queues_share_the_places_elsewhere_and_others_stay_here(elsewhere):
    heavy, other, light = JobQueue(heavy=True), JobQueue(heavy=True), JobQueue()
    go = threading.Event()
    crowd = [threading.Thread(target=queue.run, args=(go.wait, 20)) for queue in (heavy, heavy, other, light)]
    [one.start() for one in crowd]
    assert until(lambda: elsewhere.places.taken == 2 and light.inside == 1)
    assert heavy.inside + other.inside == 3
    go.set()
    [one.join() for one in crowd]
    assert elsewhere.places.taken == 0


def test_without_a_place_elsewhere_it_is_said_at_once_and_works_again_later(elsewhere):
    heavy = JobQueue(heavy=True)
    elsewhere.places.add(count=-2)
    with pytest.raises(UserError, match="workers_gone"):
        heavy.run(ray_jobs.waits, 0)
    elsewhere.places.add(count=1)
    assert heavy.run(ray_jobs.waits, 0)


def test_places_that_go_while_somebody_waits_are_missed(elsewhere):
    heavy, go, keys = JobQueue(heavy=True), threading.Event(), []
    holders = [threading.Thread(target=heavy.run, args=(go.wait, 20)) for _ in range(2)]
    [one.start() for one in holders]
    assert until(lambda: elsewhere.places.taken == 2)

    def ask() -> None:
        with pytest.raises(UserError) as caught:
            heavy.run(ray_jobs.waits, 0)
        keys.append(caught.value.key)

    waiting = threading.Thread(target=ask)
    waiting.start()
    assert until(lambda: heavy.inside == 3)
    elsewhere.places.add(count=-2)
    waiting.join(5)
    assert keys == ["workers_gone"]
    go.set()
    [one.join() for one in holders]


def test_a_bug_elsewhere_is_logged_by_its_lines_alone(caplog):
    error = in_plain_words(WorkerError("ValueError", "  File net.py, line 7\n"))
    assert error.key == "internal" and "net.py, line 7" in caplog.text and "ValueError" in caplog.text


def packed(function: object, *args: object) -> tuple[Sender, bytes]:
    sender = Sender()
    return sender, sender.pack((function, args))


@pytest.fixture
def worker(tmp_path, monkeypatch) -> Worker:
    """A worker in this process."""
    import tempfile

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return Worker("auto", 1)


def test_a_worker_tells_errors_and_bugs_without_their_messages(worker):
    sender, data = packed(ray_jobs.refuses)
    assert sender.unpack(worker.run("1", data, {})).error.facts == {"object": 7}
    bug = sender.unpack(worker.run("2", packed(ray_jobs.breaks)[1], {})).error
    assert bug.kind == "ValueError" and "in breaks" in bug.frames and ray_jobs.LETTER not in str(bug.args)


def test_a_worker_ends_a_job_at_its_next_step_or_before_it_begins(worker):
    sender, data = packed(ray_jobs.steps, 100, 0.0)
    running = worker.stream("1", data, {})
    assert sender.unpack(next(running))[1] == 0
    worker.stop("1")
    assert list(running) == []
    worker.stop("2")
    assert list(worker.stream("2", data, {})) == []
    assert len(list(worker.stream("3", data, {}))) == 100


def test_a_worker_keeps_no_file_of_a_job(worker, tmp_path):
    (tmp_path / "given").write_bytes(b"x")
    (tmp_path / "out").mkdir()
    _, data = packed(ray_jobs.film, ray_jobs.Order(tmp_path / "given", ""), tmp_path / "out")
    list(worker.stream("1", data, {}))
    folder = Path(ray_jobs.where()[2])
    assert [path.name for path in folder.iterdir()] == ["lock"]


def test_another_checkpoint_is_another_build(tmp_path, monkeypatch):
    before = build()
    ray_jobs.import_checkpoint(tmp_path)
    monkeypatch.setenv("TRILAB_HOME", str(tmp_path))
    after = build()
    assert after.code == before.code and after.weights != before.weights


@pytest.mark.parametrize(
    ("address", "key"), [("somewhere", "ray_address"), ("h:0", "ray_address"), ("127.0.0.1:9", "ray_missing")]
)
def test_an_address_without_a_cluster_is_told_within_a_second(address, key):
    pytest.importorskip("ray")
    import time

    began = time.monotonic()
    with pytest.raises(UserError) as caught:
        ray_cluster.join(address)
    assert caught.value.key == key and time.monotonic() - began < 1


def test_nobody_else_reads_the_token(tmp_path, monkeypatch):
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "")  # noted, so that what is set below goes again
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH")
    ray_cluster._write_token(tmp_path / "token")
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600 and len(
        (tmp_path / "token").read_text()
    ) == 64
    (tmp_path / "rays").write_text("written by Ray")
    (tmp_path / "rays").chmod(0o644)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "rays"))
    ray_cluster._hide_token()
    assert (tmp_path / "rays").stat().st_mode & 0o777 == 0o600
