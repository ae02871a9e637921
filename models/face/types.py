"""What the face lab is asked and what it answers: plain values, no tensors, no widgets."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from models.face.sources.tracking import Track

ARTICULATION = (0.5, 1.6)


@dataclass(frozen=True)
class Order:
    """Who says what. One of portrait and video, one of audio and text.

    stage: what the film shows, one of STAGES. panels: all three side by side as a film of its own.
    marked: the word in the corner; the file's metadata tell it anyway. seed: of blinks and head motion.
    articulation: how far the mouth moves, within ARTICULATION; 1 as far as people's does.
    beside: what the film is made of is given too, to be seen beside it.
    track: the portrait's, where it was tracked when it arrived.
    """

    portrait: Path | None = None
    video: Path | None = None
    audio: Path | None = None
    text: str = ""
    language: str = "en"
    voice: str = ""
    stage: str = "generated"
    panels: bool = True
    marked: bool = True
    seed: int = 0
    articulation: float = 1.0
    beside: bool = False
    track: "Track | None" = field(default=None, repr=False)


class MouthBox(NamedTuple):
    """The square around the mouth in a frame, inside of it and in its pixels."""

    left: float
    top: float
    side: float


@dataclass(frozen=True)
class Made:
    """What came of an order; all files lie in its folder.

    seconds, frames: of the film. faceless: frames without a face, covered: those in which something lies
    over the mouth; both are the source's own. took: seconds of work by stage. lag, confidence: frames by
    which the lips are late and how sure the sync network is of it; None under two seconds, or where the film
    isn't of a face. mouths: where the mouth is in each frame of the video.
    source: what it was made of, where that was wanted: a picture, or a film whose frames are in step with the
    video's, both of its size.
    """

    video: Path
    panels: Path | None
    blendshapes: Path
    vertices: Path
    seconds: float
    frames: int
    faceless: tuple[int, ...]
    took: dict[str, float]
    lag: int | None = None
    confidence: float | None = None
    covered: tuple[int, ...] = ()
    mouths: tuple[MouthBox, ...] = field(default=(), repr=False)
    source: Path | None = None


@dataclass
class Watch:
    """Seconds of work by stage."""

    took: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def at(self, stage: str) -> Iterator[None]:
        """Count what is done inside to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.took[stage] = self.took.get(stage, 0.0) + time.perf_counter() - start
