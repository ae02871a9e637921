"""Predictors: a scan is prepared once, whichever methods are asked of it."""

import re
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from models.core import device
from models.core.checkpoints import load_checkpoint
from models.scene.data.scan import Scan
from models.scene.grounding.base import Grounding, RankedObject
from models.scene.grounding.certainty import certainties
from models.scene.grounding.instancerefer.open_instancerefer import OpenBatch
from models.scene.grounding.instancerefer.predictor import Grounder
from models.scene.grounding.object_networks import ObjectScores
from models.scene.grounding.reasoning import Reasoning, combined, reason
from models.scene.grounding.vocabulary import Read, Vocabulary
from models.scene.objects.batching import padded_objects
from models.scene.objects.cache import prepared_scans
from models.scene.objects.object_set import Objects

RANKED = 8  # objects that are told of


class InstanceReferPredictor:
    """The shipped InstanceRefer behind the contract; its reasons come along whole."""

    def __init__(self, grounder: Grounder) -> None:
        self.checkpoint, self.grounder = grounder.checkpoint, grounder

    def __call__(self, scan: Scan, sentence: str) -> Grounding:
        """The object that a sentence means. Raises UserError("scan_unlabelled") where nothing is labelled."""
        answer = self.grounder(scan, sentence)
        parts = ("attribute", "relation", "location")
        ranked = tuple(
            RankedObject(
                *(one.object_id, one.label, one.box, one.score), {part: getattr(one, part) for part in parts}
            )
            for one in answer.candidates
        )
        return Grounding(
            method="instancerefer",
            sentence=sentence,
            ranked=ranked,
            target=answer.target,
            checkpoint=self.checkpoint,
            seconds=answer.seconds,
            words=answer.words,
            anchors=answer.anchors,
            missing=answer.missing,
            fits=answer.fits,
            proofs=answer.proofs,
            notes=answer.notes,
            standpoint=answer.standpoint,
            reasons=answer,
        )


class ObjectGrounder:
    """A network that scores every object of a scan (object_networks.py). It always answers something."""

    def __init__(self, network: type[Any], checkpoint: str) -> None:
        """network: its class. Raises UserError("checkpoint_missing" or "checkpoint_broken")."""
        self.checkpoint = checkpoint
        self.device = device.best()
        self.network = load_checkpoint(network, checkpoint).to(self.device)
        self.vocabulary = Vocabulary(self.network.vocabulary)
        self.prepared = prepared_scans()

    @torch.inference_mode()
    def __call__(self, scan: Scan, sentence: str) -> Grounding:
        """The object that a sentence means. Raises UserError("scan_unlabelled") where nothing is labelled."""
        start = time.monotonic()
        objects = self.prepared[scan]
        words = self.vocabulary.read(sentence)
        found = self.scored(objects, [words])
        asked = self.network.classes[int(found.said[0].argmax())]
        reasoning = reason(sentence, objects, asked)
        ranked, best = _ranked(objects, found, reasoning, self.network.temperature)
        return Grounding(
            method=self.checkpoint,
            sentence=sentence,
            ranked=() if reasoning.impossible else ranked,
            target=asked,
            checkpoint=self.checkpoint,
            seconds=round(time.monotonic() - start, 3),
            words=_words(sentence, words, found.attention[0, best].tolist())
            if found.attention is not None
            else (),
            fits=tuple(int(objects.ids[place]) for place in reasoning.fits),
            proofs=() if reasoning.impossible else reasoning.proofs(objects, best),
            notes=reasoning.notes,
            standpoint=reasoning.standpoint,
        )

    @torch.inference_mode()
    def scored(self, objects: Objects, sentences: Sequence[Sequence[Read]]) -> ObjectScores:
        """What the network says of each of several sentences, as the vocabulary reads them, about a room."""
        read = [torch.tensor([index for index, *_ in words]) for words in sentences]
        words = pad_sequence(read, batch_first=True)
        mask = pad_sequence([torch.ones_like(one, dtype=torch.bool) for one in read], batch_first=True)
        batch = OpenBatch(**padded_objects([objects] * len(read)), words=words, word_mask=mask)
        scores: ObjectScores = self.network(batch.to(self.device))
        return scores


def _ranked(
    objects: Objects, found: ObjectScores, reasoning: Reasoning, temperature: float
) -> tuple[tuple[RankedObject, ...], int]:
    """The best objects, and the place of the first; where several fit alike all of these, each as likely."""
    raw = found.scores[0].cpu().numpy()
    logits = combined(raw, objects.confidence, reasoning.odds, temperature)
    share = objects.confidence * certainties(logits)
    own = {"match": raw}
    if found.labels is not None:
        asked = int(found.said[0].argmax())
        own["class"] = found.labels[0].softmax(-1)[:, asked].cpu().numpy()
    order = np.argsort(-share)[:RANKED]
    if reasoning.fits:
        order = np.array(sorted(reasoning.fits, key=lambda place: -share[place]))
        share = np.full(len(objects), 1 / len(order))
    ranked = tuple(
        RankedObject(
            int(objects.ids[place]),
            objects.labels[place],
            tuple(round(float(value), 4) for value in objects.boxes[place]),
            round(float(share[place]), 4),
            {name: round(float(values[place]), 3) for name, values in own.items()},
        )
        for place in order
    )
    return ranked, int(order[0])


def _words(sentence: str, read: Sequence[Read], attention: Sequence[float]) -> tuple[tuple[str, float], ...]:
    """How much the winner read of each word, 1 for the most."""
    words = [(match.group(), match.start(), match.end()) for match in re.finditer(r"\S+", sentence)]
    weights = [
        sum(weight for weight, (_, s, e) in zip(attention, read, strict=True) if s >= start and e <= end)
        for _, start, end in words
    ]
    most = max(weights, default=0) or 1.0
    return tuple((word, round(weight / most, 3)) for (word, *_), weight in zip(words, weights, strict=True))
