"""The predictor around the shipped captioners: a scan is prepared once, then its objects are described."""

import re
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.core import device
from models.core.checkpoints import load_checkpoint
from models.core.errors import UserError
from models.scene.captioning.around import chosen, collate, places_around
from models.scene.captioning.base import SpeakingNetwork
from models.scene.captioning.faithfulness import falsehoods, sided
from models.scene.captioning.listener import Listener, proven, told_apart
from models.scene.captioning.spoken_words import PAD
from models.scene.captioning.unsaid import unsaid
from models.scene.data.scan import Scan
from models.scene.objects.cache import prepared_scans
from models.scene.objects.object_set import Objects
from models.scene.synthetic_language.vocabulary import STRUCTURE, is_plural, named
from models.scene.types import Anchor, Caption

SHOWN = 3  # captions, and objects attended to
AT_ONCE = 8
LIGHT = 0.05  # attention from which an object is shown


class Captioner:
    """Loads a checkpoint and its point encoder, and describes objects of scans."""

    def __init__(self, kind: type[Any], checkpoint: str) -> None:
        """kind: a SpeakingNetwork's class. Raises UserError("checkpoint_missing" or "checkpoint_broken")."""
        self.checkpoint = checkpoint
        self.device = device.best()
        self.network: SpeakingNetwork = load_checkpoint(kind, checkpoint)
        self.prepared = prepared_scans()
        self.listener = Listener()
        self._proven: dict[int, Mapping[int, list[str]]] = {}

    def __call__(self, scan: Scan, object_id: int) -> Caption:
        """What there is to say of an object. Raises UserError: object_unknown, scan_unlabelled."""
        objects = self.prepared[scan]
        found = np.flatnonzero(objects.ids == object_id)
        if not len(found):
            raise UserError("object_unknown", object=object_id)
        return self._said(scan, objects, [int(found[0])])[0]

    def describe(self, scan: Scan) -> Iterator[Caption]:
        """A caption of every object that is no wall, floor or ceiling; raises as `__call__` does."""
        objects = self.prepared[scan]
        places = [place for place, label in enumerate(objects.labels) if label not in STRUCTURE]
        for start in range(0, len(places), AT_ONCE):
            yield from self._said(scan, objects, places[start : start + AT_ONCE])

    def _proofs(self, scan: Scan) -> Mapping[int, list[str]]:
        """See `proven`; kept as long as the scan is."""
        key = id(scan)
        if key not in self._proven:
            self._proven[key] = proven(self.prepared[scan], coloured=scan.coloured)
            weakref.finalize(scan, self._proven.pop, key, None)
        return self._proven[key]

    @torch.inference_mode()
    def _said(self, scan: Scan, objects: Objects, targets: Sequence[int]) -> list[Caption]:
        start = time.monotonic()
        if len(objects) == 1:
            return [_alone(objects, self.checkpoint)]
        clauses = self._proofs(scan)
        places = [places_around(objects, target) for target in targets]
        around = collate([chosen(objects, rows) for rows in places]).to(self.device)
        never = unsaid(self.network.spoken, [(objects, target) for target in targets], scan.coloured)
        ids, scores = self.network.best(around, "scanrefer", never)
        likely = (scores / (ids[..., 1:] != PAD).sum(-1)).exp().cpu()
        written = [
            [readable(sided(self.network.spoken.text(said), objects, target)) for said in row]
            for row, target in zip(ids.tolist(), targets, strict=True)
        ]
        chosen_texts = [
            told_apart(
                self.listener,
                objects,
                target,
                sorted(dict.fromkeys(texts), key=lambda text: falsehoods(text, objects, target)),
                clauses.get(target, ()),
            )
            for target, texts in zip(targets, written, strict=True)
        ]
        # Of those said first, which of the network's own it is; None for one that boxes prove.
        first = [
            texts.index(one[0]) if one[0] in texts else None
            for texts, one in zip(written, chosen_texts, strict=True)
        ]
        own = ids[torch.arange(len(ids)), [place or 0 for place in first]]
        looks = self.network.attended(around, own).cpu()
        seconds = round((time.monotonic() - start) / len(targets), 3)
        captions = []
        for row, target in enumerate(targets):
            texts = chosen_texts[row]
            odds = dict(reversed(list(zip(written[row], likely[row].tolist(), strict=True))))
            captions.append(
                Caption(
                    int(objects.ids[target]),
                    objects.labels[target],
                    texts[0],
                    tuple(texts[1:]),
                    tuple(round(odds[text], 3) if text in odds else None for text in texts),
                    () if first[row] is None else _anchors(objects, places[row], looks[row], own[row].cpu()),
                    self.checkpoint,
                    seconds,
                )
            )
        return captions


def _alone(objects: Objects, checkpoint: str) -> Caption:
    """What there is to say of the only object: its name. The network tells objects by those around them, and
    with none it repeats itself.
    """
    label = objects.labels[0]
    it_is = "They are the only objects" if is_plural(label) else "It is the only object"
    text = f"{named(label)} {it_is} in this scan."
    return Caption(int(objects.ids[0]), label, text, (), (1.0,), (), checkpoint, 0.0)


def readable(words: Sequence[str]) -> str:
    """Words as a text: no space before punctuation, a capital at the start of a sentence."""
    text = re.sub(r"\s+([.,;:!?)']|n't\b)", r"\1", " ".join(words))
    return re.sub(r"(^|[.!?] )(\w)", lambda found: found[1] + found[2].upper(), text)


def _anchors(objects: Objects, places: Sequence[int], looks: Tensor, ids: Tensor) -> tuple[Anchor, ...]:
    """The objects beside the target that the words looked at most. looks: (T, N). ids: (T,)."""
    weights = looks[ids != PAD].mean(0)[: len(places)].numpy()
    order = [i for i in np.argsort(-weights) if i != 0 and weights[i] >= LIGHT][:SHOWN]
    return tuple(
        Anchor(int(objects.ids[places[i]]), objects.labels[places[i]], round(float(weights[i]), 3))
        for i in order
    )
