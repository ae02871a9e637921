"""Grounding, measured: ScanRefer with detected boxes, Nr3D and Sr3D with true boxes and detected labels.

No row but the one that says so sees an annotated label, and none knows the
target's class: it comes from the sentence.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.scene.geometry import box_iou
from models.scene.objects import Objects, from_instances, relabelled
from models.scene.open_instancerefer import OpenInstanceRefer
from models.scene.proposals import read_proposals
from models.scene.shapes import ShapeEncoder
from models.scene.training.data import DETECTED, sentences
from models.scene.training.grounding import answers, scene_objects
from models.scene.training.words import WordVectors

LANGUAGE = {"scanrefer": "scanrefer_val_a", "nr3d": "nr3d_test_a", "sr3d": "sr3d_test_a"}
EIGHTEEN = (
    ["cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture", "counter", "desk", "curtain", "refrigerator"]
    + ["shower curtain", "toilet", "sink", "bathtub"]
)
VIEW_DEPENDENT = set(["front", "behind", "back", "right", "left", "facing", "leftmost", "rightmost", "looking", "across"])

Chooser = Callable[[Sequence[tuple[Objects, str]]], list[NDArray[np.float32]]]


@dataclass(frozen=True)
class Asked:
    """Rows of a language file with the objects to choose from. truth: annotated objects of each scene."""

    task: str
    rows: list[dict[str, Any]]
    offered: Mapping[str, Objects]
    truth: Mapping[str, Objects]

    def questions(self) -> list[tuple[Objects, str]]:
        return [(self.offered[row["scene_id"]], row["text"]) for row in self.rows]


def load(
    data: Path,
    task: str,
    boxes: Path | None = None,
    language: Path | None = None,
    labels: str = "detected",
    points: ShapeEncoder | None = None,
) -> Asked:
    """A task: "scanrefer" offers detections, the others true boxes named by detections.

    labels: "detected", or "annotated" for the row that shows what perfect labels would give.
    points: the point encoder, for the real scenes that have points; None leaves them out.
    """
    rows = sentences(language or data / f"language/{LANGUAGE[task]}.json.gz")
    names = {row["scene_id"] for row in rows}
    truth = scene_objects(data, names, points)
    detected = {
        scene: from_instances(items)
        for scene, items in read_proposals(boxes or data / DETECTED).items()
        if scene in names and items
    }
    if task == "scanrefer":
        offered = detected
        if points is not None:
            offered = {s: _with_points(data, s, o, truth[s], points) for s, o in detected.items()}
    elif labels == "annotated":
        offered = truth
    else:
        offered = {
            scene: relabelled(objects, detected[scene]) if scene in detected else _unnamed(objects)
            for scene, objects in truth.items()
        }
    rows = [row for row in rows if row["scene_id"] in offered]
    return Asked(task, rows, offered, truth)


def _unnamed(objects: Objects) -> Objects:
    return replace(objects, labels=("",) * len(objects), names=np.zeros_like(objects.names))


def _with_points(data: Path, scene: str, detected: Objects, truth: Objects, encoder: ShapeEncoder) -> Objects:
    """Detections with the shape of the points inside their boxes, in the scenes that have points."""
    from models.scene.training.data import clouds

    found = clouds(data, scene)
    if not found:
        return detected
    every = np.concatenate([cloud.xyz for cloud in found if cloud.label not in ("wall", "floor", "ceiling")])
    inside = [every[((every >= box[:3]) & (every <= box[3:])).all(1)] for box in detected.boxes]
    floor = float(min(cloud.xyz[:, 2].min() for cloud in found))
    return replace(detected, shapes=encoder.encode([p if len(p) >= 20 else p[:0] for p in inside], floor))


# ---- who answers ----


def by_network(network: OpenInstanceRefer, words: WordVectors) -> Chooser:
    """The network's score, and a detection's confidence as the odds that it is real at all."""

    def choose(asked: Sequence[tuple[Objects, str]]) -> list[NDArray[np.float32]]:
        found = answers(network, asked, words)
        return [
            scores.numpy() + np.log(objects.confidence + 1e-3)
            for (objects, _), scores in zip(asked, found, strict=True)
        ]

    return choose


def by_first_label(asked: Sequence[tuple[Objects, str]]) -> list[NDArray[np.float32]]:
    """Baseline without learning: the first label that the sentence mentions, then the surest detection of it."""
    found = []
    for objects, sentence in asked:
        text, mentions = sentence.lower(), {}
        for label in set(objects.labels) - {""}:
            if match := re.search(rf"\b{re.escape(label)}(s|es)?\b", text):
                mentions[label] = (match.start(), -len(label))
        first = min(mentions, key=lambda label: mentions[label], default="")
        named = np.array([label == first for label in objects.labels])
        found.append(objects.confidence + named)
    return found


def by_chance(asked: Sequence[tuple[Objects, str]]) -> list[NDArray[np.float32]]:
    """Any object."""
    rng = np.random.default_rng(0)
    return [rng.random(len(objects)).astype(np.float32) for objects, _ in asked]


# ---- figures ----


def figures(data: Path, asked: Asked, choose: Chooser) -> dict[str, Any]:
    """The JSON of a task: accuracies in per cent by subset, and n."""
    picked = [int(scores.argmax()) for scores in choose(asked.questions())]
    return _scanrefer(data, asked, picked) if asked.task == "scanrefer" else _referit(asked, picked)


def _scanrefer(data: Path, asked: Asked, picked: list[int]) -> dict[str, Any]:
    overlaps = []
    for row, pick in zip(asked.rows, picked, strict=True):
        truth = asked.truth[row["scene_id"]]
        target = truth.boxes[truth.ids == row["object_id"]]
        overlaps.append(box_iou(target, asked.offered[row["scene_id"]].boxes[pick : pick + 1])[0, 0])
    iou, unique = np.array(overlaps), unique_rows(data, asked)
    parts = {"overall": np.ones_like(unique), "unique": unique, "multiple": ~unique}
    result: dict[str, Any] = {
        part: {f"acc@{bound}": _percent(iou[mask] >= bound) for bound in (0.25, 0.5)}
        for part, mask in parts.items()
    }
    return {**result, "n": len(iou)}


def unique_rows(data: Path, asked: Asked) -> NDArray[np.bool_]:
    """Whether the target is the only described object of its ScanRefer class in the scene."""
    with (data / "meta/scannetv2-labels.combined.tsv").open() as file:
        eighteen = {row["raw_category"]: row["nyu40class"] for row in csv.DictReader(file, delimiter="\t")}
    described: dict[str, dict[int, str]] = defaultdict(dict)
    for row in asked.rows:
        truth = asked.truth[row["scene_id"]]
        label = truth.labels[int(np.flatnonzero(truth.ids == row["object_id"])[0])]
        name = eighteen.get(label, "")
        described[row["scene_id"]][row["object_id"]] = name if name in EIGHTEEN else "others"
    counts = [
        list(described[r["scene_id"]].values()).count(described[r["scene_id"]][r["object_id"]])
        for r in asked.rows
    ]
    return np.array(counts) == 1


def _referit(asked: Asked, picked: list[int]) -> dict[str, Any]:
    right, hard, view = [], [], []
    for row, pick in zip(asked.rows, picked, strict=True):
        objects = asked.truth[row["scene_id"]]
        right.append(int(objects.ids[pick]) == row["object_id"])
        label = objects.labels[int(np.flatnonzero(objects.ids == row["object_id"])[0])]
        hard.append(objects.labels.count(label) > 2)
        view.append(bool(VIEW_DEPENDENT & set(re.findall(r"[a-z]+", row["text"].lower()))))
    hit, difficult, dependent = np.array(right), np.array(hard), np.array(view)
    return {
        "overall": _percent(hit),
        "easy": _percent(hit[~difficult]),
        "hard": _percent(hit[difficult]),
        "view_dependent": _percent(hit[dependent]),
        "view_independent": _percent(hit[~dependent]),
        "n": len(hit),
    }


def _percent(hits: NDArray[np.bool_]) -> float:
    return round(100 * float(hits.mean()), 1) if len(hits) else 0.0
