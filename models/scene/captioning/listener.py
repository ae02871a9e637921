"""What is said is chosen by a listener: of several captions one that leads back to its object.

A speaker with a listener (Andreas and Klein, "Reasoning about Pragmatics", EMNLP 2016; D3Net, Chen et al.,
ECCV 2022, with the listener's word as a reward). Beside the captioner's own captions stand those whose second
sentence the boxes prove to be true of this object and of no other (synthetic_language). The listener is
ScanRefer's network; what judges captions in the tables is another.
"""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from models.scene.data.scan import Instance
from models.scene.grounding.instancerefer.open_instancerefer import OpenBatch
from models.scene.grounding.predictor import ObjectGrounder
from models.scene.grounding.scanrefer import ScanReferLocalizer
from models.scene.objects.batching import padded_objects
from models.scene.objects.object_set import Objects
from models.scene.synthetic_language.sentences import make_sentences
from models.scene.synthetic_language.vocabulary import SYNONYMS, is_plural, named

CHECKPOINT = "scanrefer"
ROUNDS = 8  # of made sentences: each puts a relation another way
EACH = 200  # sentences of a kind and a room
CLAUSES = 16  # of an object, at most


class Listener:
    """Hears sentences in a room and says which object each means."""

    def __init__(self) -> None:
        """Raises UserError("checkpoint_missing" or "checkpoint_broken")."""
        self.grounder = ObjectGrounder(ScanReferLocalizer, CHECKPOINT)

    @torch.inference_mode()
    def __call__(self, objects: Objects, place: int, sentences: Sequence[str]) -> NDArray[np.float32]:
        """By how much each sentence means the object at a place more than any other; below 0, another."""
        read = [
            torch.tensor([index for index, *_ in self.grounder.vocabulary.read(one)]) for one in sentences
        ]
        words = torch.nn.utils.rnn.pad_sequence(read, batch_first=True)
        mask = torch.nn.utils.rnn.pad_sequence([torch.ones(len(one)) for one in read], batch_first=True) > 0
        batch = OpenBatch(**padded_objects([objects] * len(read)), words=words, word_mask=mask)
        scores = self.grounder.network(batch.to(self.grounder.device)).scores[:, : len(objects)].float()
        own = scores[:, place].clone()
        scores[:, place] = -torch.inf
        margin: NDArray[np.float32] = (own - scores.amax(1)).cpu().numpy()
        return margin


def proven(objects: Objects, coloured: bool = True) -> Mapping[int, list[str]]:
    """By the place of an object that has rivals of its label: what the boxes prove of it and of none of them.

    Each is what "It is ..." goes on with: "closest to the door", "the largest table". coloured: whether the
    colours of the objects are known, or made up.
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
    return found


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
    made = [f"{named(label)} {it_is} {clause}." for clause in clauses[:CLAUSES]]
    every = [*texts, *made]
    margins = listener(objects, place, every)
    if margins[0] > 0:
        return list(texts)
    start = len(texts) if made else 0
    best = start + int(margins[start:].argmax())
    return [every[best], *(text for text in texts if text != every[best])][: len(texts)]
