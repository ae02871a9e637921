"""How a long job tells how far it is."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Drawing:
    """What frame number `index` is going to be, or is: uint8 (H, W, 3)."""

    index: int
    frame: NDArray[np.uint8]


@dataclass(frozen=True)
class Left:
    """How long a job will still take."""

    seconds: float


@dataclass(frozen=True)
class Ahead:
    """How many jobs stand before one in the line."""

    count: int


@dataclass(frozen=True)
class Beginning:
    """The first second of a film, as a film of its own.

    boxes: what to enlarge of each frame, a square of left, top and side in its pixels.
    """

    film: Path
    boxes: tuple[tuple[float, float, float], ...] = ()


@dataclass(frozen=True)
class Progress:
    """One step of a long job: a generator yields these and, at last, its result.

    fraction: done so far, 0 to 1.
    key: of a sentence, which the page has.
    preview: what can be shown already, or None.
    """

    fraction: float
    key: str
    preview: Beginning | Drawing | Left | Ahead | None = None
