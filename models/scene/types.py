"""What the scene lab is asked and what it answers: plain values, no tensors, no widgets."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.core.notes import Note
from models.scene.data.scan import Scan

if TYPE_CHECKING:
    from models.scene.segmentation.gravity_alignment import Level


@dataclass(frozen=True)
class Candidate:
    """One object that the sentence could mean.

    score: 0 to 1, how sure it is that this one is meant (and is there, where a detector found it); over all
        candidates of the answer they sum to at most 1.
    attribute, relation, location: what AP, RP and GLP each gave (higher is better).
    """

    object_id: int
    label: str
    box: tuple[float, ...]
    score: float
    attribute: float
    relation: float
    location: float


@dataclass(frozen=True)
class Anchor:
    """An object that the winner was judged by. weight: 0 to 1."""

    object_id: int
    label: str
    weight: float


@dataclass(frozen=True)
class Standpoint:
    """Where a sentence was taken to be said from. at: (x, y), metres. ahead: (x, y) of length 1, the look."""

    at: tuple[float, float]
    ahead: tuple[float, float]


@dataclass(frozen=True)
class Answer:
    """The object a sentence means in a scan, with the reasons.

    candidates: ranked, the first is the answer; () when the sentence names
        nothing that is in the scan (then `missing` says what it named).
    words: (word, weight 0 to 1) in the order of the sentence.
    target: the class that the sentence was understood to ask for.
    cell: (x, y) of the predicted cell of the 3 x 3 floor plan, 0 is low.
    cells: 3 x 3 probabilities, cells[y][x].
    checkpoint: name of the checkpoint that answered.
    notes: what in the sentence was understood otherwise than a person may think.
    fits: ids of all that the sentence fits where nothing in it tells them apart, else (); all are candidates.
    proofs: what the boxes prove of the first candidate.
    standpoint: from which left and right were judged, None where nothing was.
    """

    sentence: str
    target: str
    candidates: tuple[Candidate, ...]
    words: tuple[tuple[str, float], ...]
    anchors: tuple[Anchor, ...]
    cell: tuple[int, int]
    cells: tuple[tuple[float, ...], ...]
    checkpoint: str
    seconds: float
    missing: str = ""
    notes: tuple[Note, ...] = ()
    fits: tuple[int, ...] = ()
    proofs: tuple[Note, ...] = ()
    standpoint: Standpoint | None = None


def as_json(answer: Answer) -> dict[str, Any]:
    """An answer in plain values, the form of the command line and of the API.

    "object_id", "label", "box" and "score" are the first candidate's, None when there is none.
    """
    plain = asdict(answer)
    best = plain["candidates"][0] if answer.candidates else {}
    head = {name: best.get(name) for name in ("object_id", "label", "box", "score")}
    return {**head, **plain}


@dataclass(frozen=True)
class Caption:
    """What is said of one object.

    text: the best caption. others: the next-best, best first. likely: of each caption, best first, the
        probability of a word on (geometric) average, 0 to 1; None for what boxes or the label prove and no
        network wrote.
    anchors: the objects that the caption was read from, beside the object itself; weights sum to at most 1.
    checkpoint: name of the checkpoint that spoke; "" where none was asked.
    """

    object_id: int
    label: str
    text: str
    others: tuple[str, ...]
    likely: tuple[float | None, ...]
    anchors: tuple[Anchor, ...]
    checkpoint: str
    seconds: float


def as_scan2cap(scene: str, captions: Iterable[Caption]) -> dict[str, list[str]]:
    """Captions in Scan2Cap's form: {"SCENE|OBJECT|NAME": ["sos ... eos"]}."""
    from models.scene.captioning.metrics import caption_words, framed

    return {
        f"{scene}|{said.object_id}|{said.label.replace(' ', '_')}": [framed(caption_words(said.text))]
        for said in captions
    }


@dataclass(frozen=True)
class Segmented:
    """A scan with its instances, and how it was set upright.

    masks: of the instances, in their order: (n,) places of their vertices. classes: NYU40's, where a label
    may say more (shape_labels.py).
    """

    scan: Scan
    level: "Level | None"
    masks: list[NDArray[np.int64]]
    classes: list[str]
