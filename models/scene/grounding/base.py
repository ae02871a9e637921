"""The contract of visual grounding: a scan and a sentence give ranked objects, by whatever method."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from models.core.notes import Note
from models.scene.data.scan import Scan
from models.scene.types import Anchor, Answer, Standpoint


@dataclass(frozen=True)
class RankedObject:
    """One object that the sentence could mean.

    box: (6,) min xyz, max xyz, metres, axis-aligned frame. score: 0 to 1, over all objects they sum to at
    most 1. scores: what the method itself says, in its own terms, higher is better.
    """

    object_id: int
    label: str
    box: tuple[float, ...]
    score: float
    scores: Mapping[str, float]


@dataclass(frozen=True)
class Grounding:
    """What a method answers.

    method: its name in the registry. ranked: best first; () where the method says that nothing is meant.
    target: the class that it understood the sentence to ask for. words: (word, weight 0 to 1) where it has
    word attention. anchors: the objects it judged by, where it names some. missing: what is not in the scan.
    fits: ids of all that the sentence fits where nothing in it tells them apart, else (). proofs: what the
    boxes prove of the best. notes: what a person should know of the answer. standpoint:
    from which left and right were judged. reasons: all that InstanceRefer
    gives beside this.
    """

    method: str
    sentence: str
    ranked: tuple[RankedObject, ...]
    target: str
    checkpoint: str
    seconds: float
    words: tuple[tuple[str, float], ...] = ()
    anchors: tuple[Anchor, ...] = ()
    missing: str = ""
    fits: tuple[int, ...] = ()
    proofs: tuple[Note, ...] = ()
    notes: tuple[Note, ...] = ()
    standpoint: Standpoint | None = None
    reasons: Answer | None = field(default=None, repr=False)

    @property
    def best(self) -> RankedObject | None:
        """The answer."""
        return self.ranked[0] if self.ranked else None


class GroundingModel(Protocol):
    """A loaded method. Raises UserError("scan_unlabelled") where a scan has no objects."""

    checkpoint: str

    def __call__(self, scan: Scan, sentence: str) -> Grounding:
        """The object that a sentence means."""
        ...


def as_json(found: Grounding) -> dict[str, Any]:
    """A method's answer in plain values: its object first, None where it means nothing, then all."""
    plain = asdict(found)
    plain.pop("reasons")
    best = plain["ranked"][0] if found.ranked else {}
    return {**{name: best.get(name) for name in ("object_id", "label", "score", "box")}, **plain}
