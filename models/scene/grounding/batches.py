"""Batches for grounding: sentences with their scenes, disturbed as a detector would disturb them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.core.device import Movable
from models.scene.data.datasets import (
    PEOPLE,
    Sentence,
)
from models.scene.grounding.instancerefer.open_instancerefer import OpenBatch
from models.scene.objects.batching import padded, padded_objects, rounded
from models.scene.objects.object_set import Objects, label_vectors

ANCHORS = 3
SIMILAR = 0.8  # cosine from which a label may be another word for the same thing


class Words(Protocol):
    """What is read of a sentence: (T, 384) token vectors, or (T,) indices of a learned vocabulary."""

    def __getitem__(self, sentence: str, /) -> NDArray[Any]:
        """Of one sentence."""
        ...


@dataclass(frozen=True)
class Labels:
    """The labels of the train scenes: their vectors, likely mistakes, and which are no synonyms."""

    names: tuple[str, ...]
    vectors: NDArray[np.float32]
    places: Mapping[str, int]
    mistakes: NDArray[np.float32]
    unlike: NDArray[np.bool_]

    @classmethod
    def of(cls, scenes: Mapping[str, Objects]) -> "Labels":
        """Mistakes prefer similar and frequent labels; rows are cumulative probabilities."""
        names = sorted({label for objects in scenes.values() for label in objects.labels})
        vectors = label_vectors(names)
        places = {name: place for place, name in enumerate(names)}
        counts = np.zeros(len(names))
        for objects in scenes.values():
            np.add.at(counts, [places[label] for label in objects.labels], 1)
        similar = vectors @ vectors.T
        odds = np.exp(6 * similar) * np.sqrt(counts)
        np.fill_diagonal(odds, 0)
        mistakes = np.cumsum(odds / odds.sum(1, keepdims=True), 1)
        return cls(tuple(names), vectors, places, mistakes, similar < SIMILAR)


@dataclass(frozen=True)
class Targets(Movable):
    """What the losses need beside the batch.

    target: (B,) place of the object meant, -1 where only its class is known. peers: (B, N) bool, the objects
    of its class. unlike: (B, N) bool, the objects whose label is not even similar to the class asked for, and
    elsewhere: (B, N) bool, those of the batch's previous scene. labels: (B, N) true label of each object (-1
    for padding). cell: (B,) of the 3 x 3 (-1: none). anchors: (B, ANCHORS, N) bool, for each thing that the
    sentence mentions beside its target the objects it may mean; no object where fewer are mentioned.
    plain: (B,) bool, sentences that are known to mention nothing else.
    """

    target: Tensor
    peers: Tensor
    unlike: Tensor
    elsewhere: Tensor
    labels: Tensor
    cell: Tensor
    anchors: Tensor
    plain: Tensor


def disturbed(
    objects: Objects, rng: np.random.Generator, labels: Labels, keep: Sequence[int]
) -> tuple[Objects, NDArray[np.int64]]:
    """A scene as it might have been scanned and detected, and the places of the objects that are left.

    Quarter turns; boxes shaken by 3 % of their size; brightness; objects
    missed; in most scenes labels forgotten or mistaken; points forgotten.
    keep: places that may not be missed.
    """
    count = len(objects)
    rough = rng.random() < 0.7
    present = rng.random(count) > (0.15 if rough else 0.05)
    present[list(keep)] = True
    places = np.flatnonzero(present)
    size = objects.boxes[:, 3:] - objects.boxes[:, :3]
    boxes = objects.boxes + rng.normal(0, 0.03, (count, 6)) * np.concatenate([size, size], 1)
    room = objects.room
    for _ in range(rng.integers(4)):
        boxes, room = _quarter(boxes), _quarter(room[None])[0]
    colours = objects.colours * rng.uniform(0.85, 1.15) + rng.normal(0, 0.02, 3)
    names = objects.names
    if rough:
        names = names.copy()
        luck, forgotten = rng.random(count), rng.uniform(0, 0.4)
        for place in np.flatnonzero(luck < 0.12):
            row = labels.mistakes[labels.places[objects.labels[place]]]
            names[place] = labels.vectors[min(int(np.searchsorted(row, rng.random())), len(row) - 1)]
        names[(luck >= 0.12) & (luck < 0.12 + forgotten)] = 0
    shapes = objects.shapes * (rng.random() > 0.3)
    changed = replace(
        objects,
        ids=objects.ids[places],
        labels=tuple(objects.labels[place] for place in places),
        confidence=objects.confidence[places],
        names=names[places],
        boxes=boxes[places].astype(np.float32),
        colours=np.clip(colours[places], 0, 1).astype(np.float32),
        shapes=shapes[places],
        room=room,
    )
    return changed, places


def _quarter(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, 6) boxes turned by 90 degrees about the vertical."""
    x0, y0, z0, x1, y1, z1 = boxes.T
    return np.stack([-y1, x0, z0, -y0, x1, z1], 1)


def collate(scenes: Sequence[Objects], texts: Sequence[str], words: Words) -> OpenBatch:
    """One sentence for each scene, padded."""
    tokens = [words[text] for text in texts]
    longest = rounded(max(map(len, tokens)), 8)
    said = padded(tokens, longest)
    return OpenBatch(
        **padded_objects(scenes, 16),
        words=said if tokens[0].ndim == 2 else said.long(),  # indices of a vocabulary
        word_mask=torch.arange(longest) < torch.tensor([len(row) for row in tokens])[:, None],
    )


def training_batch(
    chosen: Sequence[Sentence],
    scenes: Mapping[str, Objects],
    words: Words,
    labels: Labels,
    rng: np.random.Generator,
) -> tuple[OpenBatch, Targets]:
    """Sentences with disturbed scenes, and what is to be learned from them."""
    shown, targets, peers, wanted, truths, cells = [], [], [], [], [], []
    anchors: list[list[NDArray[np.bool_]]] = []
    for sentence in chosen:
        objects = scenes[sentence.scene]
        alike = _peers(objects, sentence)
        wanted.append(labels.places[objects.labels[alike[0]]])
        mentioned = _mentioned(objects, sentence)
        changed, places = disturbed(objects, rng, labels, [*alike, *chain.from_iterable(mentioned)])
        anchors.append([np.isin(places, group) for group in mentioned])
        target = -1
        if sentence.target is not None:
            target = int(np.flatnonzero(objects.ids[places] == sentence.target)[0])
        shown.append(changed)
        targets.append(target)
        peers.append(np.isin(places, alike))
        truths.append(np.array([labels.places[objects.labels[place]] for place in places]))
        cells.append(_cell(changed, target))
    batch = collate(shown, [sentence.text for sentence in chosen], words)
    most = batch.exists.shape[1]
    padded_peers = np.stack([np.pad(row, (0, most - len(row))) for row in peers])
    padded_truths = np.stack([np.pad(row, (0, most - len(row)), constant_values=-1) for row in truths])
    alien = labels.unlike[np.array(wanted)[:, None], padded_truths] & (padded_truths >= 0)
    before = np.roll(padded_truths, 1, 0)
    stranger = labels.unlike[np.array(wanted)[:, None], before] & (before >= 0)
    groups = np.zeros((len(chosen), ANCHORS, most), bool)
    for row, found in enumerate(anchors):
        for place, group in enumerate(found):
            groups[row, place, : len(group)] = group
    plain = np.array([sentence.kind not in PEOPLE and not sentence.anchors for sentence in chosen])
    cell = np.array(cells)
    arrays = (np.array(targets), padded_peers, alien, stranger, padded_truths, cell, groups, plain)
    return batch, Targets(*(torch.from_numpy(array) for array in arrays))


def _peers(objects: Objects, sentence: Sentence) -> list[int]:
    """Places of the objects of the class that the sentence asks for."""
    label = sentence.label
    if sentence.target is not None:
        label = objects.labels[int(np.flatnonzero(objects.ids == sentence.target)[0])]
    return [place for place, name in enumerate(objects.labels) if name == label]


def _mentioned(objects: Objects, sentence: Sentence) -> list[list[int]]:
    """Places of the objects that each thing mentioned beside the target may be.

    A generated sentence knows its anchors; of what people say, the labels that occur in it are taken.
    """
    if sentence.kind not in PEOPLE:
        return [[int(np.flatnonzero(objects.ids == anchor)[0])] for anchor in sentence.anchors][:ANCHORS]
    own = sentence.label
    if sentence.target is not None:
        own = objects.labels[int(np.flatnonzero(objects.ids == sentence.target)[0])]
    text = sentence.text.lower()
    others = sorted(set(objects.labels) - {own}, key=len, reverse=True)
    found: dict[str, list[int]] = {}
    for label in others:
        if label in text and re.search(rf"\b{re.escape(label)}(s|es)?\b", text) and label not in own:
            text = text.replace(label, " ")
            found[label] = [place for place, name in enumerate(objects.labels) if name == label]
    return list(found.values())[:ANCHORS]


def _cell(objects: Objects, target: int) -> int:
    """Which of the 3 x 3 cells of the room the target stands in, ix + 3 iy."""
    if target < 0:
        return -1
    box, room = objects.boxes[target], objects.room
    at = ((box[:2] + box[3:5]) / 2 - room[:2]) / np.maximum(room[3:5] - room[:2], 0.1)
    ix, iy = np.clip((at * 3).astype(int), 0, 2)
    return int(ix + 3 * iy)


@torch.inference_mode()
def answers(
    network: nn.Module,
    asked: Sequence[tuple[Objects, str]],
    words: Words,
    at_once: int = 64,
) -> list[Tensor]:
    """Scores over the objects of each (scene, sentence), in the order asked. network: any compared one."""
    device = next(network.parameters()).device
    order = sorted(range(len(asked)), key=lambda place: len(asked[place][0]))
    found: dict[int, Tensor] = {}
    for start in range(0, len(order), at_once):
        chosen = order[start : start + at_once]
        batch = collate([asked[p][0] for p in chosen], [asked[p][1] for p in chosen], words)
        scores = network(batch.to(device)).over_objects().cpu()
        found.update((p, scores[row, : len(asked[p][0])]) for row, p in enumerate(chosen))
    return [found[place] for place in range(len(asked))]
