"""What every generator of frames is asked, and what it answers."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from models.colonoscopy import MAX_STEPS, SAMPLERS
from models.colonoscopy.data.images import Frame, Mask
from models.core.errors import UserError
from models.core.progress import Drawing, Progress

Step = Progress | list[Frame]


class FrameGenerator(Protocol):
    """Draws frames for a mask, showing its work."""

    @property
    def looks(self) -> Sequence[str]:
        """Those that it was told of, and "any"."""
        ...

    def __call__(
        self,
        mask: Mask,
        *,
        count: int = 1,
        seed: int = 0,
        steps: int = 20,
        sampler: str = "dpm",
        look: str = "any",
    ) -> Iterator[Step]:
        """Draw `count` frames one after another; close the iterator to stop at the next step.

        mask: bool (H, W) of any size, True on the polyp. seed: frame i begins with the noise of seed + i.
        look: one of `looks`. Yields Progress with a `Drawing`, a frame that is done or
        what it will be, uint8 (S, S, 3), S 256 of those that ship, and at last all frames.
        """
        ...


def one_after_another(count: int, drawing: Callable[[int], Iterator[tuple[float, Frame]]]) -> Iterator[Step]:
    """What a `FrameGenerator` yields of `count` frames.

    drawing: of a frame's index, the share of its work that is done and the frame expected then; the last is
    the frame.
    """
    done: list[Frame] = []
    for index in range(count):
        frame = None
        for share, frame in drawing(index):
            yield Progress((index + share) / count, "drawing", Drawing(index, frame))
        assert frame is not None
        done.append(frame)
    yield done


def check(steps: int, sampler: str, look: str, looks: Sequence[str]) -> None:
    """Raises UserError: steps_range, sampler_unknown, look_unknown. looks: those that a generator knows."""
    if not 1 <= steps <= MAX_STEPS:
        raise UserError("steps_range", steps=steps, limit=MAX_STEPS)
    if sampler not in SAMPLERS:
        raise UserError("sampler_unknown", name=sampler, choices=", ".join(SAMPLERS))
    if look not in looks:
        raise UserError("look_unknown", name=look, choices=", ".join(looks))
