"""What the program remembers of each visitor while the page is open, and nothing after."""

import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app import process_folder
from models.core.errors import UserError
from models.core.notes import Note
from models.scene.data.instance_edits import Edit
from models.scene.data.scan import Scan
from models.scene.types import Answer, Caption

if TYPE_CHECKING:
    from models.colonoscopy.data.images import Frame
    from models.colonoscopy.pipeline import Sample
    from models.face.sources.tracking import Track
    from models.face.types import Made
    from models.scene.grounding.base import Grounding

IDLE = 2 * 3600.0  # seconds without a request after which an open page is forgotten
ALONE = 300.0  # the same for who calls without holding a heartbeat
LATE = 30.0  # the same for requests of a session that had said goodbye
MOST = 256  # visits at once
MOST_BYTES = 2**30  # of the scans that visitors brought, together


@dataclass
class Sitting:
    """What the face lab has of a visitor; its files lie in the visit's folders.

    portrait, footage, speech: what the visitor brought, as it was kept. made: the result that is there.
    track: of the portrait of that path.
    halt: set when the video that is being made is not wanted any more. at_work: held while one is made.
    notes: what was read of the last file that came.
    """

    portrait: Path | None = None
    footage: Path | None = None
    speech: Path | None = None
    notes: tuple[Note, ...] = ()
    made: "Made | None" = None
    track: "tuple[Path, Track] | None" = None
    halt: threading.Event = field(default_factory=threading.Event)
    at_work: threading.Lock = field(default_factory=threading.Lock)


@dataclass
class Visit:
    """One open page. A visitor's own files lie in `folder` and nowhere else.

    original: the scan as it was opened or as its objects were found; scan: with the `edits` made to it.
    shipped: name of the shipped scan that is open, "" for an upload.
    raw: the scan has no objects, and they were not looked for yet.
    found: a network found the objects. tilt: degrees by which it set the scan upright, None where it did not.
    compared: what several methods answered last, () after another question.
    methods: of visual grounding, that are asked; see models/scene/grounding/registry.py.
    stored: `answer` was not computed now but kept with the program.
    looked: id of the object that is being looked at.
    captions: what "Describe the room" has said so far.
    own_frame: the colonoscopy frame that was brought.
    frames: the synthetic frames drawn last. halt: set when no more of them are wanted. at_work: held while
    they are drawn. mask_shape: (height, width) of the mask file that was laid on the pad last.
    sitting: of the face lab.
    gone: set when the page was closed; work for it gives up. stop: the same for its one long job.
    calls: how many of the API are being answered. size: bytes of the scan, where it is the visitor's own.
    makes_room: called with the visit and a scan's bytes before it keeps one; raises where there is no room.
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
    compared: tuple["Grounding", ...] = ()
    methods: tuple[str, ...] = ("instancerefer",)
    looked: int | None = None
    captions: tuple[Caption, ...] = ()
    frames: list["Sample"] = field(default_factory=list)
    mask_shape: tuple[int, int] | None = None
    own_frame: "Frame | None" = None
    halt: threading.Event = field(default_factory=threading.Event)
    at_work: threading.Lock = field(default_factory=threading.Lock)
    sitting: Sitting = field(default_factory=Sitting)
    gone: threading.Event = field(default_factory=threading.Event)
    stop: threading.Event = field(default_factory=threading.Event)
    seen: float = field(default_factory=time.monotonic)
    calls: int = 0
    size: int = 0
    makes_room: "Callable[[Visit, int], None]" = lambda visit, size: None
    _folder: Path | None = None
    _shown: Path | None = None

    @property
    def folder(self) -> Path:
        """A private directory, made when first asked for."""
        self._check_here()
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(dir=process_folder.visits()))
        return self._folder

    @property
    def shown(self) -> Path:
        """A directory whose files the page serves to who knows their name; nobody can guess it."""
        self._check_here()
        if self._shown is None:
            private = secrets.token_urlsafe(16)
            self._shown = Path(tempfile.mkdtemp(prefix=private, dir=process_folder.served()))
        return self._shown

    def _check_here(self) -> None:
        """Nothing is kept for who has left. Raises UserError("cancelled")."""
        if self.gone.is_set():
            raise UserError("cancelled")

    def opens(self, scan: Scan, shipped: str = "", found: bool = False, tilt: float | None = None) -> None:
        """Another scan takes the place of the one that was open. Raises UserError("house_full")."""
        self._check_here()
        size = 0 if shipped else _bytes(scan)
        self.makes_room(self, size)
        self.size = size
        self.original, self.shipped, self.found, self.tilt = scan, shipped, found, tilt
        self.raw = not scan.instances
        self.repaired(scan, ())

    def repaired(self, scan: Scan, edits: tuple[Edit, ...]) -> None:
        """The scan is now this one: what was said of it, or is being said, is of another."""
        self.stop.set()
        self.scan, self.edits = scan, edits
        self.answer, self.stored, self.looked, self.captions = None, False, None, ()
        self.compared = ()

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
        self.size = 0
        self.captions, self.compared = (), ()
        for folder in (self._folder, self._shown):
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)


def _bytes(scan: Scan) -> int:
    return sum(each.nbytes for each in (scan.vertices, scan.colours, scan.faces, scan.vertex_instance))


class Visits:
    """Visits by Gradio's session: one for each open page and each API client.

    A page holds a heartbeat open as long as it is there (`arrived`, `left`); its visit ends with it. Who
    calls without one is forgotten soon after the last call, and what still runs after a goodbye sooner.
    """

    def __init__(self) -> None:
        self._visits: dict[str, Visit] = {}
        self._hearts: dict[str, int] = {}  # heartbeats open for each session
        self._goodbyes: dict[str, float] = {}  # when a session's last heartbeat ended
        self._lock = threading.Lock()

    def of(self, request: Any) -> Visit:
        """The visit a gr.Request belongs to; a passing one, soon forgotten, when it carries no session.

        Raises UserError("house_full") when there are MOST visits and none that can be forgotten.
        """
        session = getattr(request, "session_hash", None) or f"passing {secrets.token_hex(8)}"
        with self._lock:
            visit = self._visits.get(session)
            over = [] if visit or len(self._visits) < MOST else [self._least_missed()]
            if visit is None:
                visit = self._visits[session] = Visit(makes_room=self._makes_room)
            visit.seen = time.monotonic()
        for one in over:
            one.end()
        return visit

    @contextmanager
    def during(self, request: Any) -> Iterator[Visit]:
        """The same while a call is answered, in which the visit is not forgotten."""
        visit = self.of(request)
        with self._lock:
            visit.calls += 1
        try:
            yield visit
        finally:
            with self._lock:
                visit.calls -= 1
                visit.seen = time.monotonic()

    def arrived(self, session: str) -> None:
        """A page opened its heartbeat."""
        with self._lock:
            self._hearts[session] = self._hearts.get(session, 0) + 1

    def left(self, session: str) -> None:
        """A heartbeat ended: with the last one the visit is over."""
        with self._lock:
            self._hearts[session] = self._hearts.get(session, 0) - 1
            if self._hearts[session] > 0:
                return
            del self._hearts[session]
            self._goodbyes[session] = time.monotonic()
            visit = self._visits.pop(session, None)
        if visit is not None:
            visit.end()

    def nobody(self) -> bool:
        """Whether no page is open and no call is being answered."""
        with self._lock:
            return not self._hearts and not any(visit.calls for visit in self._visits.values())

    def end_all(self) -> None:
        """The program stops."""
        with self._lock:
            visits, self._visits = list(self._visits.values()), {}
        for visit in visits:
            visit.end()

    def forget(self) -> None:
        """End the visits whose visitor is not there any more. A clock calls this."""
        with self._lock:
            over = [session for session in self._visits if self._is_over(session)]
            ended = [self._visits.pop(session) for session in over]
            old = time.monotonic() - ALONE
            self._goodbyes = {one: since for one, since in self._goodbyes.items() if since > old}
        for visit in ended:
            visit.end()

    def _is_over(self, session: str) -> bool:
        visit = self._visits[session]
        if visit.calls:
            return False
        idle = IDLE if session in self._hearts else LATE if session in self._goodbyes else ALONE
        return time.monotonic() - visit.seen > idle

    def _least_missed(self) -> Visit:
        """Takes the visit out that was not seen for longest, of those that no page and no call holds."""
        free = [one for one, visit in self._visits.items() if one not in self._hearts and not visit.calls]
        if not free:
            raise UserError("house_full")
        return self._visits.pop(min(free, key=lambda one: self._visits[one].seen))

    def _makes_room(self, visit: Visit, size: int) -> None:
        """Raises UserError("house_full") when the scans of all visitors would take more than MOST_BYTES."""
        with self._lock:
            held = sum(other.size for other in self._visits.values() if other is not visit)
        if held + size > MOST_BYTES:
            raise UserError("house_full")
