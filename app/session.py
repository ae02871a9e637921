"""What the program remembers of each visitor while the page is open, and nothing after."""

import os
import secrets
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.scene.data.instance_edits import Edit
from models.scene.data.scan import Scan
from models.scene.types import Answer, Caption

if TYPE_CHECKING:
    from models.colonoscopy.data.images import Frame
    from models.colonoscopy.pipeline import Sample
    from models.face.pipeline import Made

IDLE = 2 * 3600.0  # seconds after which a visit that never said goodbye is forgotten


@dataclass
class Sitting:
    """What the face lab has of a visitor; its files lie in the visit's folders.

    portrait, footage, speech: what the visitor brought, as it was kept. made: the result that is there.
    halt: set when the video that is being made is not wanted any more. at_work: held while one is made.
    """

    portrait: Path | None = None
    footage: Path | None = None
    speech: Path | None = None
    made: "Made | None" = None
    halt: threading.Event = field(default_factory=threading.Event)
    at_work: threading.Lock = field(default_factory=threading.Lock)


@dataclass
class Visit:
    """One open page. A visitor's own files lie in `folder` and nowhere else.

    original: the scan as it was opened or as its objects were found; scan: with the `edits` made to it.
    shipped: name of the shipped scan that is open, "" for an upload.
    raw: the scan has no objects, and they were not looked for yet.
    found: a network found the objects. tilt: degrees by which it set the scan upright, None where it did not.
    stored: `answer` was not computed now but kept with the program.
    looked: id of the object that is being looked at.
    captions: what "Describe the room" has said so far.
    own_frame: the colonoscopy frame that was brought.
    frames: the synthetic frames drawn last. halt: set when no more of them are wanted. at_work: held while
    they are drawn.
    sitting: of the face lab.
    gone: set when the page was closed; work for it gives up. stop: the same for its one long job.
    """

    scan: Scan | None = None
    original: Scan | None = None
    edits: tuple[Edit, ...] = ()
    shipped: str = ""
    raw: bool = False
    found: bool = False
    tilt: float | None = None
    answer: Answer | None = None
    stored: bool = False
    looked: int | None = None
    captions: tuple[Caption, ...] = ()
    frames: list["Sample"] = field(default_factory=list)
    own_frame: "Frame | None" = None
    halt: threading.Event = field(default_factory=threading.Event)
    at_work: threading.Lock = field(default_factory=threading.Lock)
    sitting: Sitting = field(default_factory=Sitting)
    gone: threading.Event = field(default_factory=threading.Event)
    stop: threading.Event = field(default_factory=threading.Event)
    seen: float = field(default_factory=time.monotonic)
    _folder: Path | None = None
    _shown: Path | None = None

    @property
    def folder(self) -> Path:
        """A private directory, made when first asked for."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="trilab-visit-"))
        return self._folder

    @property
    def shown(self) -> Path:
        """A directory whose files the page serves to who knows their name; nobody can guess it."""
        if self._shown is None:
            root = os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir()
            self._shown = Path(tempfile.mkdtemp(prefix=secrets.token_urlsafe(16), dir=root))
        return self._shown

    def opens(self, scan: Scan, shipped: str = "", found: bool = False, tilt: float | None = None) -> None:
        """Another scan takes the place of the one that was open."""
        self.original, self.shipped, self.found, self.tilt = scan, shipped, found, tilt
        self.raw = not scan.instances
        self.repaired(scan, ())

    def repaired(self, scan: Scan, edits: tuple[Edit, ...]) -> None:
        """The scan is now this one: what was said of it, or is being said, is of another."""
        self.stop.set()
        self.scan, self.edits = scan, edits
        self.answer, self.stored, self.looked, self.captions = None, False, None, ()

    def begins(self) -> threading.Event:
        """A long job begins, and the one before ends; set what this gives back to end it."""
        self.stop.set()
        self.stop = threading.Event()
        return self.stop

    def end(self) -> None:
        """Delete everything the visitor brought."""
        self.gone.set()
        self.halt.set()
        self.frames = []
        self.own_frame = None
        self.sitting.halt.set()
        self.sitting = Sitting(halt=self.sitting.halt)
        self.stop.set()
        self.scan = self.original = self.answer = None
        self.captions = ()
        for folder in (self._folder, self._shown):
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)


class Visits:
    """Visits by Gradio's session: one for each open page and each API client."""

    def __init__(self) -> None:
        self._visits: dict[str, Visit] = {}
        self._lock = threading.Lock()

    def of(self, request: Any) -> Visit:
        """The visit a gr.Request belongs to; a passing one when it carries no session."""
        session = getattr(request, "session_hash", None)
        if not session:
            return Visit()
        with self._lock:
            self._forget_idle()
            visit = self._visits.setdefault(session, Visit())
            visit.seen = time.monotonic()
            return visit

    def end(self, request: Any) -> None:
        """The page of this request was closed."""
        with self._lock:
            visit = self._visits.pop(getattr(request, "session_hash", None) or "", None)
        if visit is not None:
            visit.end()

    def end_all(self) -> None:
        """The program stops."""
        with self._lock:
            visits, self._visits = list(self._visits.values()), {}
        for visit in visits:
            visit.end()

    def _forget_idle(self) -> None:
        now = time.monotonic()
        for session in [key for key, visit in self._visits.items() if now - visit.seen > IDLE]:
            self._visits.pop(session).end()
