"""What the program remembers of each visitor while the page is open, and nothing after."""

import shutil
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.scene.answer import Answer
from models.scene.scan import Scan

IDLE = 2 * 3600.0  # seconds after which a visit that never said goodbye is forgotten


@dataclass
class Visit:
    """One open page. A visitor's own files lie in `folder` and nowhere else.

    shipped: name of the shipped scan that is open, "" for an upload.
    stored: `answer` was not computed now but kept with the program.
    gone: set when the page was closed; work for it gives up.
    """

    scan: Scan | None = None
    shipped: str = ""
    answer: Answer | None = None
    stored: bool = False
    gone: threading.Event = field(default_factory=threading.Event)
    seen: float = field(default_factory=time.monotonic)
    _folder: Path | None = None

    @property
    def folder(self) -> Path:
        """A private directory, made when first asked for."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="trilab-visit-"))
        return self._folder

    def end(self) -> None:
        """Delete everything the visitor brought."""
        self.gone.set()
        self.scan = self.answer = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


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
