"""Boxes of objects: what VoteNet detects, and how detections are measured (VOC's average precision)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from models.scene.data.geometry import box_iou
from models.scene.segmentation.votenet import CLASSES, VoteNet

POINTS = 20_000  # of a scan that are looked at
LEAST_SCORE, MOST_OVERLAP = 0.05, 0.25  # the released protocol: confidence, and IoU within a class


@dataclass(frozen=True)
class Detections:
    """N boxes (N, 6) min xyz, max xyz, metres; names of their classes; scores (N,), 0 to 1."""

    boxes: NDArray[np.float32]
    classes: tuple[str, ...]
    scores: NDArray[np.float32]


@torch.inference_mode()
def detect(network: VoteNet, xyz: NDArray[np.float32], most: int = POINTS, seed: int = 0) -> Detections:
    """What VoteNet sees in a cloud, best first. xyz: (P, 3) metres, z up, the floor at 0."""
    rng = np.random.default_rng(seed)
    seen = xyz[rng.permutation(len(xyz))[:most]] if len(xyz) > most else xyz
    points = torch.from_numpy(np.concatenate([seen, seen[:, 2:]], 1).astype(np.float32))[None]
    found = network(points.to(found_device(network)))
    score, kind = (found.objectness.softmax(-1)[0, :, 1:] * found.semantic.softmax(-1)[0]).max(-1)
    boxes = found.boxes()[0].cpu().numpy().astype(np.float32)
    return suppressed(boxes, kind.cpu().numpy(), score.cpu().numpy())


def found_device(network: VoteNet) -> torch.device:
    """Where a network lives."""
    return next(network.parameters()).device


def suppressed(
    boxes: NDArray[np.float32], kinds: NDArray[np.int64], scores: NDArray[np.float32]
) -> Detections:
    """Non-maximum suppression within each class. kinds: (N,) places in CLASSES."""
    kept: list[int] = []
    for place in np.argsort(-scores, kind="stable"):
        if scores[place] < LEAST_SCORE:
            break
        rivals = [one for one in kept if kinds[one] == kinds[place]]
        if not rivals or box_iou(boxes[[place]], boxes[rivals]).max() <= MOST_OVERLAP:
            kept.append(int(place))
    return Detections(boxes[kept], tuple(CLASSES[kinds[one]] for one in kept), scores[kept])


def average_precision(
    found: Sequence[Detections], truth: Sequence[Detections], kind: str, bound: float
) -> float:
    """AP of a class over scenes, 0 to 1; nan where no scene has it.

    Every object can be found once, by the best-scored box that overlaps it by more than `bound`; precision is
    made monotone and integrated over recall.
    """
    ranked: list[tuple[float, bool]] = []
    objects = 0
    for seen, real in zip(found, truth, strict=True):
        wanted = real.boxes[[name == kind for name in real.classes]]
        objects += len(wanted)
        taken = np.zeros(len(wanted), bool)
        for place in np.argsort(-seen.scores, kind="stable"):
            if seen.classes[place] != kind:
                continue
            overlap = box_iou(seen.boxes[[place]], wanted)[0] if len(wanted) else np.zeros(0)
            best = int(overlap.argmax()) if len(overlap) else -1
            hit = best >= 0 and overlap[best] > bound and not taken[best]
            if hit:
                taken[best] = True
            ranked.append((float(seen.scores[place]), bool(hit)))
    if not objects:
        return float("nan")
    if not ranked:
        return 0.0
    right = np.array([hit for _, hit in sorted(ranked, key=lambda pair: -pair[0])])
    hits = np.cumsum(right)
    precision = np.maximum.accumulate((hits / np.arange(1, len(hits) + 1))[::-1])[::-1]
    recall = np.concatenate([[0.0], hits / objects])
    return float((np.diff(recall) * precision).sum())


def mean_average_precision(
    found: Sequence[Detections], truth: Sequence[Detections], bound: float
) -> tuple[float, dict[str, float]]:
    """mAP over the classes that are there, and the AP of each, 0 to 1."""
    every = {kind: average_precision(found, truth, kind, bound) for kind in CLASSES}
    there = {kind: value for kind, value in every.items() if not np.isnan(value)}
    return float(np.mean(list(there.values()))) if there else 0.0, there
