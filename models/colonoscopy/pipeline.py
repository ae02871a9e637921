"""The colonoscopy lab's one door: draw frames for a mask, find polyps in one. Networks load at first use."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from models.colonoscopy import MODELS
from models.colonoscopy.images import Frame, Mask, fitted
from models.colonoscopy.masks import check_mask
from models.colonoscopy.synthesis import registry
from models.core.checkpoints import CheckpointCard, all_cards
from models.core.errors import UserError
from models.core.loading import LOADING
from models.core.progress import Progress

if TYPE_CHECKING:
    from models.colonoscopy.memory import Memory

JUDGE = "polyps"
MAX_COUNT, MAX_SEED = 10_000, 2**31 - 1


@dataclass(frozen=True)
class Order:
    """What is to be drawn. mask: bool (H, W) of any size. Frame i begins with the noise of seed + i.

    look: the clinic's, one of LOOKS.
    """

    mask: Mask = field(repr=False)
    count: int = 4
    seed: int = 0
    model: str = MODELS[0]
    steps: int = 20
    sampler: str = "dpm"
    look: str = "any"


@dataclass(frozen=True)
class Sample:
    """A drawn frame and what is thought of it.

    frame: uint8 (256, 256, 3). mask, found: bool (256, 256), as ordered and as the judging segmenter sees it.
    dice: of the two. nearest: distance to the nearest training frame, see `Memory`. percentile: how many per
    cent of unseen real frames are as near. weights: short hash of the model's files. seconds: drawing took. look: of which clinic, or "any".
    """

    frame: Frame = field(repr=False)
    mask: Mask = field(repr=False)
    found: Mask = field(repr=False)
    dice: float
    nearest: float
    percentile: float
    seed: int
    model: str
    weights: str
    steps: int
    sampler: str
    seconds: float
    look: str = "any"


def draw(order: Order) -> Iterator[Progress | Sample]:
    """Frames for a mask, each as soon as it is done and judged; close the iterator to stop at the next step.

    Progress has {"index", "frame"} as preview: what frame `index` is going to be.
    Raises UserError: count_range, seed_range, and as `check_mask`, the model and its checkpoints do.
    """
    if not 1 <= order.count <= MAX_COUNT:
        raise UserError("count_range", count=order.count, limit=MAX_COUNT)
    if not 0 <= order.seed <= MAX_SEED - order.count:
        raise UserError("seed_range", limit=MAX_SEED - order.count)
    check_mask(order.mask)
    with LOADING:
        from models.colonoscopy import memory

        synthesiser, remembered = registry.load(order.model), memory.load()
    started, done = time.monotonic(), 0
    for step in synthesiser(
        order.mask,
        count=order.count,
        seed=order.seed,
        steps=order.steps,
        sampler=order.sampler,
        look=order.look,
    ):
        if not isinstance(step, Progress):
            return
        yield step
        if step.fraction >= (done + 1) / order.count:
            seconds = time.monotonic() - started
            yield _judged(step.preview["frame"], order, done, seconds, remembered)
            started, done = time.monotonic(), done + 1


def _judged(frame: Frame, order: Order, index: int, seconds: float, remembered: "Memory") -> Sample:
    from models.colonoscopy.memory import features
    from models.colonoscopy.metrics import dice

    mask = fitted(order.mask, *frame.shape[:2])
    found = segment(frame)
    nearest = float(remembered.nearest(features([frame]))[0])
    return Sample(
        frame=frame,
        mask=mask,
        found=found,
        dice=dice(found, mask),
        nearest=nearest,
        percentile=remembered.percentile(nearest),
        seed=order.seed + index,
        model=order.model,
        weights=registry.weights(order.model),
        steps=order.steps,
        sampler=order.sampler,
        look=order.look,
        seconds=seconds,
    )


def segment(frame: Frame) -> Mask:
    """Polyps (H, W) that the shipped segmenter finds in a frame (H, W, 3). Raises as `load_checkpoint`."""
    with LOADING:
        from models.colonoscopy.segmenters import small

        network = small.load(JUDGE)
    return network.find(frame)


def checkpoints() -> list[CheckpointCard]:
    """Cards of the checkpoints that are here."""
    return all_cards("colonoscopy")
