"""What long work says while it runs."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Progress:
    """One step of a long job: a generator yields these and, at last, its result.

    fraction: done so far, 0 to 1.
    key: of a sentence, which the page has.
    preview: what can be shown already, or None.
    """

    fraction: float
    key: str
    preview: Any = None
