"""A folder of masks becomes a data set of drawn frames, in ArSDM's layout: images/, masks/, samples.json.

A run that was stopped goes on where it was: every frame carries its facts, so what is there already is
known by reading it. `accelerate launch -m models.colonoscopy sample ...` shares the work among processes.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from accelerate import PartialState
from filelock import FileLock, Timeout
from natsort import natsorted

from models.colonoscopy import pipeline
from models.colonoscopy.data import exports
from models.colonoscopy.data.images import fitted, own_part, padded, read_frame, read_mask
from models.colonoscopy.data.masks import read_drawn
from models.colonoscopy.synthesis.base import check
from models.colonoscopy.synthesis.registry import GENERATORS
from models.core import device
from models.core.errors import UserError


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


def sample(
    wanted: Sequence[Job],
    order: pipeline.Order | pipeline.Alteration,
    out: Path,
    burn: bool = True,
) -> list[dict[str, object]]:
    """Draw what is not there yet into `out`, and list everything that is in out/samples.json.

    order: what all frames have in common; mask, seed and altered frame are those of the job.
    Raises UserError: folder_in_use where another run writes there; and as `read_drawn` and `pipeline.draw`
    do, before or between frames.
    """
    if isinstance(order, pipeline.Order):
        check(order.steps, order.sampler, order.look, GENERATORS.loaded(order.model).looks)
    else:
        GENERATORS.weights(pipeline.INPAINTER)  # raises before a folder is made
    state = PartialState(cpu=device.best() == "cpu")
    images, masks = out / "images", out / "masks"
    for folder in (images, masks):
        folder.mkdir(parents=True, exist_ok=True)
    with _alone(out, state), state.split_between_processes(list(wanted)) as mine:
        # Each looks for what is missing in its own share: by then others have drawn some of theirs.
        missing = [job for job in mine if not _done(out, job, order)]
        try:
            for number, job in enumerate(missing, 1):
                _draw(job, order, images, masks, burn)
                print(f"{number} of {len(missing)}: {job.name}", file=sys.stderr, flush=True)
            state.wait_for_everyone()
        finally:  # a run that is stopped lists what it has done
            listed = _listed(images)
            if state.is_main_process:
                (out / "samples.json").write_text(json.dumps(listed, indent=1), encoding="utf-8")
    return listed


@contextmanager
def _alone(out: Path, state: PartialState) -> Iterator[None]:
    """The processes of one run have a folder to themselves; the first holds the lock for all.

    Raises UserError("folder_in_use").
    """
    if not state.is_main_process:
        yield
        return
    lock = FileLock(out / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise UserError("folder_in_use", name=out.name) from None
    try:
        yield
    finally:
        lock.release()
        (out / ".lock").unlink(missing_ok=True)


def _draw(
    job: Job, order: pipeline.Order | pipeline.Alteration, images: Path, masks: Path, burn: bool
) -> None:
    mask = read_drawn(job.mask)
    if isinstance(order, pipeline.Order):
        steps = pipeline.draw(replace(order, mask=mask, seed=job.seed, count=1))
    else:
        assert job.frame is not None
        frame = read_frame(job.frame)
        mask = fitted(mask, *frame.shape[:2])
        steps = pipeline.inpaint(replace(order, frame=frame, mask=mask, seed=job.seed, count=1))
    for step in steps:
        if isinstance(step, pipeline.Sample):
            (masks / f"{job.name}.png").write_bytes(exports.mask_png(exports.own(step, step.mask)))
            partial = images / f"{job.name}.part"
            partial.write_bytes(exports.png(step, burn))
            partial.replace(
                images / f"{job.name}.png"
            )  # last, so that an image is never there without its mask


def _done(out: Path, job: Job, order: pipeline.Order | pipeline.Alteration) -> bool:
    """Whether the job's frame is there, drawn by this very model for this very mask.

    An altered frame is known by its name: who changes its pixels under the same name has another folder.
    """
    known = exports.read_facts(out / "images" / f"{job.name}.png")
    wanted = {"seed": job.seed, "steps": order.steps, "look": order.look}
    if isinstance(order, pipeline.Order):
        wanted |= {"kind": "drawn", "model": order.model, "sampler": order.sampler}
    else:
        wanted |= {"kind": "removed" if order.remove else "inpainted", "model": pipeline.INPAINTER}
    wanted["weights"] = GENERATORS.weights(str(wanted["model"]))
    if known is None or any(known.get(key) != value for key, value in wanted.items()):
        return False
    try:
        drawn = read_mask(out / "masks" / f"{job.name}.png")
    except UserError:
        return False
    mask = read_drawn(job.mask)
    if job.frame is not None:
        return np.array_equal(drawn, fitted(mask, *drawn.shape))
    side = max(drawn.shape)
    return np.array_equal(drawn, fitted(padded(mask), side, side)[own_part(mask.shape, side)])


def _listed(images: Path) -> list[dict[str, object]]:
    found = [(path, exports.read_facts(path)) for path in natsorted(images.glob("*.png"))]
    return [{"file": path.name, **known} for path, known in found if known is not None]
