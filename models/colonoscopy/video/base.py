"""What every generator of films is asked, and what it answers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from models.colonoscopy import LOOKS, MAX_STEPS, MOVES
from models.colonoscopy.data.images import Frame, Mask
from models.core.errors import UserError
from models.core.progress import Progress

FPS = 10
CLIP = 16  # frames that a network sees at once
SHORTEST, LONGEST = 0.5, 30.0  # seconds of a film


@dataclass(frozen=True)
class FilmOrder:
    """What is to be filmed.

    mask: bool (H, W) of any size, the polyp in the first frame. mask_last: in the last one; None where the
    camera alone moves it. frame: uint8 (H, W, 3), the first frame, of the visitor's own; drawn where it is
    None. painted: the polyp is drawn into `frame` before, else it shows one. move: of the camera, one of
    MOVES. steps: of the sampler. look: the clinic's, one of LOOKS.
    """

    mask: Mask = field(repr=False)
    mask_last: Mask | None = field(default=None, repr=False)
    frame: Frame | None = field(default=None, repr=False)
    painted: bool = False
    move: str = "forward"
    seconds: float = 4.0
    seed: int = 0
    steps: int = 10
    look: str = "any"

    @property
    def count(self) -> int:
        """Of its frames."""
        return max(1, round(self.seconds * FPS))


@dataclass(frozen=True)
class FilmFrame:
    """One frame that is done. frame: uint8 (S, S, 3). mask: bool (S, S), None of a method that knows none."""

    index: int
    frame: Frame = field(repr=False)
    mask: Mask | None = field(repr=False)


class VideoGenerator(Protocol):
    """Makes films, showing its work."""

    @property
    def knows_mask(self) -> bool:
        """Whether the mask, the first frame, the move and the look of an order change anything."""
        ...

    @property
    def looks(self) -> Sequence[str]:
        """Those that it was told of, and "any"."""
        ...

    def __call__(self, order: FilmOrder) -> Iterator[Progress | FilmFrame]:
        """The frames of a film in their order, each once, and before and between them how far it is.

        A Progress has a `Drawing` as preview, what a frame is expected to be. What is yielded is not kept:
        memory doesn't grow with the film. Close the iterator to stop at the next step.
        """
        ...


def check(order: FilmOrder, looks: Sequence[str] = LOOKS) -> None:
    """Raises UserError: move_unknown, seconds_range, steps_range, look_unknown."""
    if order.move not in MOVES:
        raise UserError("move_unknown", name=order.move[:40], choices=", ".join(MOVES))
    if not SHORTEST <= order.seconds <= LONGEST:
        raise UserError("seconds_range", least=SHORTEST, most=LONGEST)
    if not 1 <= order.steps <= MAX_STEPS:
        raise UserError("steps_range", steps=order.steps, limit=MAX_STEPS)
    if order.look not in looks:
        raise UserError("look_unknown", name=order.look, choices=", ".join(looks))
