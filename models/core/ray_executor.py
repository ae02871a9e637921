"""Heavy work on the workers of a Ray cluster: several GPUs, several machines."""

import logging
import pickle
import secrets
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from models.core import ray_cluster
from models.core.crossing import Keyed, Sender
from models.core.errors import UserError
from models.core.executors import Function, Places
from models.core.ray_cluster import Share
from models.core.ray_worker import KEPT, About, Failed, Worker, build
from models.core.sentences import sentence

log = logging.getLogger("trilab")

POLL = 0.1  # seconds between looks at whether a job is still wanted and its worker there
PULSE, HIRE = 0.5, 2.0  # seconds between two questions to a worker, two looks for new machines
START = 180.0  # seconds that a worker may take to start
GRACE = 30.0  # seconds that a job which is not wanted may take to its next step
AHEAD = 4  # results that a job may be ahead of who reads them


@dataclass
class _Hand:
    """A worker as it is seen from here. about: None until it has started. labs: whose networks it has.

    pulse: the question whether it lives that was asked last, at `asked`; None where it was answered.
    """

    actor: Any
    share: Share
    since: float
    about: About | None = None
    labs: set[str] = field(default_factory=set)
    busy: bool = False
    pulse: Any = None
    asked: float = 0.0
    lost: bool = False


class RayExecutor:
    """Runs jobs on a cluster's workers, each an actor with one job at a time, which are replaced when lost.

    wanted: the device, see `device.choose`; the workers must have it. patience: seconds in which a worker has
    to answer, whatever it does. warm: jobs, each a function and its arguments, that load a lab's networks;
    the workers share them out at the start.
    """

    def __init__(
        self,
        address: str,
        wanted: str = "auto",
        patience: float = 20.0,
        warm: Sequence[tuple[Any, ...]] = (),
    ) -> None:
        """Join the cluster and wait for its workers.

        Raises UserError: as `ray_cluster.join`, worker_differs, ray_empty.
        """
        self.address, self.wanted, self.patience = address, wanted, patience
        self.places = Places(0)
        self._crew: list[_Hand] = []
        self._starting: dict[Any, _Hand] = {}
        self._refused: set[str] = set()
        self._put: OrderedDict[str, Any] = OrderedDict()
        self._closed = threading.Event()
        self._build = build()
        ray_cluster.join(address)
        try:
            self._gather()
        except BaseException:
            self.close()
            raise
        self._warm_up(warm)
        for work, pause in ((self._feel, PULSE), (self._hire, HIRE)):
            threading.Thread(target=self._every, args=(pause, work), daemon=True).start()

    def submit(self, function: Function, *args: Any, stop: threading.Event | None = None) -> Any:
        """See `Executor`. Raises UserError: worker_lost where the worker or its machine was lost meanwhile,
        workers_gone where there is none.
        """
        with self._hand(function) as hand:
            return self._submit(hand, stop or threading.Event(), function, *args)

    def stream(self, function: Function, *args: Any, stop: threading.Event | None = None) -> Iterator[Any]:
        """See `Executor`. Raises as `submit` does; what was yielded before stays."""
        with self._hand(function) as hand:
            job, sender = _Job(self, hand, stop or threading.Event()), Sender()
            data = sender.pack((function, args))
            method = hand.actor.stream.options(
                num_returns="streaming", _generator_backpressure_num_objects=AHEAD
            )
            steps = method.remote(job.name, data, self._references(sender))
            try:
                while (reference := job.next(steps)) is not None:
                    if not job.stop.is_set():
                        yield job.value(reference, sender)
            except GeneratorExit:
                job.stop.set()
                while job.next(steps) is not None:  # a dropped generator would end nothing
                    pass
                raise

    def device(self) -> str:
        """See `Executor`."""
        kinds = Counter(about.device for _, about in self.workers())
        return ", ".join(f"{count} × {kind}" for kind, count in kinds.items())

    def workers(self) -> list[tuple[str, About]]:
        """The address of the machine and the facts of each worker that is there."""
        with self.places.changed:
            return [(hand.share.address, hand.about) for hand in self._crew if hand.about]

    def dismiss(self, hand: _Hand) -> None:
        """A worker is lost: nothing is given to it any more."""
        with self.places.changed:
            if hand not in self._crew:
                return
            hand.lost = True
            self._crew.remove(hand)
            self.places.add(count=-1)
        log.warning("A worker on %s was lost.", hand.share.address)
        _end(hand)

    def close(self) -> None:
        """End the workers and leave the cluster."""
        self._closed.set()
        ray_cluster.leave()

    def _submit(self, hand: _Hand, stop: threading.Event, function: Function, *args: Any) -> Any:
        job, sender = _Job(self, hand, stop), Sender()
        data = sender.pack((function, args))
        return job.value(hand.actor.run.remote(job.name, data, self._references(sender)), sender)

    def _references(self, sender: Sender) -> dict[str, list[Any]]:
        """References into Ray's store of what a job names by a key; in lists, else Ray resolves them."""
        return {key: [self._reference(key, value)] for key, value in sender.kept.items()}

    def _reference(self, key: str, value: Keyed) -> Any:
        import ray

        with self.places.changed:
            if key not in self._put:
                self._put[key] = ray.put(pickle.dumps(value, 5))
            self._put.move_to_end(key)
            while len(self._put) > KEPT:
                self._put.popitem(last=False)
            return self._put[key]

    @contextmanager
    def _hand(self, function: Function) -> Iterator[_Hand]:
        """A free worker, if possible one that has the function's lab loaded; waits until there is one."""
        lab = _lab(function)
        with self.places.changed:
            while not (free := [one for one in self._crew if not one.busy]):
                if not self._crew:
                    raise UserError("workers_gone")
                self.places.changed.wait(POLL)
            hand = min(free, key=lambda one: (lab not in one.labs, len(one.labs)))
            hand.busy = True
            hand.labs.add(lab)
        try:
            yield hand
        finally:
            with self.places.changed:
                hand.busy = False
                self.places.changed.notify_all()

    def _every(self, pause: float, work: Callable[[], None]) -> None:
        while not self._closed.wait(pause):
            try:
                work()
            except Exception as error:  # of Ray, whose head may be away; the next look may find it
                if not self._closed.is_set():
                    log.warning("Ray at %s: %s", self.address, type(error).__name__)

    def _feel(self) -> None:
        """Ask the workers whether they live; who is dead or doesn't answer in time is lost."""
        import ray

        now = time.monotonic()
        for hand in list(self._crew):
            if hand.pulse is None:
                hand.pulse, hand.asked = _control(hand.actor.alive).remote(), now
            elif not ray.wait([hand.pulse], timeout=0)[0]:
                if now - hand.asked > self.patience:
                    self.dismiss(hand)
            else:
                try:
                    ray.get(hand.pulse)
                    hand.pulse = None
                except ray.exceptions.RayError:
                    self.dismiss(hand)

    def _gather(self) -> None:
        """The first workers. Raises UserError: worker_differs, ray_empty."""
        end = time.monotonic() + START
        self._hire()
        while self._starting and time.monotonic() < end:
            time.sleep(POLL)
            self._welcome(strict=True)
        if not self._crew:
            raise UserError("ray_empty", address=self.address)

    def _hire(self) -> None:
        """Take in who has started, and start a worker wherever there is room for one more."""
        self._welcome()
        staff = [*self._crew, *self._starting.values()]
        for share in ray_cluster.shares(self.wanted):
            here = sum(hand.share.node == share.node for hand in staff)
            if share.node not in self._refused:
                for _ in range(share.workers - here):
                    hand = _hired(share, self.wanted)
                    self._starting[_control(hand.actor.about).remote()] = hand

    def _welcome(self, strict: bool = False) -> None:
        """Take in the workers that have started. strict: raises UserError("worker_differs")."""
        import ray

        for reference, hand in list(self._starting.items()):
            if not ray.wait([reference], timeout=0)[0] and time.monotonic() - hand.since < START:
                continue
            del self._starting[reference]
            try:
                hand.about = about = ray.get(reference, timeout=0)
            except ray.exceptions.RayError as error:
                log.warning("A worker on %s did not start: %s", hand.share.address, type(error).__name__)
                _end(hand)
                continue
            if about.build != self._build:
                self._refuse(hand, about, strict)
                continue
            with self.places.changed:
                self._crew.append(hand)
                self.places.add(count=1)

    def _refuse(self, hand: _Hand, about: About, strict: bool) -> None:
        """A worker whose answers would be others."""
        self._refused.add(hand.share.node)
        _end(hand)
        ours, theirs = (f"{one.code} {one.weights}" for one in (self._build, about.build))
        error = UserError("worker_differs", address=hand.share.address, ours=ours, theirs=theirs)
        if strict:
            raise error
        log.warning("%s", sentence(error))

    def _warm_up(self, warm: Sequence[tuple[Any, ...]]) -> None:
        """Load networks: each lab's on one worker at least, on each worker those of one lab at least."""
        crew = list(self._crew)
        for hand in crew if warm else ():
            jobs = [warm[turn % len(warm)] for turn in range(max(len(warm), len(crew)))][
                crew.index(hand) :: len(crew)
            ]
            hand.busy = True
            self.places.add(taken=1)
            threading.Thread(target=self._warm, args=(hand, jobs), daemon=True).start()

    def _warm(self, hand: _Hand, jobs: Sequence[tuple[Any, ...]]) -> None:
        for function, *args in jobs:
            with suppress(UserError):  # what fails is told when somebody asks
                self._submit(hand, threading.Event(), function, *args)
                hand.labs.add(_lab(function))
        hand.busy = False
        self.places.add(taken=-1)


class _Job:
    """One job at its worker. stop: set when it is not wanted any more."""

    def __init__(self, executor: RayExecutor, hand: _Hand, stop: threading.Event) -> None:
        self.name = secrets.token_hex(8)
        self.stop = stop
        self._executor, self._hand = executor, hand
        self._told = 0.0

    def next(self, steps: Any) -> Any:
        """The reference of the next step, None after the last. Raises UserError: worker_lost, cancelled."""
        self._wait(steps)
        return next(steps, None)

    def value(self, reference: Any, sender: Sender) -> Any:
        """What a reference stands for. Raises as `next` does, and what the job raised."""
        import ray

        self._wait(reference)
        try:
            found = sender.unpack(ray.get(reference))
        except ray.exceptions.RayError:
            self._executor.dismiss(self._hand)
            raise UserError("worker_lost", address=self._hand.share.address) from None
        if isinstance(found, Failed):
            raise found.error
        return found

    def _wait(self, thing: Any) -> None:
        import ray

        there = False
        while not there:
            if self.stop.is_set():  # asked first: steps may come faster than it is looked for them
                self._tell_stop()
            there = bool(ray.wait([thing], timeout=POLL)[0])
            if not there and self._hand.lost:
                raise UserError("worker_lost", address=self._hand.share.address)

    def _tell_stop(self) -> None:
        now = time.monotonic()
        if not self._told:
            self._told = now
            _control(self._hand.actor.stop).remote(self.name)
        elif now - self._told > GRACE:  # it stands still: its worker goes, and another takes its place
            self._executor.dismiss(self._hand)
            raise UserError("cancelled")


def _lab(function: Function) -> str:
    return function.__module__.split(".")[1]


def _control(method: Any) -> Any:
    """A worker's method, answered while a job runs."""
    return method.options(concurrency_group="control")


def _hired(share: Share, wanted: str) -> _Hand:
    """A worker that is starting."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    remote: Any = ray.remote  # whose annotations know less than its documentation
    actor = remote(
        num_cpus=share.cpus,
        num_gpus=share.gpus,
        concurrency_groups={"control": 1},
        scheduling_strategy=NodeAffinitySchedulingStrategy(share.node, soft=False),
    )(Worker).remote(wanted, max(1, share.cpus))
    return _Hand(actor, share, time.monotonic())


def _end(hand: _Hand) -> None:
    """End a worker, on a thread: it waits where the head is away."""

    def work() -> None:
        import ray

        with suppress(Exception):
            ray.kill(hand.actor)

    threading.Thread(target=work, daemon=True).start()
