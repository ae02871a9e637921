"""Films as the lab's door gives them: each frame with the moving mask and what a segmenter finds in it."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from models.colonoscopy.data.images import Frame, Mask, fitted, letterboxed, padded
from models.colonoscopy.data.masks import check_mask
from models.colonoscopy.segmentation.base import mask_of
from models.colonoscopy.segmentation.metrics import dice
from models.colonoscopy.segmentation.registry import SEGMENTERS
from models.colonoscopy.video.base import FilmFrame, FilmOrder, check
from models.colonoscopy.video.registry import FILMS
from models.core.progress import Progress


@dataclass(frozen=True)
class JudgedFrame:
    """A frame of a film. mask: where the polyp was asked for, None of a method that knows no mask.

    frame: uint8 (S, S, 3). found: what the segmenter finds. dice: of the two, None where there is no mask.
    """

    index: int
    frame: Frame = field(repr=False)
    mask: Mask | None = field(repr=False)
    found: Mask = field(repr=False)
    dice: float | None


def film(order: FilmOrder, model: str, judge: str) -> Iterator[Progress | JudgedFrame]:
    """The frames of a film as they are done, in their order; Progress with a preview before and between.

    Raises UserError: as `check`, `check_mask`, the model, the judge and their checkpoints do.
    """
    generator = FILMS.loaded(model)
    check(order, generator.looks if generator.knows_mask else (order.look,))
    check_mask(order.mask)
    order = replace(order, mask=padded(order.mask))
    if order.mask_last is not None:
        check_mask(order.mask_last)
        order = replace(order, mask_last=padded(order.mask_last))
    if order.frame is not None:
        order = replace(order, frame=letterboxed(order.frame))
    segmenter = SEGMENTERS.loaded(judge)
    for step in generator(order):
        if isinstance(step, FilmFrame):
            found = mask_of(segmenter(step.frame), *step.frame.shape[:2])
            mask = None if step.mask is None else fitted(step.mask, *step.frame.shape[:2])
            agreed = None if mask is None else dice(found, mask)
            yield JudgedFrame(step.index, step.frame, mask, found, agreed)
        else:
            yield step
