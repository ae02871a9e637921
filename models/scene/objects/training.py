"""Teaching the point encoder to name objects: real clouds of the train scenes."""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from models.core.training import fit, save_half
from models.scene.data.datasets import Cloud, clouds, scenes_with_points, split
from models.scene.objects.point_encoder import ShapeEncoder, joined

NAME = "shapes"
BATCH = 64
RARE = 8  # a label with fewer clouds is not taught

Taught = list[tuple[Cloud, float, int]]


def load(data: Path, part: set[str], classes: tuple[str, ...] = ()) -> tuple[Taught, tuple[str, ...]]:
    """(cloud, floor, class) of every object of the scenes in `part`, and the classes taught."""
    found = []
    for scene in scenes_with_points(data):
        if scene in part:
            objects = [cloud for cloud in clouds(data, scene) if len(cloud.xyz) >= 20]
            floor = float(min(cloud.xyz[:, 2].min() for cloud in objects))
            found += [(cloud, floor) for cloud in objects]
    if not classes:
        counts = Counter(cloud.label for cloud, _ in found)
        classes = tuple(sorted(label for label, count in counts.items() if count >= RARE))
    places = {label: place for place, label in enumerate(classes)}
    return [(cloud, floor, places[cloud.label]) for cloud, floor in found if cloud.label in places], classes


def batches(taught: Taught, seed: int) -> Iterator[Any]:
    """Endless batches, turned about the vertical, scaled, thinned and jittered at random."""
    rng = np.random.default_rng(seed)
    share = Counter(label for *_, label in taught)
    weight = np.array([share[label] ** -0.5 for *_, label in taught])
    weight /= weight.sum()
    while True:
        parts, floors, labels = [], [], []
        for place in rng.choice(len(taught), BATCH, p=weight):
            cloud, floor, label = taught[place]
            keep = rng.permutation(len(cloud.xyz))[: rng.integers(200, 1025)]
            angle = rng.uniform(0, 2 * np.pi)
            cos, sin = np.cos(angle), np.sin(angle)
            turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]], np.float32)
            xyz = (cloud.xyz[keep] - (0, 0, floor)) @ turn.T * rng.uniform(0.9, 1.1)
            parts.append(xyz + rng.normal(0, 0.005, xyz.shape))
            floors.append(0.0)
            labels.append(label)
        xyz, item = joined(parts)
        yield xyz, item, torch.tensor(floors), torch.tensor(labels)


def losses(network: nn.Module, batch: Any, spent: float) -> dict[str, Tensor]:
    """Cross-entropy over the labels."""
    xyz, item, floor, label = batch
    _, logits = network(xyz, item, len(label), floor)
    right = (logits.argmax(1) == label).float().mean()
    return {"loss": cross_entropy(logits, label, label_smoothing=0.1), "right": right}


@torch.inference_mode()
def accuracy(network: ShapeEncoder, taught: Taught) -> float:
    """Share of clouds whose label is named right."""
    right, device = 0, network.classify.weight.device
    for start in range(0, len(taught), BATCH):
        part = taught[start : start + BATCH]
        xyz, item = joined([cloud.xyz[:1024] for cloud, *_ in part])
        floors = torch.tensor([floor for _, floor, _ in part], device=device)
        _, found = network(xyz.to(device), item.to(device), len(part), floors)
        right += int((found.argmax(1).cpu() == torch.tensor([label for *_, label in part])).sum())
    return right / len(taught)


def train(data: Path, out: Path, minutes: float) -> None:
    """Train and write the checkpoint folder (its model card is written by hand from what this prints)."""
    train_scenes, val_scenes = split(data)
    taught, classes = load(data, train_scenes)
    unseen, _ = load(data, val_scenes, classes)
    print(f"{len(taught)} clouds of {len(classes)} labels, {len(unseen)} of val scenes", flush=True)
    network, done = fit(
        NAME,
        ShapeEncoder(classes=classes),
        partial(batches, taught),
        losses,
        minutes=minutes,
        rate=2e-3,
        check=lambda average: f"val accuracy {accuracy(average, unseen):.3f}",  # type: ignore[arg-type]
    )
    save_half(network, out)
    print(done)
