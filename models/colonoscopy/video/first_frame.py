"""The visitor's own frame as the first one of a film."""

from collections.abc import Callable, Iterator

from models.colonoscopy.data.images import Frame, Mask, squared
from models.colonoscopy.synthesis.generator import SIZE, Cascade
from models.colonoscopy.synthesis.inpainting import inpaint
from models.colonoscopy.synthesis.registry import GENERATORS
from models.colonoscopy.video.base import FilmOrder

FRAME_STEPS = 20  # of the sampler


def shipped_cascade() -> Cascade:
    """ArSDM's. Raises as its loading does."""
    found = GENERATORS.loaded("arsdm")
    assert isinstance(found, Cascade)
    return found


def first_frame(
    order: FilmOrder, mask: Mask, cascade: Callable[[], Cascade]
) -> Iterator[tuple[float, Frame]]:
    """`order.frame` as (SIZE, SIZE, 3), as it is or with a polyp drawn into it: how much is done, and it.

    mask: (SIZE, SIZE), the polyp. cascade: draws it; asked for only then.
    """
    assert order.frame is not None
    own = squared(order.frame, SIZE)
    if not order.painted:
        yield 1.0, own
        return
    yield from inpaint(cascade(), own, mask, seed=order.seed, steps=FRAME_STEPS, look=order.look)
