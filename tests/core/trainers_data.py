"""The small data that the trainers are tried on."""

import numpy as np
import torch

from models.face.motion.batches import LIPS, Sample
from models.face.rendering.crops import SIDE as SQUARE
from models.face.rendering.examples import Examples
from models.face.speech.features import Heard
from models.face.sync.syncnet import SIDE
from models.face.sync.training import Seen
from models.scene.captioning.around import chosen, collate, places_around
from models.scene.captioning.batches import NOTHING, Told
from models.scene.captioning.object_views import flat_views
from models.scene.captioning.spoken_words import SpokenWords, padded_ids
from models.scene.captioning.xtrans2cap.open_xtrans2cap import OpenXTrans2Cap
from models.scene.grounding.rendered_views.examples import ViewedScan
from models.scene.grounding.rendered_views.one_stage import CHANNELS, ViewFeatures
from models.scene.grounding.rendered_views.views import HEIGHT, WIDTH
from models.scene.objects.object_set import LABEL, SHAPE, Objects
from models.scene.segmentation.pointgroup import SHIPPED
from models.scene.segmentation.scenes import Scene

TINY_POINTGROUP = {
    **SHIPPED,
    "classes": ["wall", "floor", "chair", "table"],
    "width": 4,
    "levels": 2,
    "least": 2,
}
LABELS = ("chair", "chair", "table", "window", "door", "lamp")
WORDS = (*NOTHING, "this", "is", "a", "red", "blue", "chair", "table", "lamp", ".", "it", "near", "the")


class Words(dict):
    """Ones for every word of a sentence."""

    def __missing__(self, text: str) -> np.ndarray:
        return np.ones((len(text.split()), 384), np.float16)


def labelled_room() -> Objects:
    """Six objects side by side, ids from 10, whose labels' vectors are drawn at random."""
    rng = np.random.default_rng(0)
    vectors = {label: rng.normal(size=LABEL).astype(np.float32) for label in sorted(set(LABELS))}
    names = np.stack([vectors[label] / np.linalg.norm(vectors[label]) for label in LABELS])
    low = np.array([[k, k % 2, 0] for k in range(len(LABELS))], np.float32)
    boxes = np.concatenate([low, low + np.array([0.5, 0.5, 1])], 1).astype(np.float32)
    colours = rng.random((len(LABELS), 3)).astype(np.float32)
    shapes = rng.normal(size=(len(LABELS), SHAPE)).astype(np.float32)
    room = np.concatenate([boxes[:, :3].min(0), boxes[:, 3:].max(0)])
    ids, sure = np.arange(10, 10 + len(LABELS)), np.ones(len(LABELS), np.float32)
    return Objects(ids, LABELS, names, boxes, colours, sure, shapes, room)


def viewed_scan(seed: int) -> ViewedScan:
    """Three instances, ids from 10, in four views, whose features are drawn at random."""
    rng = np.random.default_rng(seed)
    levels = zip(CHANNELS, (8, 16, 32), strict=True)
    sizes = [(4, channels, HEIGHT // stride, WIDTH // stride) for channels, stride in levels]
    seen = ViewFeatures(*(torch.from_numpy(rng.normal(size=size).astype(np.float16)) for size in sizes))
    low = rng.uniform(0, 90, (3, 4, 2))
    boxes = np.concatenate([low, low + rng.uniform(20, 90, (3, 4, 2))], -1).astype(np.float32)
    boxes[1, ::2] = np.nan  # every other view doesn't show it
    return ViewedScan(seen, np.arange(10, 13), boxes)


def network_of_words() -> OpenXTrans2Cap:
    """A small captioner with its teacher."""
    return OpenXTrans2Cap(words=WORDS, width=32, inner=48, longest=10, layers=2)


def lesson(spoken: SpokenWords) -> Told:
    """Three captions."""
    objects = labelled_room()
    said = ["this is a red chair .", "a blue table . it is near the red chair .", "a lamp ."]
    shown = [chosen(objects, places_around(objects, place)) for place in (0, 2, 5)]
    around = collate(shown, [item.names for item in shown], [flat_views(item) for item in shown])
    ids = padded_ids([spoken.ids(text.split(), "scanrefer") for text in said])
    return Told(around, ids, torch.arange(3))


def cloud_scene(rng: np.random.Generator) -> Scene:
    """A floor and two things on it."""
    things = [rng.uniform((x, 0, 0.1), (x + 0.4, 0.4, 0.5), (150, 3)) for x in (0.0, 1.0)]
    xyz = np.concatenate([*things, rng.uniform((-1, -1, 0), (2, 1, 0.02), (100, 3))]).astype(np.float32)
    owner = np.repeat([0, 1, -1], [150, 150, 100])
    classes = np.repeat([2, 3, 1], [150, 150, 100])
    colours = rng.integers(0, 256, (400, 3)).astype(np.uint8)
    return Scene("made", xyz, colours, classes, owner, np.ones(400, np.float32))


def heard_sample(seed: int) -> Sample:
    """Sound and a face beside it."""
    rng = np.random.default_rng(seed)
    heard = Heard(
        rng.standard_normal((70, 384)).astype(np.float32),
        rng.standard_normal((70, 160)).astype(np.float32),
        rng.random(70).astype(np.float32),
        np.ones(70, bool),
    )
    lips, coefficients = rng.random((70, len(LIPS), 3)), rng.random((70, 4))
    shapes = rng.random((70, 52)).astype(np.float32)
    return Sample(
        f"p{seed}",
        "made",
        heard,
        lips.astype(np.float32),
        coefficients.astype(np.float32),
        shapes,
        np.ones(52, bool),
    )


def mouth_clip(frames: int, seed: int) -> Seen:
    """A mouth and its spectrogram."""
    rng = np.random.default_rng(seed)
    mouth = rng.integers(0, 256, (frames, SIDE, SIDE)).astype(np.uint8)
    return Seen(f"person {seed}", mouth, rng.normal(size=(frames, 160)).astype(np.float32))


def examples() -> Examples:
    """Six squares for the generator."""
    rng = np.random.default_rng(1)
    return Examples(*(rng.integers(0, 256, (6, SQUARE, SQUARE, n)).astype(np.uint8) for n in (3, 3, 2, 3)))


def views() -> tuple[np.ndarray, np.ndarray]:
    """Four frames of 256 pixels with a polyp each."""
    rng = np.random.default_rng(0)
    frames = np.repeat(np.repeat(rng.integers(0, 256, (8, 16, 16, 3), np.uint8), 16, 1), 16, 2)
    masks = np.zeros((8, 256, 256), bool)
    masks[:, 60:120, 80:150] = True
    return frames, masks
