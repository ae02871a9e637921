"""What is said is chosen by a listener: of several captions one that leads back to its object.

A speaker with a listener (Andreas and Klein, "Reasoning about Pragmatics", EMNLP 2016; D3Net, Chen et al.,
ECCV 2022, with the listener's word as a reward). Beside the captioner's own captions stand those whose second
sentence the boxes prove to be true of this object and of no other: made ones (synthetic_language), and ranks
by distance and in a row. The listener is ScanRefer, TGNN and ReferIt3DNet as the lab asks them, with what
boxes prove of a sentence; what judges captions in the tables is another network.
"""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from models.scene.data.scan import Instance
from models.scene.grounding.box_checks import distance, order, rows_of
from models.scene.grounding.claims import ORDINALS, Claim
from models.scene.grounding.predictor import ObjectGrounder
from models.scene.grounding.reasoning import combined, reason
from models.scene.grounding.registry import GROUNDERS
from models.scene.objects.object_set import Objects
from models.scene.synthetic_language.sentences import make_sentences
from models.scene.synthetic_language.vocabulary import STRUCTURE, SYNONYMS, is_plural, named

NETWORKS = ("scanrefer", "tgnn", "referit3dnet")
ROUNDS = 8  # of made sentences: each puts a relation another way
EACH = 200  # sentences of a kind and a room
CLAUSES = 16  # made ones of an object, at most
RANKS = 8  # of an object, at most
CLEAR = 0.15  # metres by which ranks must differ
SURE = 1.0  # by how much a caption must mean its object, log-odds, that no other is looked for


class Listener:
    """Hears sentences in a room and says how surely each means an object: the mean of several networks."""

    def __init__(self) -> None:
        """Those of NETWORKS that are here. Raises UserError("checkpoint_missing" or "checkpoint_broken")."""
        here = [name for name in NETWORKS if name in GROUNDERS.installed()]
        self.grounders = [cast(ObjectGrounder, GROUNDERS.loaded(name)) for name in here or NETWORKS[:1]]

    def __call__(self, objects: Objects, place: int, sentences: Sequence[str]) -> NDArray[np.float32]:
        """By how much each sentence means the object at a place more than any other; below 0, another."""
        return np.mean([_margins(one, objects, place, sentences) for one in self.grounders], axis=0)


def _margins(
    grounder: ObjectGrounder, objects: Objects, place: int, sentences: Sequence[str]
) -> NDArray[np.float32]:
    """What one network says, log-odds, with what boxes prove; -inf for a sentence that tells no object."""
    found = grounder.scored(objects, [grounder.vocabulary.read(one) for one in sentences])
    scores = found.scores[:, : len(objects)].float().cpu().numpy()
    margins = np.full(len(sentences), -np.inf, np.float32)
    for row, asked in enumerate(found.said.argmax(1).tolist()):
        reasoning = reason(sentences[row], objects, grounder.network.classes[asked])
        if reasoning.impossible or reasoning.fits:
            continue
        temperature = grounder.network.temperature
        logits = combined(scores[row], objects.confidence, reasoning.odds, temperature)
        margins[row] = logits[place] - np.delete(logits, place).max()
    return margins


def proven(objects: Objects, coloured: bool = True) -> Mapping[int, list[str]]:
    """By the place of an object that has rivals of its label: what the boxes prove of it and of none of them.

    Each is what "It is ..." goes on with: "closest to the door", "the largest table"; ranks only where there
    is nothing else, for networks know them less well than boxes do. coloured: whether the colours of the
    objects are known, or made up.
    """
    told = [
        Instance(int(id_), label, box, 255 * colour)
        for id_, label, box, colour in zip(
            objects.ids, objects.labels, objects.boxes, objects.colours, strict=True
        )
    ]
    places = {int(id_): place for place, id_ in enumerate(objects.ids)}
    counts = Counter(objects.labels)
    found: dict[int, list[str]] = defaultdict(list)
    for seed in range(ROUNDS):
        for said in make_sentences(told, random.Random(seed), each=EACH, most=len(told)):
            place = places[said.target]
            if said.kind == "colours" and not coloured:
                continue
            clause = _clause(objects.labels[place], said.sentence)
            if counts[objects.labels[place]] > 1 and clause and clause not in found[place]:
                found[place].append(clause)
    ranks = ranked(objects)
    rivals = [place for place, label in enumerate(objects.labels) if counts[label] > 1]
    return {place: found[place][:CLAUSES] or ranks.get(place, []) for place in rivals}


def ranked(objects: Objects) -> Mapping[int, list[str]]:
    """By the place of an object: its clear ranks among those of its label, the lowest first."""
    found: dict[int, list[tuple[int, str]]] = defaultdict(list)
    names = sorted(set(objects.labels) - STRUCTURE)
    for label in names:
        places = np.array([place for place, one in enumerate(objects.labels) if one == label])
        if len(places) < 3:
            continue
        for anchor in names:
            along = distance(Claim("near", anchors=(anchor,)), objects, places)
            if anchor != label and along is not None:
                _rank(found, places, along, f"closest to the {anchor}", first="")
        for row in rows_of(objects, places):
            for side in ("left", "right"):
                along = order(side, objects, places[row], None)
                if along is not None and len(row) == len(places):
                    _rank(found, places, along, f"from the {side}", first=ORDINALS[0])
    return {place: [text for _, text in sorted(ranks)[:RANKS]] for place, ranks in found.items()}


def _rank(
    found: dict[int, list[tuple[int, str]]],
    places: NDArray[np.int64],
    along: NDArray[np.float32],
    what: str,
    first: str,
) -> None:
    """Add the ranks of objects along a direction, metres, where no neighbour is nearer than CLEAR.

    first: what the first rank is called, "" where it has no rank.
    """
    turn = np.argsort(along)
    gaps = np.diff(along[turn], prepend=-np.inf, append=np.inf)
    for rank, place in enumerate(places[turn[: len(ORDINALS) // 2]].tolist()):
        name = ORDINALS[rank] if rank else first
        if name and min(gaps[rank], gaps[rank + 1]) >= CLEAR:
            found[place].append((rank, f"the {name} {what}"))


def _clause(label: str, sentence: str) -> str:
    """What a sentence of the form "the LABEL that is ..." or "the BIGGEST LABEL" says; "" for other forms."""
    if not re.fullmatch(r"the (?!correct )[^.,]+", sentence) or " you want " in sentence:
        return ""
    for name in (label, *SYNONYMS.get(label, ())):
        if found := re.fullmatch(rf"the {re.escape(name)} (?:that (?:is|are) )?(.+)", sentence):
            return found[1]
    return sentence


def told_apart(
    listener: Listener, objects: Objects, place: int, texts: Sequence[str], clauses: Sequence[str]
) -> list[str]:
    """Captions of one object, the one to say first. texts: the captioner's, best first. clauses: `proven`.

    The captioner's best stays where the listener finds the object by it; else the caption is said by which it
    finds it best, one of those that are proven where there are some.
    """
    label = objects.labels[place]
    it_is = "They are" if is_plural(label) else "It is"
    made = [f"{named(label)} {it_is} {clause}." for clause in clauses]
    every = [*texts, *made]
    margins = listener(objects, place, every)
    if margins[0] > SURE:
        return list(texts)
    start = len(texts) if made else 0
    best = start + int(margins[start:].argmax())
    return [every[best], *(text for text in texts if text != every[best])][: len(texts)]
