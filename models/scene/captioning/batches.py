"""What is said of the train scenes, for captioning, and the batches drawn from it. Never val language."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.core.device import Movable
from models.scene.captioning.around import Around, chosen, collate, places_around
from models.scene.captioning.base import SpeakingNetwork
from models.scene.captioning.faithfulness import sided
from models.scene.captioning.metrics import LONGEST, caption_words, framed
from models.scene.captioning.object_views import flat_views
from models.scene.captioning.spoken_words import SpokenWords, padded_ids
from models.scene.captioning.unsaid import unsaid
from models.scene.data.datasets import (
    Sentence,
    annotated,
    fronts,
    held_out,
    human,
    instances,
    read_json,
    split,
    without_target,
)
from models.scene.grounding.batches import Labels, disturbed
from models.scene.grounding.scene_objects import scene_objects
from models.scene.grounding.training import room_objects
from models.scene.objects.object_set import Objects
from models.scene.objects.point_encoder import ShapeEncoder
from models.scene.synthetic_language.sentences import make_sentences
from models.scene.synthetic_rooms.training_rooms import room_views, rooms

SHARES = {"scanrefer": 18, "nr3d": 10, "unsure": 6, "made": 10}  # captions of each sort in a batch
TRIED = 2  # objects of the class that an utterance without an id is tried on
EACH = 4  # generated sentences of each kind a scene
RARE = 4  # words said less often than this are unknown, unless a label has them
NOTHING = ("<pad>", "<unk>", "<scanrefer>", "</s>", "<nr3d>")


@dataclass(frozen=True)
class Caption:
    """Words about one of `targets`, ids of a scene's objects: one if known, else all of its class."""

    scene: str
    words: tuple[str, ...]
    targets: tuple[int, ...]
    style: str


@dataclass(frozen=True)
class Told(Movable):
    """M rows of objects with captions. ids: (M, T). group: (M,) the caption that each row may be about."""

    around: Around
    ids: Tensor
    group: Tensor


@dataclass(frozen=True)
class Judged(Movable):
    """Objects with all that people said of each, framed, in ScanRefer's way.

    truth: (objects of the scene as annotated, place) of each, against which claims are held.
    """

    around: Around
    references: list[list[str]]
    truth: list[tuple[Objects, int]]


class CaptionCorpus:
    """Captions by sort, the vocabulary, and held-out train scenes to choose between versions by ("dev")."""

    def __init__(self, data: Path, shapes: ShapeEncoder | None, seed: int = 0) -> None:
        train_scenes, _ = split(data)
        self.scenes = scene_objects(data, train_scenes, shapes)
        synthetic, self.views = rooms(), room_views()
        self.scenes |= {room: room_objects(made, shapes) for room, made in synthetic.items()}
        self.labels = Labels.of(self.scenes)
        everyone = human(data)
        scanrefer = len(read_json(data / "language/scanrefer_train.json.gz"))
        watched = held_out(everyone)
        sorts: dict[str, list[Caption]] = defaultdict(list)
        for place, sentence in enumerate(everyone):
            sort = "scanrefer" if place < scanrefer else "nr3d"
            sorts["dev" if sentence.scene in watched else sort].append(self._caption(sentence, sort))
        sorts["dev"] = [caption for caption in sorts["dev"] if caption.style == "scanrefer"]
        for sentence in without_target(data):
            if sentence.scene not in watched and sentence.label in self.scenes[sentence.scene].labels:
                sorts["unsure"].append(self._caption(sentence, "nr3d"))
        rng = random.Random(seed)
        known = annotated(data)
        self.facing = {scene: fronts(known[scene]) for scene in self.scenes if scene in known}
        for scene in sorted(self.scenes.keys() - watched):
            if scene in synthetic:
                described = [item for item, _ in synthetic[scene]]
            else:
                described = instances(known[scene])
            for said in make_sentences(described, rng, self.facing.get(scene, {}), EACH):
                sorts["made"].append(self._caption(Sentence(scene, said.sentence, said.target), "nr3d"))
        self.sorts = {
            sort: [c for c in captions if 2 < len(c.words) <= LONGEST] for sort, captions in sorts.items()
        }
        self.words = self._vocabulary()

    def _caption(self, sentence: Sentence, style: str) -> Caption:
        objects = self.scenes[sentence.scene]
        if sentence.target is None:
            same = np.array([label == sentence.label for label in objects.labels])
            targets = tuple(int(i) for i in objects.ids[same])
        else:
            targets = (sentence.target,)
        words = caption_words(sentence.text)
        if words[:2] in (["this", "is"], ["there", "is"]):
            style = "scanrefer"  # said in the way of ScanRefer's describers, who end with a full stop
        if style == "scanrefer" and words[-1] != ".":
            words.append(".")
        return Caption(sentence.scene, tuple(words), targets, style)

    def _vocabulary(self) -> tuple[str, ...]:
        counts: Counter[str] = Counter()
        for sort in ("scanrefer", "nr3d", "unsure", "made"):
            for caption in self.sorts[sort]:
                counts.update(caption.words)
        named = {word for label in self.labels.names for word in caption_words(label)}
        kept = [word for word, count in counts.most_common() if count >= RARE or word in named]
        return (*NOTHING, *kept)

    def batches(self, spoken: SpokenWords, seed: int) -> Iterator[Told]:
        """Endless: captions of every sort by SHARES, their scenes disturbed."""
        rng, noise = random.Random(seed), np.random.default_rng(seed)
        while True:
            picked = [c for sort, count in SHARES.items() for c in rng.choices(self.sorts[sort], k=count)]
            rows = [
                (place, caption, target)
                for place, caption in enumerate(picked)
                for target in rng.sample(caption.targets, min(TRIED, len(caption.targets)))
            ]
            around = self._around([(caption.scene, target) for _, caption, target in rows], noise)
            ids = padded_ids([spoken.ids(caption.words, caption.style) for _, caption, _ in rows])
            yield Told(around, ids, torch.tensor([place for place, _, _ in rows]))

    def judged(self, count: int, seed: int) -> Iterator[Judged]:
        """Endless: objects that ScanRefer describes, with all its descriptions of them."""
        rng, noise = random.Random(seed), np.random.default_rng(seed)
        known = self.references("scanrefer")
        keys = sorted(known)
        while True:
            picked = rng.sample(keys, count)
            around, truth = self._around(picked, noise), asked_about(self.scenes, picked)
            yield Judged(around, [known[key] for key in picked], truth)

    def references(self, sort: str) -> dict[tuple[str, int], list[str]]:
        """{(scene, object): framed descriptions}."""
        found: dict[tuple[str, int], list[str]] = defaultdict(list)
        for caption in self.sorts[sort]:
            found[caption.scene, caption.targets[0]].append(framed(caption.words))
        return found

    def _around(self, targets: Sequence[tuple[str, int]], noise: np.random.Generator) -> Around:
        return collate(*zip(*(self._seen(scene, target, noise) for scene, target in targets), strict=True))

    def _seen(
        self, scene: str, target: int, noise: np.random.Generator
    ) -> tuple[Objects, NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """A target's surroundings as a detector might give them; true names, views, fronts to learn from."""
        objects = self.scenes[scene]
        place = place_of(objects, target)
        changed, kept = disturbed(objects, noise, self.labels, [place])
        at = int(np.flatnonzero(kept == place)[0])
        changed.names[at] = objects.names[place]  # the caption must be about what it is shown
        places = places_around(changed, at)
        shown = chosen(changed, places)
        original = kept[places]
        views = self.views[scene] if scene in self.views else flat_views(objects)
        fronts_known = self.facing.get(scene, {})
        facing = np.array([fronts_known.get(int(id_), (0, 0)) for id_ in objects.ids[original]], np.float32)
        return shown, objects.names[original], views[original], facing


def place_of(objects: Objects, target: int) -> int:
    """The place of an object id."""
    return int(np.flatnonzero(objects.ids == target)[0])


def asked_about(scenes: Mapping[str, Objects], keys: Sequence[tuple[str, int]]) -> list[tuple[Objects, int]]:
    """(objects of the scene, place of the target) for (scene, object id)."""
    return [(scenes[scene], place_of(scenes[scene], target)) for scene, target in keys]


@torch.inference_mode()
def captions(
    network: SpeakingNetwork,
    asked: Sequence[tuple[Objects, int]],
    style: str = "scanrefer",
    at_once: int = 48,
    coloured: bool = True,
) -> list[list[str]]:
    """Words of the best caption of each (objects, place of the target), its side as the boxes have it.

    coloured: see `unsaid`.
    """
    found, device = [], next(network.parameters()).device
    for start in range(0, len(asked), at_once):
        rows = asked[start : start + at_once]
        around = collate([chosen(objects, places_around(objects, place)) for objects, place in rows])
        ids, _ = network.best(around.to(device), style, unsaid(network.spoken, rows, coloured))
        said = (network.spoken.text(row) for row in ids[:, 0].tolist())
        found += [sided(words, *row) for words, row in zip(said, rows, strict=True)]
    return found
