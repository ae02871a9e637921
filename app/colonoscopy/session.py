"""What the colonoscopy lab remembers of a visitor: frames and film made last, what was brought."""

import threading
from dataclasses import dataclass, field

from app.session import LabSession
from models.colonoscopy.data.film_exports import FilmMade
from models.colonoscopy.data.images import Frame, Mask
from models.colonoscopy.pipeline import Sample


@dataclass
class ColonoscopySession(LabSession):
    """One visitor's frames.

    frames: the synthetic ones drawn last. own_frame: the one that was brought.
    compared: the models that drew the frames in turns, () for one that drew all.
    mask_shape: (height, width) of the mask file that was laid on the pad last.
    halt: set when no more frames are wanted. at_work: held while they are drawn.
    film: the one that was made last. mask_last: (256, 256), the outline that was keyed as its last.
    film_halt, at_film: as halt and at_work.
    """

    frames: list[Sample] = field(default_factory=list)
    compared: tuple[str, ...] = ()
    own_frame: Frame | None = None
    mask_shape: tuple[int, int] | None = None
    halt: threading.Event = field(default_factory=threading.Event)
    at_work: threading.Lock = field(default_factory=threading.Lock)
    film: FilmMade | None = None
    mask_last: Mask | None = None
    film_halt: threading.Event = field(default_factory=threading.Event)
    at_film: threading.Lock = field(default_factory=threading.Lock)

    def end(self) -> None:
        """Forget frames and film; no more are drawn."""
        self.halt.set()
        self.film_halt.set()
        self.frames = []
        self.own_frame = self.film = self.mask_last = None
