"""What the face lab remembers of a visitor; its files lie in the visit's folders."""

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from app.session import LabSession
from models.core.notes import Note
from models.face.types import Made

if TYPE_CHECKING:
    from models.face.sources.tracking import Track


@dataclass
class FaceSession(LabSession):
    """One visitor's face, voice and video.

    portrait, footage, speech: what the visitor brought, as it was kept. made: the result that is there.
    track: of the portrait of that path.
    halt: set when the video that is being made is not wanted any more. at_work: held while one is made.
    heard: the voice that was listened to last. notes: what was read of the last file that came.
    kind: of the voice that fits the last face that came, "" where none was found to. choosy: the visitor
    chose a voice, which stays whatever face comes.
    """

    portrait: Path | None = None
    footage: Path | None = None
    speech: Path | None = None
    notes: tuple[Note, ...] = ()
    kind: str = ""
    choosy: bool = False
    made: Made | None = None
    heard: Path | None = None
    track: "tuple[Path, Track] | None" = None
    halt: threading.Event = field(default_factory=threading.Event)
    at_work: threading.Lock = field(default_factory=threading.Lock)

    def end(self) -> None:
        """Forget what was brought and made; the video that is being made ends."""
        self.halt.set()
        self.portrait = self.footage = self.speech = self.made = self.heard = self.track = None
        self.notes = ()
        self.kind = ""
