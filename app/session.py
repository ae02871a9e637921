"""What the program remembers of each visitor while the page is open, and nothing after.

It knows no lab: each lab has its own class of `LabSession`, and `visit.lab(Kind)` gives the visitor's.
"""

import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from app import process_folder
from app.history import History
from models.core.errors import UserError

IDLE = 2 * 3600.0  # seconds without a request after which an open page is forgotten
ALONE = 300.0  # the same for who calls without holding a heartbeat
LATE = 30.0  # the same for requests of a session that had said goodbye
RELOAD = 20.0  # seconds that what was made waits for the page to be loaded again
GOODBYE = 3.0  # seconds, at most, until it is noticed that a page that was loaded again had been closed
MOST = 256  # visits at once
MOST_BYTES = 2**30  # of what visitors brought and memory holds, together

Kind = TypeVar("Kind", bound="LabSession")


@dataclass
class LabSession:
    """What one lab remembers of a visitor. visit: whose it is, and with which it ends."""

    visit: "Visit"

    def end(self) -> None:
        """Forget everything and end what is at work; may be called again."""
        raise NotImplementedError


@dataclass
class Visit:
    """One open page. A visitor's own files lie in `folder` and nowhere else.

    gone: set when the page was closed; work for it gives up.
    seen: when the last call came, by the monotonic clock. calls: how many of the API are being answered.
    size: bytes in memory of what the visitor brought. history: what was made and can be brought back.
    makes_room: called with the visit and a size before it keeps that much; raises where there is no room.
    """

    gone: threading.Event = field(default_factory=threading.Event)
    seen: float = field(default_factory=time.monotonic)
    calls: int = 0
    size: int = 0
    history: History = field(default_factory=History)
    makes_room: "Callable[[Visit, int], None]" = lambda visit, size: None
    _folder: Path | None = None
    _shown: Path | None = None
    _labs: dict[type[LabSession], LabSession] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def lab(self, kind: type[Kind]) -> Kind:
        """What the lab of that class remembers of the visitor, nothing at first; the same at each call."""
        with self._lock:
            found = self._labs.get(kind)
            if not isinstance(found, kind):
                found = self._labs[kind] = kind(self)
            return found

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

    def keeps(self, size: int) -> None:
        """From now on this many bytes of the visitor's own are in memory, in place of those before.

        Raises UserError: cancelled, house_full.
        """
        self._check_here()
        self.makes_room(self, size)
        self.size = size

    def end(self) -> None:
        """Delete everything the visitor brought and made."""
        self.gone.set()
        with self._lock:
            labs = list(self._labs.values())
        for lab in labs:
            lab.end()
        self.size = 0
        self.history.end()
        for folder in (self._folder, self._shown):
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)


class Visits:
    """Visits by Gradio's session: one for each open page and each API client.

    A page holds a heartbeat open as long as it is there (`arrived`, `left`); its visit ends with it. Who
    calls without one is forgotten soon after the last call, and what still runs after a goodbye sooner.
    A reload is a visit that ends and another: what was made waits a moment for who has its key (`reloaded`).
    """

    def __init__(self) -> None:
        self._visits: dict[str, Visit] = {}
        self._hearts: dict[str, int] = {}  # heartbeats open for each session
        self._goodbyes: dict[str, float] = {}  # when a session's last heartbeat ended
        self._left: dict[str, tuple[History, float]] = {}  # by key, and since when; the oldest first
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
            over = self._parted(visit) if visit is not None and len(visit.history) else []
        for history in over:
            history.end()
        if visit is not None:
            visit.end()

    def _parted(self, visit: Visit) -> list[History]:
        """What was made waits without its visit; gives back what there is no room for any more."""
        history, visit.history = visit.history, History()
        self._left[history.key] = (history, time.monotonic())
        return [self._left.pop(key)[0] for key in list(self._left)[:-MOST]]

    def reloaded(self, request: Any, key: object) -> Visit:
        """The visit of a page that was loaded again; what was made on the one with that key is now its own.

        Nothing is taken from a page that is still open. Raises as `of` does.
        """
        visit = self.of(request)
        patience = time.monotonic() + GOODBYE
        while isinstance(key, str) and key != visit.history.key:
            with self._lock:
                if found := self._left.pop(key, None):
                    visit.history.take(found[0])
                leaving = any(one.history.key == key for one in self._visits.values())
            if not leaving or time.monotonic() > patience:
                break
            time.sleep(0.1)
        return visit

    def nobody(self) -> bool:
        """Whether no page is open and no call is being answered."""
        with self._lock:
            return not self._hearts and not any(visit.calls for visit in self._visits.values())

    def end_all(self) -> None:
        """The program stops."""
        with self._lock:
            visits, self._visits = list(self._visits.values()), {}
            left, self._left = list(self._left.values()), {}
        for visit in visits:
            visit.end()
        for history, _ in left:
            history.end()

    def forget(self) -> None:
        """End the visits whose visitor is not there now, and what no reload asked for; a clock calls this."""
        with self._lock:
            over = [session for session in self._visits if self._is_over(session)]
            ended = [self._visits.pop(session) for session in over]
            old = time.monotonic() - ALONE
            self._goodbyes = {one: since for one, since in self._goodbyes.items() if since > old}
            late = [key for key, (_, since) in self._left.items() if time.monotonic() - since > RELOAD]
            left = [self._left.pop(key)[0] for key in late]
        for visit in ended:
            visit.end()
        for history in left:
            history.end()

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
        """Raises UserError("house_full") when what all visitors brought would take more than MOST_BYTES."""
        with self._lock:
            held = sum(other.size for other in self._visits.values() if other is not visit)
        if held + size > MOST_BYTES:
            raise UserError("house_full")
