"""What happened in a soak, of all visitors together."""

import re
import secrets
import threading
from collections import Counter
from dataclasses import dataclass, field

JOB_SECONDS = 600.0  # after which a job is taken for lost
SECRET = re.compile(r"s[0-9a-f]{16}")
FAULTS = 50  # that are kept


@dataclass
class Tally:
    """jobs: that visitors began. refused: told in a sentence what to do. lost: neither answered nor told.

    wrong: answered with something else than was asked for, or with a bug's reference. leaked: another's
    secret was seen. ways: how many jobs of each kind. sentences: how often each was told.
    """

    jobs: int = 0
    refused: int = 0
    wrong: int = 0
    leaked: int = 0
    slowest_page: float = 0.0
    missing: int = 0
    ways: Counter[str] = field(default_factory=Counter)
    sentences: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def secret(self) -> str:
        """A new visitor's."""
        one = f"s{secrets.token_hex(8)}"
        with self.lock:
            self.secrets.add(one)
        return one

    def add(self, what: str, note: str = "") -> None:
        """Count one more."""
        with self.lock:
            setattr(self, what, getattr(self, what) + 1)
            if note and len(self.faults) < FAULTS:
                self.faults.append(f"{what}: {note[:300]}")

    def done(self, way: str) -> None:
        """A job of a kind is over, however it ended."""
        with self.lock:
            self.jobs += 1
            self.ways[way] += 1

    def told(self, way: str, sentence: str) -> None:
        """A visitor read a sentence in place of an answer; one of a bug, or an empty one, is wrong."""
        if "reference" in sentence or not sentence.strip() or "None" in sentence:
            self.add("wrong", f"{way}: {sentence}")
            return
        with self.lock:
            self.refused += 1
            self.sentences[f"{way}: {sentence[:120]}"] += 1

    def lost(self, way: str, error: BaseException | str) -> None:
        """A visitor got neither an answer nor a sentence."""
        kind = "" if isinstance(error, str) else f"{type(error).__name__}: "
        self.add("missing", f"{way}: {kind}{error}")

    def expect(self, right: bool, what: str) -> None:
        """Count an answer that isn't what was asked for."""
        if not right:
            self.add("wrong", what)

    def look(self, text: str, own: str) -> None:
        """Look for the secrets of others in what a visitor was shown."""
        if self.secrets & (set(SECRET.findall(text)) - {own}):
            self.add("leaked", text)

    def page_took(self, seconds: float) -> None:
        """A browser showed the page after so long."""
        with self.lock:
            self.slowest_page = max(self.slowest_page, seconds)
