"""What every generator of frames is asked, and what it answers."""

from collections.abc import Iterator
from typing import Protocol

from models.colonoscopy.data.images import Frame, Mask
from models.core.progress import Progress

Step = Progress | list[Frame]


class FrameGenerator(Protocol):
    """Draws frames for a mask, showing its work."""

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
        look: of LOOKS or "any". Yields Progress with {"index", "frame"} as preview, a frame that is done or
        what it will be, uint8 (256, 256, 3), and at last all frames.
        """
        ...
