"""What runs on a worker of a Ray cluster: one job at a time, in a process of its own.

`run` and `stream` wait for each other; `stop`, `alive` and `about` are answered while one of them works.
"""

import hashlib
import os
import pickle
import shutil
import tempfile
import traceback
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.core import checkpoints, device, locked_folder
from models.core.crossing import Receiver
from models.core.errors import UserError, WorkerError, as_user_error

KEPT = 12  # scans that a worker keeps
ROOT = Path(__file__).resolve().parents[1]  # of what computes


@dataclass(frozen=True)
class Build:
    """What answers depend on. code, weights: 12 hex digits, of the sources and of all checkpoints."""

    code: str
    weights: str


@dataclass(frozen=True)
class About:
    """A worker as it says it is. device: "cuda", "mps" or "cpu". visible: CUDA's numbers of its devices."""

    build: Build
    device: str
    visible: str
    process: int


@dataclass(frozen=True)
class Failed:
    """A job ended with this error in place of a result."""

    error: Exception


def build() -> Build:
    """The build of this process."""
    code = hashlib.sha256()
    for path in sorted(ROOT.rglob("*.py")):
        code.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return Build(code.hexdigest()[:12], checkpoints.fingerprint())


class Worker:
    """Runs jobs, each a function of a module and its arguments as `crossing.Sender` packed them."""

    def __init__(self, wanted: str, threads: int) -> None:
        """wanted: see `device.choose`. threads: of torch; with another number answers differ a little."""
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        locked_folder.sweep()
        self._folder = locked_folder.make()
        tempfile.tempdir = os.environ["TMPDIR"] = str(self._folder)
        self._kept: OrderedDict[str, Any] = OrderedDict()
        self._stopped: deque[str] = deque(maxlen=100)
        import torch

        torch.set_num_threads(threads)
        device.choose(wanted)

    def about(self) -> About:
        """What the worker is."""
        return About(build(), device.best(), os.environ.get("CUDA_VISIBLE_DEVICES", ""), os.getpid())

    def alive(self) -> None:
        """Answers."""

    def stop(self, job: str) -> None:
        """A job ends at its next step, or when it arrives."""
        self._stopped.append(job)

    def run(self, job: str, data: bytes, references: Mapping[str, list[Any]]) -> bytes:
        """What the job gives, or `Failed`, packed."""
        with self._received(references) as end:
            try:
                function, args = end.unpack(data)
                if job in self._stopped:
                    raise UserError("cancelled")
                return end.pack(function(*args))
            except Exception as error:
                return end.pack(Failed(_told(error)))

    def stream(self, job: str, data: bytes, references: Mapping[str, list[Any]]) -> Iterator[bytes]:
        """What the job yields, or `Failed`, packed."""
        with self._received(references) as end:
            try:
                function, args = end.unpack(data)
                steps = iter(function(*args))
                while job not in self._stopped and (step := next(steps, end)) is not end:
                    yield end.pack(step)
            except Exception as error:
                yield end.pack(Failed(_told(error)))

    @contextmanager
    def _received(self, references: Mapping[str, list[Any]]) -> Iterator[Receiver]:
        """A job's end, with a folder for its files that goes with it."""
        place = Path(tempfile.mkdtemp(dir=self._folder))
        try:
            yield Receiver(place, self._keeping(references))
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def _keeping(self, references: Mapping[str, list[Any]]) -> Callable[[str], Any]:
        """What gives a kept value by its key; fetched where it isn't kept yet."""

        def kept(key: str) -> Any:
            if key not in self._kept:
                self._kept[key] = _fetched(references[key][0])
            self._kept.move_to_end(key)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return self._kept[key]

        return kept


def _fetched(reference: Any) -> Any:
    """A value that was put into Ray's store, packed."""
    import ray

    return pickle.loads(ray.get(reference))  # noqa: S301 - what one's own page put there


def _told(error: Exception) -> Exception:
    """What is told of an error where the job was asked for."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    return as_user_error(error) or WorkerError(type(error).__qualname__, frames)
