"""Teaching PointGroup: real clouds without colour, made rooms with colour that is dropped at random.

Losses and schedule follow the paper (section 3.5) and the released code: clusters are made and scored from a
third of the time on.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, normalize

from models.core.device import Movable
from models.core.training import first_alone, fit, save_half, unwrapped
from models.scene.data.voxels import voxel_keys
from models.scene.segmentation.clusters import overlaps
from models.scene.segmentation.pointgroup import IGNORED, SHIPPED, PointGroup, PointPredictions, Points
from models.scene.segmentation.scenes import Scene, made_scene, real_scenes
from models.scene.synthetic_rooms import KINDS

NAME = "pointgroup"
MADE = 48  # rooms that are made
MADE_SHARE = 0.3  # of the scenes of a batch
SCENES = 2  # a batch
MOST_VOXELS = 8_000  # a scene; a larger one is cut to what is around one of its points
SCORING_FROM = 1 / 3
MOST_CLUSTERS = 120
FILLED = 0.5  # share of the scenes whose thinned objects are filled up


# ---- disturbing ----


def disturbed(scene: Scene, rng: np.random.Generator, voxel: float) -> Scene:
    """The scene turned about z, mirrored, scaled, bent, jittered, filled up or thinned; one point a voxel."""
    if rng.random() < FILLED:
        scene = filled(scene, rng)
    keep = rng.permutation(len(scene.xyz))[: int(len(scene.xyz) * rng.uniform(0.6, 1.0))]
    scene = _chosen(scene, keep)
    angle, scale = rng.uniform(0, 2 * np.pi), rng.uniform(0.9, 1.1)
    mirror = rng.choice((-1, 1))
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[cosine * mirror, -sine, 0], [sine * mirror, cosine, 0], [0, 0, 1]], np.float32) * scale
    xyz = scene.xyz @ turn.T + rng.normal(0, 0.004, scene.xyz.shape)
    for wave, most in ((0.3, 0.02), (1.0, 0.06)):
        xyz = xyz + _bent(xyz, rng, wave, most)
    xyz[:, 2] += rng.normal(0, 0.03)
    colours = scene.colours
    if colours is not None:
        colours = None if rng.random() < 0.4 else _recoloured(colours, rng)
    changed = Scene(scene.name, xyz.astype(np.float32), colours, scene.classes, scene.owner, scene.weight)
    return _cut(reduced(changed, voxel), rng)


def filled(scene: Scene, rng: np.random.Generator) -> Scene:
    """As many points as the full scan has vertices: new ones lie between a point and one near it.

    The real clouds are thinned object by object, a wall far more than a cup; an uploaded scan is as dense
    here as there. A network that saw thinned clouds alone would take density for a sign.
    """
    parts, sources = [scene.xyz], [np.arange(len(scene.xyz))]
    starts = np.flatnonzero(np.diff(scene.owner, prepend=-2))
    for start, end in zip(starts, [*starts[1:], len(scene.owner)], strict=True):
        count, xyz = end - start, scene.xyz[start:end]
        extra = min(int(count * (scene.weight[start] - 1)), 8 * count)
        if count < 10 or extra < 0.3 * count:
            continue
        _, near = cKDTree(xyz).query(xyz, 5)
        chosen = rng.integers(0, count, extra)
        other = near[chosen, rng.integers(1, 5, extra)]
        share = rng.random((extra, 1)).astype(np.float32)
        parts.append(xyz[chosen] + share * (xyz[other] - xyz[chosen]))
        sources.append(start + chosen)
    source = np.concatenate(sources)
    whole = _chosen(scene, source)
    return Scene(scene.name, np.concatenate(parts), whole.colours, whole.classes, whole.owner, whole.weight)


def reduced(scene: Scene, voxel: float) -> Scene:
    """One point a voxel, as segmenter.find makes them: mean place and colour; the first point's object."""
    _, first, place, counts = np.unique(
        voxel_keys(scene.xyz, voxel), return_index=True, return_inverse=True, return_counts=True
    )

    def mean(values: NDArray[Any]) -> NDArray[np.float64]:
        return np.stack([np.bincount(place, column) for column in values.T], 1) / counts[:, None]

    colours = None if scene.colours is None else mean(scene.colours).astype(np.uint8)
    xyz = mean(scene.xyz).astype(np.float32)
    return replace(_chosen(scene, first), xyz=xyz, colours=colours)


def _chosen(scene: Scene, keep: NDArray[np.int64]) -> Scene:
    colours = None if scene.colours is None else scene.colours[keep]
    parts = (scene.classes[keep], scene.owner[keep], scene.weight[keep])
    return Scene(scene.name, scene.xyz[keep], colours, *parts)


def _cut(scene: Scene, rng: np.random.Generator) -> Scene:
    """At most MOST_VOXELS points: the nearest in plan to one of them."""
    if len(scene.xyz) <= MOST_VOXELS:
        return scene
    middle = scene.xyz[rng.integers(len(scene.xyz)), :2]
    distance = np.abs(scene.xyz[:, :2] - middle).max(1)
    return _chosen(scene, np.argpartition(distance, MOST_VOXELS)[:MOST_VOXELS])


def _bent(
    xyz: NDArray[np.float64], rng: np.random.Generator, wave: float, most: float
) -> NDArray[np.float64]:
    """A smooth displacement of about `most` metres that changes over `wave` metres (elastic distortion)."""
    waves = rng.normal(0, 1 / wave, (4, 3))
    phases = rng.uniform(0, 2 * np.pi, 4)
    return np.sin(xyz @ waves.T + phases) @ rng.normal(0, most / 4, (4, 3))


def _recoloured(colours: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Another exposure and tint, and noise."""
    changed = colours * rng.uniform(0.7, 1.2) + rng.normal(0, 12, 3) + rng.normal(0, 6, colours.shape)
    return np.clip(changed, 0, 255).astype(np.uint8)


# ---- batches and losses ----


@dataclass(frozen=True)
class Targets(Movable):
    """What is right of the points of a batch. owner: (N,) object, -1 none, no two scenes share one.

    shift: (N, 3) to the middle of its object's points.
    """

    classes: Tensor
    owner: Tensor
    shift: Tensor


def collate(scenes: list[Scene]) -> tuple[Points, Targets]:
    """Scenes as one batch."""
    parts = [Points.of(scene.xyz, scene.colours) for scene in scenes]
    item = torch.cat([torch.full_like(part.item, place) for place, part in enumerate(parts)])
    points = Points(
        torch.cat([part.xyz for part in parts]),
        torch.cat([part.rgb for part in parts]),
        torch.cat([part.coloured for part in parts]),
        item,
    )
    owners, before = [], 0
    for scene in scenes:
        owners.append(np.where(scene.owner >= 0, scene.owner + before, -1))
        before += int(scene.owner.max(initial=-1)) + 1
    owner = torch.from_numpy(np.concatenate(owners))
    classes = torch.from_numpy(np.concatenate([scene.classes for scene in scenes]))
    has = owner >= 0
    total = torch.zeros(before, 3).index_add(0, owner[has], points.xyz[has])
    middle = total / torch.bincount(owner[has], minlength=before).clamp(min=1)[:, None]
    shift = torch.zeros_like(points.xyz)
    shift[has] = middle[owner[has]] - points.xyz[has]
    return points, Targets(classes, owner, shift)


def class_weights(scenes: list[Scene], classes: int) -> Tensor:
    """(classes,) how much a point counts: by the root of how rare its class is, at most five times.

    Most points are walls, floors and chairs; without weights sinks and toilets are never learnt.
    """
    known = np.concatenate([scene.classes for scene in scenes])
    counts = np.bincount(known[known != IGNORED], minlength=classes)
    rare = np.median(counts[counts > 0]) / np.maximum(counts, 1)
    return torch.from_numpy(np.clip(rare**0.5, 0.2, 5)).float()


def batches(
    seed: int, *, data: Path, real: list[Scene], classes: tuple[str, ...], voxel: float
) -> Iterator[Any]:
    """Endless batches of disturbed scenes."""
    rng = np.random.default_rng(seed)
    for chosen in chosen_scenes(rng, data, real, classes, SCENES):
        yield collate([disturbed(scene, rng, voxel) for scene in chosen])


def chosen_scenes(
    rng: np.random.Generator, data: Path, real: Sequence[Scene], classes: tuple[str, ...], count: int
) -> Iterator[list[Scene]]:
    """Endlessly `count` scenes at a time: real ones, and rooms that are made as they are needed."""
    kinds = list(KINDS)
    made: dict[int, Scene] = {}
    while True:
        chosen = []
        for _ in range(count):
            if rng.random() < MADE_SHARE:
                number = int(rng.integers(MADE))
                if number not in made:
                    made[number] = made_scene(data, kinds[number % len(kinds)], 1000 + number, classes)
                chosen.append(made[number])
            else:
                chosen.append(real[int(rng.integers(len(real)))])
        yield chosen


def losses(
    network: nn.Module, batch: Any, spent: float, weights: Tensor | None = None
) -> Mapping[str, Tensor]:
    """Class by cross-entropy, shift by length and direction, and from a third of the time on the score.

    weights: (classes,), see `class_weights`; None counts all points alike.
    """
    points, taught = batch
    felt: PointPredictions = network(points, MOST_CLUSTERS if spent >= SCORING_FROM else 0)
    if weights is not None:
        weights = weights.to(felt.semantic.device)
    semantic = cross_entropy(felt.semantic, taught.classes, weights, ignore_index=IGNORED)
    stuff = torch.isin(taught.classes, taught.classes.new_tensor(unwrapped(network).stuff))
    thing = (taught.owner >= 0) & ~stuff
    off = felt.offsets[thing] - taught.shift[thing]
    length = off.abs().sum(1).mean()
    along = (normalize(felt.offsets[thing], dim=1) * normalize(taught.shift[thing], dim=1)).sum(1)
    loss = semantic + length - along.mean()
    known = taught.classes != IGNORED
    right = (felt.semantic.argmax(1) == taught.classes)[known].float().mean()
    found = {"semantic": semantic, "shift": length, "along": along.mean(), "right": right}
    if felt.scores is not None and len(felt.scores) > 1:
        wanted = score_targets(felt.clusters, taught.owner.cpu().numpy(), stuff.cpu().numpy())
        score = binary_cross_entropy_with_logits(felt.scores, wanted.to(felt.scores.device))
        found["score"] = score
        loss = loss + score
    return {"loss": loss, **found}


def score_targets(clusters: Sequence[Any], owner: NDArray[np.int64], stuff: NDArray[np.bool_]) -> Tensor:
    """(C,) 0 below an overlap of 1/4 with every object, 1 from 3/4 on, and in between on a line."""
    ids = np.unique(owner[(owner >= 0) & ~stuff])
    objects = [np.flatnonzero(owner == number) for number in ids]
    if not objects:
        return torch.zeros(len(clusters))
    best = overlaps(clusters, objects, np.ones(len(owner))).max(1)
    return torch.from_numpy(np.clip(2 * best - 0.5, 0, 1)).float()


def train(
    data: Path, out: Path, minutes: float, check: Callable[[nn.Module], str] | None = None, seed: int = 0
) -> None:
    """Train and write the checkpoint folder (its model card is written by hand from what is measured).

    check: told of the averaged network now and then; its line is logged.
    """
    network = PointGroup(**SHIPPED)
    with first_alone():
        real = real_scenes(data, network.classes)
    average, done = fit(
        NAME,
        network,
        partial(batches, data=data, real=real, classes=network.classes, voxel=network.voxel),
        partial(losses, weights=class_weights(real, len(network.classes))),
        minutes=minutes,
        rate=2e-3,
        seed=seed,
        check=check,
    )
    save_half(average, out)
    print(done, flush=True)
