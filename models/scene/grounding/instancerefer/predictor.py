"""The predictor around the shipped InstanceRefer: a scan is prepared once, then asked many sentences."""

import re
import time
from collections.abc import Collection, Sequence
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.core import device
from models.core.checkpoints import load_checkpoint
from models.core.text import Tokens, token_vectors
from models.scene.data.scan import Scan
from models.scene.grounding.instancerefer.open_instancerefer import (
    OpenBatch,
    OpenGrounding,
    OpenInstanceRefer,
)
from models.scene.grounding.reasoning import Reasoning, combined, reason
from models.scene.objects.batching import padded_objects
from models.scene.objects.cache import prepared_scans
from models.scene.objects.object_set import Objects
from models.scene.types import Anchor, Answer, Candidate

# Below this likelihood no object is of the class asked for. On sentences of held-out train scenes it rejects
# 96 % of those asked in a scene without the class and 2 % of the others.
NAMES_NOTHING = 0.5
ALSO_MEANT = 0.2  # a candidate is at least this likely of that class, as a share of the likeliest
SHOWN_ANCHORS, LIGHT_ANCHOR = 3, 0.08
ARTICLES = {"the", "a", "an", "this", "that", "these", "those", "my", "it", "is"}


class Grounder:
    """Loads a checkpoint and its point encoder, and answers sentences about scans."""

    def __init__(self, checkpoint: str) -> None:
        """Raises UserError("checkpoint_missing" or "checkpoint_broken") naming the file."""
        self.checkpoint = checkpoint
        self.device = device.best()
        self.network = load_checkpoint(OpenInstanceRefer, checkpoint)
        self.prepared = prepared_scans()

    @torch.inference_mode()
    def __call__(self, scan: Scan, sentence: str, named: Collection[str] = ()) -> Answer:
        """The object that a sentence means. Raises UserError("scan_unlabelled") where nothing is labelled.

        named: labels that the sentence says. An unsure network still means the likeliest object where that is
        labelled so: it would be untrue that the scan has none.
        """
        start = time.monotonic()
        objects = self.prepared[scan]
        tokens = token_vectors([sentence])
        batch = OpenBatch(**padded_objects([objects]), words=tokens.vectors, word_mask=tokens.mask)
        found = self.network(batch.to(self.device))
        likely = found.target[0].sigmoid().cpu().numpy()
        cells = found.cells[0].softmax(0).view(3, 3).cpu().numpy()
        words = _words(sentence, tokens, found.attention[0].float().cpu())
        asked = objects.labels[int(likely.argmax())]
        reasoning = reason(sentence, objects, asked)
        nothing = reasoning.impossible or (likely.max() < NAMES_NOTHING and asked not in named)
        candidates = (
            () if nothing else _candidates(objects, found, likely, reasoning, self.network.temperature)
        )
        best = int(np.flatnonzero(objects.ids == candidates[0].object_id)[0]) if candidates else -1
        return Answer(
            sentence=sentence,
            target=asked if candidates else "",
            candidates=candidates,
            words=words,
            anchors=_anchors(objects, found, best) if candidates and not reasoning.fits else (),
            cell=_cell_of(cells),
            cells=tuple(tuple(round(float(p), 4) for p in row) for row in cells),
            checkpoint=self.checkpoint,
            seconds=round(time.monotonic() - start, 3),
            missing=_named(sentence, tokens, found.attention[0, :, 0].float().cpu())
            if nothing and not reasoning.impossible
            else "",
            notes=reasoning.notes if candidates or reasoning.impossible else (),
            fits=tuple(int(objects.ids[place]) for place in reasoning.fits) if candidates else (),
            proofs=reasoning.proofs(objects, best) if candidates else (),
            standpoint=reasoning.standpoint if candidates else None,
        )


def _candidates(
    objects: Objects,
    found: OpenGrounding,
    likely: NDArray[np.float32],
    reasoning: Reasoning,
    temperature: float,
) -> tuple[Candidate, ...]:
    """Objects of the class asked for, best first; where several fit alike these, each as likely."""
    chosen = found.candidates[0].cpu().numpy()
    meant = likely[chosen] >= ALSO_MEANT * likely.max()
    sure = objects.confidence[chosen]
    logits = combined(found.scores[0].cpu().numpy(), sure, reasoning.odds[chosen], temperature)
    share = np.exp(logits - logits[meant].max()) * meant
    share = sure * share / share.sum()
    ranked = {int(chosen[at]): float(share[at]) for at in np.argsort(-share) if meant[at]}
    if reasoning.fits:
        ranked = dict.fromkeys(
            sorted(reasoning.fits, key=lambda place: -ranked.get(place, 0.0)), 1 / len(reasoning.fits)
        )
    parts = (found.attribute, found.relation, found.location)
    # One that the network never looked at closely has nothing of its modules.
    own = {
        int(place): [round(float(part[0, at]), 3) for part in parts]
        for at, place in enumerate(chosen.tolist())
    }
    return tuple(
        Candidate(
            int(objects.ids[place]),
            objects.labels[place],
            tuple(round(float(v), 4) for v in objects.boxes[place]),
            round(score, 4),
            *own.get(place, (0.0, 0.0, 0.0)),
        )
        for place, score in ranked.items()
    )


def _anchors(objects: Objects, found: OpenGrounding, best: int) -> tuple[Anchor, ...]:
    place = int((found.candidates[0] == best).nonzero()[0])
    weights = found.anchors[0, place].float().cpu().numpy()
    order = [i for i in np.argsort(-weights)[:SHOWN_ANCHORS] if weights[i] >= LIGHT_ANCHOR]
    return tuple(Anchor(int(objects.ids[i]), objects.labels[i], round(float(weights[i]), 3)) for i in order)


def _cell_of(cells: NDArray[np.float32]) -> tuple[int, int]:
    y, x = np.unravel_index(int(cells.argmax()), cells.shape)
    return int(x), int(y)


def _words(sentence: str, tokens: Tokens, attention: Tensor) -> tuple[tuple[str, float], ...]:
    """How much each word was attended to by the question that attended to it most, 1 for the strongest."""
    strongest = attention.amax(1).numpy()
    words = [(match.group(), match.start(), match.end()) for match in re.finditer(r"\S+", sentence)]
    weights = [_weight(strongest, tokens.spans[0], start, end) for _, start, end in words]
    most = max(weights, default=0) or 1.0
    return tuple((word, round(weight / most, 3)) for (word, *_), weight in zip(words, weights, strict=True))


def _weight(attention: NDArray[np.float32], spans: Sequence[tuple[int, int]], start: int, end: int) -> float:
    return float(sum(a for a, (s, e) in zip(attention, spans, strict=False) if s >= start and e <= end))


def _named(sentence: str, tokens: Tokens, attention: Tensor) -> str:
    """The word that the sentence was understood to ask for."""
    found = re.finditer(r"[\w'-]+", sentence)
    words = [(m.group(), m.start(), m.end()) for m in found if m.group().lower() not in ARTICLES]
    weights = [_weight(attention.numpy(), tokens.spans[0], start, end) for _, start, end in words]
    return words[int(np.argmax(weights))][0] if words else sentence


@cache
def load(checkpoint: str) -> Grounder:
    """A loaded checkpoint, once for a process. Raises UserError as `load_checkpoint` does."""
    return Grounder(checkpoint)
