"""The colonoscopy lab's one door: draw frames for a mask, find polyps in one. Networks load at first use."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from models.colonoscopy.data.images import Frame, Mask, fitted, padded
from models.colonoscopy.data.masks import check_mask
from models.colonoscopy.synthesis.registry import GENERATORS
from models.core.checkpoints import CheckpointCard, all_cards
from models.core.errors import UserError
from models.core.import_lock import LOADING
from models.core.progress import Drawing, Progress

if TYPE_CHECKING:
    from models.colonoscopy.filming import JudgedFrame
    from models.colonoscopy.synthesis.memorization import Memory
    from models.colonoscopy.types import Finding
    from models.colonoscopy.video.base import FilmOrder

JUDGE = "polyps"
INPAINTER = "arsdm"
MOST_LINES = 1080  # of a frame that is altered
MAX_COUNT, MAX_SEED = 10_000, 2**31 - 1


@dataclass(frozen=True)
class Order:
    """What is to be drawn. mask: bool (H, W) of any size. Frame i begins with the noise of seed + i.

    shape: (height, width) of what the mask was before it was padded to a square; its own where it is None.
    judge: name of the segmenter that looks for the polyp in each frame.
    look: the clinic's, one of LOOKS.
    """

    mask: Mask = field(repr=False)
    count: int = 4
    seed: int = 0
    model: str = GENERATORS.default
    steps: int = 20
    sampler: str = "dpm"
    shape: tuple[int, int] | None = None
    judge: str = JUDGE
    look: str = "any"


@dataclass(frozen=True)
class Alteration:
    """What is to be changed in a frame of one's own: a polyp drawn under the mask, or one there taken away.

    frame: uint8 (H, W, 3). mask: bool (H, W), the same size. The rest as in `Order`.
    """

    frame: Frame = field(repr=False)
    mask: Mask = field(repr=False)
    count: int = 1
    seed: int = 0
    remove: bool = False
    steps: int = 20
    look: str = "any"
    judge: str = JUDGE


@dataclass(frozen=True)
class Sample:
    """A drawn frame and what is thought of it.

    frame: uint8 (256, 256, 3), larger of imported generators, or of an altered frame's own size.
    mask, found: bool, of the same size, as ordered and as the judging segmenter sees it.
    kind: "drawn", "inpainted" or "removed".
    dice: of the two. nearest: distance to the nearest training frame, see `Memory`. percentile: how many per
    cent of unseen real frames are as near. weights: short hash of the model's files. seconds: drawing took.
    shape: (height, width) of the mask before it was padded to the square; what is taken home has its sides.
    look: of which clinic, or "any". before: the frame that was altered, None where none was.
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
    shape: tuple[int, int] | None = None
    judge: str = JUDGE
    look: str = "any"
    kind: str = "drawn"
    before: Frame | None = field(default=None, repr=False)


def draw(order: Order) -> Iterator[Progress | Sample]:
    """Frames for a mask, each as soon as it is done and judged; close the iterator to stop at the next step.

    Progress has a `Drawing` as preview.
    Raises UserError: count_range, seed_range, and as `check_mask`, the model and its checkpoints do.
    """
    _check(order)
    order = replace(order, mask=padded(order.mask), shape=order.shape or order.mask.shape)
    with LOADING:
        from models.colonoscopy.synthesis import memorization

        synthesiser, remembered = GENERATORS.loaded(order.model), memorization.load()
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
            assert isinstance(step.preview, Drawing)
            seconds = time.monotonic() - started
            yield _judged(step.preview.frame, order, done, seconds, remembered)
            started, done = time.monotonic(), done + 1


def draw_each(order: Order, models: Sequence[str]) -> Iterator[Progress | Sample]:
    """A frame by each of several models from the noise of each seed, seed after seed; as `draw` otherwise.

    order: count is of the seeds; its model is not asked. The previews' index goes through all frames.
    """
    total = order.count * len(models)
    for place in range(total):
        row, column = divmod(place, len(models))
        for step in draw(replace(order, count=1, seed=order.seed + row, model=models[column])):
            if isinstance(step, Progress):
                shown = step.preview
                shown = replace(shown, index=place) if isinstance(shown, Drawing) else shown
                step = replace(step, fraction=(place + step.fraction) / total, preview=shown)
            yield step


def inpaint(order: Alteration) -> Iterator[Progress | Sample]:
    """A frame with a polyp that was not there, or without one that was; previews as `draw` gives them.

    Outside a feathered rim around the mask every pixel is the frame's own. Of a removed polyp Dice tells how
    much of it the judge still finds. Raises UserError: as `draw`, frame_large.
    """
    _check(order)
    if min(order.frame.shape[:2]) > MOST_LINES:
        raise UserError("frame_large", lines=min(order.frame.shape[:2]), limit=MOST_LINES)
    with LOADING:
        from models.colonoscopy.synthesis import inpainting, memorization
        from models.colonoscopy.synthesis.generator import Cascade

        cascade, remembered = GENERATORS.loaded(INPAINTER), memorization.load()
    assert isinstance(cascade, Cascade)
    for index in range(order.count):
        started, frame = time.monotonic(), order.frame
        for share, frame in inpainting.inpaint(
            cascade,
            order.frame,
            order.mask,
            seed=order.seed + index,
            steps=order.steps,
            look=order.look,
            remove=order.remove,
        ):
            yield Progress((index + share) / order.count, "drawing", Drawing(index, frame))
        yield _judged(frame, order, index, time.monotonic() - started, remembered)


def _check(order: Order | Alteration) -> None:
    if not 1 <= order.count <= MAX_COUNT:
        raise UserError("count_range", count=order.count, limit=MAX_COUNT)
    if not 0 <= order.seed <= MAX_SEED - order.count:
        raise UserError("seed_range", limit=MAX_SEED - order.count)
    check_mask(order.mask)


def _judged(
    frame: Frame, order: Order | Alteration, index: int, seconds: float, remembered: "Memory"
) -> Sample:
    from models.colonoscopy.segmentation.metrics import dice
    from models.colonoscopy.synthesis.memorization import features

    mask = fitted(order.mask, *frame.shape[:2])
    if isinstance(order, Order):
        model, sampler, kind, shape, before = order.model, order.sampler, "drawn", order.shape, None
    else:
        model, sampler, shape, before = INPAINTER, "repaint", None, order.frame
        kind = "removed" if order.remove else "inpainted"
    found = segment(frame, order.judge)
    nearest = float(remembered.nearest(features([frame]))[0])
    return Sample(
        frame=frame,
        mask=mask,
        found=found,
        dice=dice(found, mask),
        nearest=nearest,
        percentile=remembered.percentile(nearest),
        seed=order.seed + index,
        model=model,
        weights=GENERATORS.weights(model),
        steps=order.steps,
        sampler=sampler,
        look=order.look,
        kind=kind,
        before=before,
        seconds=seconds,
        shape=shape,
        judge=order.judge,
    )


def segment(frame: Frame, model: str = JUDGE) -> Mask:
    """Polyps (H, W) that a segmenter finds in a frame (H, W, 3). Raises as `Registry.loaded`."""
    from models.colonoscopy.segmentation.base import mask_of
    from models.colonoscopy.segmentation.registry import SEGMENTERS

    return mask_of(SEGMENTERS.loaded(model)(frame), *frame.shape[:2])


def find(
    name: str,
    frame: Frame,
    segmenters: Sequence[str],
    detectors: Sequence[str] = (),
    drawn: Mask | None = None,
) -> "Finding":
    """What several networks find in a frame; see `finding.find`."""
    from models.colonoscopy import finding

    return finding.find(name, frame, segmenters, detectors, drawn)


def find_all(
    frames: Sequence[tuple[str, Frame, Mask | None]], segmenters: Sequence[str], detectors: Sequence[str]
) -> "Iterator[Finding]":
    """`find` in one frame after another. frames: name, frame, and the mask that it was drawn for, if any."""
    for name, frame, drawn in frames:
        yield find(name, frame, segmenters, detectors, drawn)


def film(order: "FilmOrder", model: str, judge: str = JUDGE) -> "Iterator[Progress | JudgedFrame]":
    """A film, frame after frame; see `filming.film`. Raises UserError as it does, and seed_range."""
    if not 0 <= order.seed <= MAX_SEED:
        raise UserError("seed_range", limit=MAX_SEED)
    with LOADING:
        from models.colonoscopy import filming
    yield from filming.film(order, model, judge)


def looks_like_endoscopy(frame: Frame) -> bool:
    """Whether a frame (H, W, 3) lies as near to the training frames as real frames of any hospital do.

    Raises as `load_checkpoint` does.
    """
    with LOADING:
        from models.colonoscopy.synthesis import memorization

        remembered = memorization.load()
    return float(remembered.nearest(memorization.features([frame]))[0]) <= memorization.FAR


def warm_up() -> None:
    """Get the networks that draw and judge ready, by a frame of one step. Raises as `draw` does."""
    mask = np.zeros((64, 64), bool)
    mask[16:48, 16:48] = True
    deque(draw(Order(mask, count=1, steps=1)), 0)


def checkpoints() -> list[CheckpointCard]:
    """Cards of the checkpoints that are here."""
    return all_cards("colonoscopy")
