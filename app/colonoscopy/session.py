"""What the colonoscopy lab remembers of a visitor: frames drawn last, and what was brought to draw over."""

import threading
from dataclasses import dataclass, field

from app.session import LabSession
from models.colonoscopy.data.images import Frame
from models.colonoscopy.pipeline import Sample


@dataclass
class ColonoscopySession(LabSession):
    """One visitor's frames.

    frames: the synthetic ones drawn last. own_frame: the one that was brought.
    mask_shape: (height, width) of the mask file that was laid on the pad last.
    halt: set when no more frames are wanted. at_work: held while they are drawn.
    """

    frames: list[Sample] = field(default_factory=list)
    own_frame: Frame | None = None
    mask_shape: tuple[int, int] | None = None
    halt: threading.Event = field(default_factory=threading.Event)
    at_work: threading.Lock = field(default_factory=threading.Lock)

    def end(self) -> None:
        """Forget the frames; no more are drawn."""
        self.halt.set()
        self.frames = []
        self.own_frame = None
