"""What a reader tells of a file that it took: nothing that a file carries is dropped in silence."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Note:
    """A sentence about a file that was read.

    `key` names a sentence under "notes" in sentences/*.json; `facts` fill its placeholders.
    """

    key: str
    facts: dict[str, Any] = field(default_factory=dict, hash=False)


def note(key: str, **facts: object) -> Note:
    """A Note of its key and facts."""
    return Note(key, facts)
