"""A folder of masks becomes a data set of drawn frames, in ArSDM's layout: images/, masks/, samples.json.

A run that was stopped goes on where it was: every frame carries its facts, so what is there already is
known by reading it. `accelerate launch -m models.colonoscopy sample ...` shares the work among processes,
`--ray` among the workers of a cluster, `--shard` among runs that somebody else starts.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from accelerate import PartialState

from models.colonoscopy import pipeline
from models.colonoscopy.data import exports
from models.colonoscopy.data.images import fitted, read_frame
from models.colonoscopy.data.masks import read_drawn
from models.colonoscopy.pipeline import Alteration, Order, Sample
from models.colonoscopy.synthesis.base import check
from models.colonoscopy.synthesis.frames_folder import FramesFolder
from models.colonoscopy.synthesis.registry import GENERATORS
from models.core import device
from models.core.errors import UserError
from models.core.executors import Executor, InProcessExecutor
from models.core.spread import spread

Encoded = tuple[bytes, bytes]  # a frame and its mask, PNG


@dataclass(frozen=True)
class Job:
    """One frame to be drawn: for which mask file, under which name, from which seed.

    frame: the file of a frame that is altered; None where all of it is drawn.
    """

    mask: Path
    name: str
    seed: int
    frame: Path | None = None


def jobs(masks: Sequence[Path], count: int, seed: int) -> list[Job]:
    """`count` frames a mask, each with a seed of its own, so that no two share their noise.

    Raises UserError: count_range, seed_range.
    """
    if not 1 <= count <= pipeline.MAX_COUNT:
        raise UserError("count_range", count=count, limit=pipeline.MAX_COUNT)
    last = pipeline.MAX_SEED - len(masks) * count
    if not 0 <= seed <= last:
        raise UserError("seed_range", limit=last)
    seeds = range(seed, seed + len(masks) * count)
    return [
        Job(masks[place // count], f"{masks[place // count].stem}_{one}", one)
        for place, one in enumerate(seeds)
    ]


def alterations(frames: Sequence[Path], masks: Sequence[Path], count: int, seed: int) -> list[Job]:
    """`count` jobs for each frame with each mask, as `jobs` makes them."""
    pairs = [(frame, mask) for frame in frames for mask in masks]
    found = jobs([mask for _, mask in pairs], count, seed)
    named = []
    for place, job in enumerate(found):
        frame = pairs[place // count][0]
        named.append(replace(job, frame=frame, name=f"{frame.stem}_{job.name}"))
    return named


def shard(wanted: Sequence[Job], part: str) -> list[Job]:
    """One of several equal parts of the jobs, "2/8" the second of eight. Raises UserError("shard_wrong")."""
    first, _, count = part.partition("/")
    if not (first.isdecimal() and count.isdecimal() and 1 <= int(first) <= int(count)):
        raise UserError("shard_wrong", shard=part[:40])
    return list(wanted[int(first) - 1 :: int(count)])


def sample(
    wanted: Sequence[Job],
    order: Order | Alteration,
    out: Path,
    burn: bool = True,
    executor: Executor | None = None,
    part: str = "",
) -> list[dict[str, object]]:
    """Draw what is not there yet into `out`, and list everything that is in out/samples.json.

    order: what all frames have in common; mask, seed and altered frame are those of the job. executor: who
    draws; this process alone writes. part: see `shard`; other parts may write into the folder meanwhile.
    Raises UserError: shard_wrong, folder_in_use where another run writes there; and as `read_drawn` and
    `pipeline.draw` do, before or between frames.
    """
    executor = executor or InProcessExecutor()
    wanted = shard(wanted, part) if part else wanted
    executor.submit(check_order, order)  # before a folder is made
    state = PartialState(cpu=device.best() == "cpu")
    folder = FramesFolder(out)
    # The processes of one run have the folder to themselves; the first holds the lock for all.
    lock = folder.locked(part.replace("/", "-of-")) if state.is_main_process else nullcontext()
    facts = _facts(order)
    with lock, state.split_between_processes(list(wanted)) as mine:
        # Each looks for what is missing in its own share: by then others have drawn some of theirs.
        missing = [job for job in mine if not _done(folder, job, facts)]
        try:
            for number, (job, encoded) in enumerate(_drawn(executor, missing, order, burn), 1):
                folder.write(job.name, *encoded)
                print(f"{number} of {len(missing)}: {job.name}", file=sys.stderr, flush=True)
            state.wait_for_everyone()
        finally:  # a run that is stopped lists what it has done
            listed = folder.write_list() if state.is_main_process else folder.listed()
    return listed


def check_order(order: Order | Alteration) -> None:
    """Raises what stands in the way of an order, as `check` and loading do."""
    if isinstance(order, Order):
        check(order.steps, order.sampler, order.look, GENERATORS.loaded(order.model).looks)
    else:
        GENERATORS.weights(pipeline.INPAINTER)


def encode(order: Order | Alteration, burn: bool) -> Encoded:
    """The one frame of an order."""
    steps = pipeline.draw(order) if isinstance(order, Order) else pipeline.inpaint(order)
    (drawn,) = (step for step in steps if isinstance(step, Sample))
    return exports.png(drawn, burn), exports.mask_png(exports.own(drawn, drawn.mask))


def _drawn(
    executor: Executor, jobs: Sequence[Job], order: Order | Alteration, burn: bool
) -> Iterator[tuple[Job, Encoded]]:
    """The frames as they come, as many at once as the executor has places."""
    return spread(executor, jobs, lambda job: (encode, _of(order, job), burn))


def _of(order: Order | Alteration, job: Job) -> Order | Alteration:
    """The order of one job."""
    mask = read_drawn(job.mask)
    if isinstance(order, Order):
        return replace(order, mask=mask, seed=job.seed, count=1)
    assert job.frame is not None
    frame = read_frame(job.frame)
    return replace(order, frame=frame, mask=fitted(mask, *frame.shape[:2]), seed=job.seed, count=1)


def _facts(order: Order | Alteration) -> dict[str, object]:
    """What every frame of a run tells of itself."""
    facts: dict[str, object] = {"steps": order.steps, "look": order.look}
    if isinstance(order, Order):
        facts |= {"kind": "drawn", "model": order.model, "sampler": order.sampler}
    else:
        facts |= {"kind": "removed" if order.remove else "inpainted", "model": pipeline.INPAINTER}
    return {**facts, "weights": GENERATORS.weights(str(facts["model"]))}


def _done(folder: FramesFolder, job: Job, facts: dict[str, object]) -> bool:
    """Whether the job's frame is there, drawn by this very model for this very mask."""
    return folder.has(job.name, {**facts, "seed": job.seed}, job.mask, altered=job.frame is not None)
