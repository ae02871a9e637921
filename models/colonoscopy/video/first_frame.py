"""The visitor's own frame as the first one of a film."""

from collections.abc import Iterator

from models.colonoscopy.data.images import Frame, Mask, squared
from models.colonoscopy.synthesis.generator import SIZE, Cascade
from models.colonoscopy.synthesis.inpainting import inpaint
from models.colonoscopy.synthesis.registry import GENERATORS
from models.colonoscopy.video.base import FilmOrder

FRAME_STEPS = 20  # of the sampler


def first_frame(order: FilmOrder, mask: Mask) -> Iterator[tuple[float, Frame]]:
    """`order.frame` as (SIZE, SIZE, 3), as it is or with a polyp drawn into it: how much is done, and it.

    mask: (SIZE, SIZE), the polyp. Raises as the cascade's loading does where it draws.
    """
    assert order.frame is not None
    own = squared(order.frame, SIZE)
    if not order.painted:
        yield 1.0, own
        return
    cascade = GENERATORS.loaded("arsdm")
    assert isinstance(cascade, Cascade)
    yield from inpaint(cascade, own, mask, seed=order.seed, steps=FRAME_STEPS, look=order.look)
