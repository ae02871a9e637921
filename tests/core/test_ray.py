"""Heavy work on a Ray cluster of two nodes with four made-up GPUs, and every way to lose a machine.

The tests come in an order: the later ones kill what the earlier ones need.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.job_queue import JobQueue
from models.colonoscopy.data import exports
from models.colonoscopy.pipeline import Order
from models.colonoscopy.synthesis import sampling
from models.core import executors
from models.core.errors import UserError, WorkerError
from models.core.ray_cluster import WAIT_FOR_HEAD
from models.core.ray_executor import RayExecutor
from models.scene.data.scan import Scan
from tests.colonoscopy.makers import mask_of
from tests.core import ray_jobs
from tests.launched import ROOT
from tests.scene.scan_makers import room
from tests.served import until

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed")

PATIENCE = 5.0  # seconds in which a worker has to answer


@pytest.fixture(scope="module")
def cluster() -> Iterator[object]:
    """Two nodes on this machine, each with two GPUs that are none, behind a token."""
    tempfile.gettempdir()  # found before the variable changes, which is meant for the nodes
    folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))  # short, since Ray's sockets lie in it
    (folder / "token").write_text("0" * 64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN_PATH", str(folder / "token"))
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("TMPDIR", str(folder))
        patch.setenv("RAY_worker_niceness", "0")  # 15 else, and other tests run beside
        from ray.cluster_utils import Cluster

        node = {"num_cpus": 2, "num_gpus": 2}
        found = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
        found.add_node(**node)
        try:
            yield found
        finally:
            found.shutdown()
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def ray(cluster) -> Iterator[RayExecutor]:
    """The page's executor."""
    executor = RayExecutor(cluster.address, patience=PATIENCE, warm=[(ray_jobs.where,)])
    executors.choose(executor)
    try:
        yield executor
    finally:
        executors.choose(None)
        executor.close()


@pytest.fixture
def whole(ray) -> RayExecutor:
    """The executor with all its workers, also those that a test before has lost."""
    assert until(lambda: len(ray.workers()) == 4, 120), ray.workers()
    assert until(lambda: ray.places.taken == 0)
    return ray


def on(node: object, executor: RayExecutor) -> list[int]:
    """Processes of the workers on a node."""
    crew = list(executor._crew)
    return [hand.about.process for hand in crew if hand.share.node == node.node_id]


@contextmanager
def at_work(executor: RayExecutor) -> Iterator[list[dict]]:
    """A visitor at each worker, who watches steps until they end; what each saw, and why it ended."""
    visitors = [{"seen": [], "key": None} for _ in range(4)]
    go_home = threading.Event()

    def watch(visitor: dict) -> None:
        try:
            for step in JobQueue(places=4, heavy=True).stream(ray_jobs.steps, 10**6, 0.05, gone=go_home):
                visitor["seen"].append(step)
        except UserError as error:
            visitor["key"], visitor["at"] = error.key, time.monotonic()

    crowd = [threading.Thread(target=watch, args=(visitor,)) for visitor in visitors]
    [one.start() for one in crowd]
    try:
        assert until(lambda: all(len(one["seen"]) > 3 for one in visitors), 20)
        yield visitors
    finally:
        go_home.set()
        [one.join(30) for one in crowd]


def those_of(visitors: list[dict], processes: list[int]) -> list[dict]:
    return [one for one in visitors if one["seen"][0][0] in processes]


def test_a_wrong_token_is_refused(cluster):
    """Before this process joins: Ray remembers a token for as long as a process lives."""
    ask = (
        "import sys; from models.core.ray_executor import RayExecutor\n"
        "from models.core.errors import UserError\n"
        "try:\n    RayExecutor(sys.argv[1])\n"
        "except UserError as error:\n    print(error.key, flush=True)\n"
        "import os; os._exit(0)"
    )
    environment = {**os.environ, "RAY_AUTH_TOKEN": "1" * 64, "RAY_NUM_REDIS_GET_RETRIES": "1"}
    environment.pop("RAY_AUTH_TOKEN_PATH")
    command = [sys.executable, "-c", ask, cluster.address]
    answer = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=90, check=False
    )
    assert answer.stdout.split()[-1:] == ["ray_token"], answer.stderr[-2000:]


def test_four_gpus_on_two_nodes_are_four_workers(cluster, whole):
    found = sorted(about.visible for _, about in whole.workers())
    assert found == ["0", "0", "1", "1"]
    assert whole.places.count == 4 and whole.device() == "4 × cpu"
    for node in cluster.list_all_nodes():
        assert len(on(node, whole)) == 2


def test_results_and_errors_come_back(whole):
    values = np.arange(5.0)
    back = whole.submit(ray_jobs.doubled, values)
    assert np.array_equal(back, 2 * values) and back.flags.writeable
    assert [number for _, number in whole.stream(ray_jobs.steps, 20, 0.0)] == list(range(20))
    with pytest.raises(UserError) as caught:
        whole.submit(ray_jobs.refuses)
    assert caught.value.facts == {"object": 7}
    with pytest.raises(WorkerError) as bug:
        whole.submit(ray_jobs.breaks)
    assert ray_jobs.LETTER not in str(bug.value) and "in breaks" in bug.value.frames


def test_the_same_bits_as_in_this_process(whole):
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)  # what a worker has: its share of the processors
    try:
        assert np.array_equal(whole.submit(ray_jobs.convolved, 5), ray_jobs.convolved(5))
    finally:
        torch.set_num_threads(before)


def test_a_scan_crosses_once_and_is_kept_by_its_content(whole):
    scan = Scan("room", *room())
    seen = {whole.submit(ray_jobs.place, one) for one in (scan, scan, Scan("room", *room()))}
    assert len({process for process, _, _ in seen}) == len(seen)  # one place in each worker that was asked
    assert {count for _, _, count in seen} == {len(scan.vertices)}
    others = [replace(scan, name=str(number)) for number in range(20)]
    assert [whole.submit(ray_jobs.place, one)[2] for one in others] == [len(scan.vertices)] * 20
    assert len(whole._put) == 12


def test_the_worker_that_has_the_lab_loaded_is_preferred(whole):
    assert len({whole.submit(ray_jobs.where)[0] for _ in range(8)}) == 1


def test_files_come_home(whole, tmp_path):
    (tmp_path / "given.wav").write_bytes(b"RIFF")
    (tmp_path / "out").mkdir()
    order = ray_jobs.Order(tmp_path / "given.wav", "!")
    step, made = whole.stream(ray_jobs.film, order, tmp_path / "out")
    assert step.preview == tmp_path / "out" / "first.mp4" and step.preview.read_bytes() == b"RIF"
    assert made["whole"].read_bytes() == b"RIFF!"


def test_stop_reaches_the_worker(whole, tmp_path):
    beats, stop = tmp_path / "beats", threading.Event()
    running = JobQueue(heavy=True).stream(ray_jobs.steps, 10**6, 0.05, str(beats), gone=stop)
    next(running)
    stop.set()
    stopped = time.monotonic()
    with pytest.raises(UserError, match="cancelled"):
        list(running)
    assert until(lambda: whole.places.taken == 0, 2) and time.monotonic() - stopped < 2
    last = beats.read_text()
    time.sleep(0.5)
    assert beats.read_text() == last
    assert len(whole.workers()) == 4  # nobody was killed for it


def test_a_data_set_is_the_same_as_in_this_process(whole, tmp_path):
    import torch

    (tmp_path / "m.png").write_bytes(exports.mask_png(mask_of()))
    wanted = sampling.jobs([tmp_path / "m.png"], 2, 7)
    order = Order(mask_of(), steps=1)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        here = sampling.sample(wanted, order, tmp_path / "here")
    finally:
        torch.set_num_threads(before)
    there = sampling.sample(wanted, order, tmp_path / "there", executor=whole)
    assert [row | {"seconds": 0} for row in there] == [row | {"seconds": 0} for row in here]
    for job in wanted:
        one, other = (
            np.asarray(Image.open(tmp_path / at / "images" / f"{job.name}.png")) for at in ("here", "there")
        )
        assert np.array_equal(one, other)


def test_another_build_is_refused_with_both_hashes(cluster, whole, tmp_path, caplog):
    ray_jobs.import_checkpoint(tmp_path)
    node = cluster.add_node(num_cpus=1, num_gpus=1, env_vars={"TRILAB_HOME": str(tmp_path)})
    try:
        assert until(lambda: "has another Trilab" in caplog.text, 120)
        said = next(line for line in caplog.text.splitlines() if "has another Trilab" in line)
        ours = whole._build
        assert f"here are {ours.code} {ours.weights}, there {ours.code} " in said
        assert said.count(ours.weights) == 1
        assert on(node, whole) == []
    finally:
        cluster.remove_node(node)


def test_a_killed_worker_is_told_and_the_next_order_runs_elsewhere(whole):
    kept = Path(whole.submit(ray_jobs.where)[2])
    queue = JobQueue(heavy=True)
    running = queue.stream(ray_jobs.steps, 10**6, 0.05)
    seen = [next(running) for _ in range(3)]
    os.kill(seen[0][0], signal.SIGKILL)
    killed = time.monotonic()
    with pytest.raises(UserError, match="worker_lost"):
        seen.extend(running)
    assert time.monotonic() - killed < 3
    assert [number for _, number in seen] == list(range(len(seen)))  # what was drawn stays
    assert queue.run(ray_jobs.where)[0] != seen[0][0]
    assert kept.exists()
    assert until(lambda: len(whole.workers()) == 4, 120)
    assert not kept.exists()  # swept when the next worker started


def test_a_frozen_node_is_told_within_our_own_deadline(cluster, whole):
    (node,) = cluster.worker_nodes
    workers = on(node, whole)
    raylet = node.all_processes["raylet"][0].process.pid
    with at_work(whole) as visitors:
        frozen = time.monotonic()
        for process in (raylet, *workers):
            os.kill(process, signal.SIGSTOP)
        try:
            lost = those_of(visitors, workers)
            assert len(lost) == 2 and until(lambda: all(one["key"] for one in lost), PATIENCE + 5)
            assert {one["key"] for one in lost} == {"worker_lost"}
            assert max(one["at"] for one in lost) - frozen < PATIENCE + 4
            assert [one["key"] for one in visitors if one not in lost] == [None, None]
        finally:
            for process in (raylet, *workers):
                os.kill(process, signal.SIGCONT)
    assert whole.submit(ray_jobs.where)[0] not in workers


def test_a_killed_node_is_told_and_the_others_go_on(cluster, whole):
    (node,) = cluster.worker_nodes
    workers = on(node, whole)
    with at_work(whole) as visitors:
        killed = time.monotonic()
        cluster.remove_node(node, allow_graceful=False)
        lost = those_of(visitors, workers)
        assert len(lost) == 2 and until(lambda: all(one["key"] for one in lost), 10)
        assert {one["key"] for one in lost} == {"worker_lost"} and time.monotonic() - killed < 15
    assert whole.submit(ray_jobs.where)[0] not in workers
    assert whole.places.count == 2


HEAD_LOST = """
import os, sys, time
from ray.cluster_utils import Cluster
of_nodes = {"RAY_gcs_rpc_server_reconnect_timeout_s": "2"}  # they go at once, and we stay
head = {"num_cpus": 1, "include_dashboard": False, "env_vars": of_nodes}
cluster = Cluster(initialize_head=True, head_node_args=head)
from models.core.errors import UserError
from models.core.ray_executor import RayExecutor
from tests.core import ray_jobs
executor = RayExecutor(cluster.address, patience=5)
executor.submit(ray_jobs.where)
cluster.head_node.kill_gcs_server()
end, said = time.monotonic() + 40, ""
while said != "workers_gone" and time.monotonic() < end:
    try:
        executor.submit(ray_jobs.waits, 0.2)
    except UserError as error:
        said = error.key
time.sleep(3)
print(said, flush=True)
executor.close()
os._exit(0)
"""


def test_the_page_outlives_a_lost_head_and_says_so():
    folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
    (folder / "token").write_text("2" * 64)
    around = {
        **os.environ,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(folder / "token"),
        "PYTHONPATH": str(ROOT),
        "TMPDIR": str(folder),
        "RAY_worker_niceness": "0",
        WAIT_FOR_HEAD: "1000000",  # what `join` sets before Ray is imported, which this script did
    }
    try:
        answer = subprocess.run(
            [sys.executable, "-c", HEAD_LOST],
            cwd=ROOT,
            env=around,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        assert answer.stdout.split()[-1:] == ["workers_gone"], answer.stderr[-2000:]
        assert answer.returncode == 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)
