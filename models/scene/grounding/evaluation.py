"""Grounding, measured: ScanRefer with detected boxes, Nr3D and Sr3D with true boxes and detected labels.

No row but the one that says so sees an annotated label, and none knows the
target's class: it comes from the sentence.
"""

import csv
import json
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.core.checkpoints import load_checkpoint
from models.core.results import markdown, write
from models.scene.data.datasets import DETECTED, clouds, scenes_with_points, sentences
from models.scene.data.geometry import box_iou
from models.scene.data.proposals import read_proposals
from models.scene.grounding.ablation import STEPS, VERSIONS, folder
from models.scene.grounding.batches import Words, answers
from models.scene.grounding.instancerefer.open_instancerefer import OpenInstanceRefer
from models.scene.grounding.scene_objects import point_encoder, scene_objects
from models.scene.grounding.sentence_vectors import WordIndices, WordVectors
from models.scene.objects.object_set import Objects, from_instances, relabelled
from models.scene.objects.point_encoder import ShapeEncoder

LANGUAGE = {"scanrefer": "scanrefer_val_a", "nr3d": "nr3d_test_a", "sr3d": "sr3d_test_a"}
TITLES = {"scanrefer": "ScanRefer, part val_a", "nr3d": "Nr3D, part test_a", "sr3d": "Sr3D, part test_a"}
DETECTIONS = (
    "Accuracy in per cent at IoU 0.25 and 0.5. Mask3D's 50 detections a scene are offered; 94 of the 141 "
    "val scenes, not the full split."
)
TRUE_BOXES = (
    "Accuracy in per cent. True boxes are offered, named by the Mask3D detections that overlap them; no "
    "annotated label is seen, but in the row that says so. Not the full split."
)
# ScanRefer's classes of NYU40; the eighteenth is "others"
SEATING, OPENINGS = (
    {"chair", "sofa", "bed", "toilet"},
    {"door", "window", "curtain", "shower curtain", "picture"},
)
STORAGE, SURFACES = {"cabinet", "bookshelf", "refrigerator"}, {"table", "counter", "desk", "sink", "bathtub"}
SEVENTEEN = SEATING | OPENINGS | STORAGE | SURFACES
ALONG, ACROSS = {"front", "behind", "back", "facing", "looking", "across"}, {"right", "left"}
VIEW_DEPENDENT = ALONG | ACROSS | {"leftmost", "rightmost"}

Chooser = Callable[[Sequence[tuple[Objects, str]]], list[NDArray[np.float32]]]


@dataclass(frozen=True)
class Asked:
    """Rows of a language file with the objects to choose from. truth: annotated objects of each scene."""

    task: str
    rows: list[dict[str, Any]]
    offered: Mapping[str, Objects]
    truth: Mapping[str, Objects]

    def questions(self) -> list[tuple[Objects, str]]:
        """What is to be answered: objects and sentence."""
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


def offered_boxes(data: Path, task: str, boxes: Mapping[str, Any], points: ShapeEncoder | None) -> Asked:
    """A task's sentences about the scenes of some boxes, which are offered. boxes: as in Mask3D's file."""
    with TemporaryDirectory() as temporary:
        file = Path(temporary) / "boxes.json"
        file.write_text(json.dumps(boxes))
        found = load(data, "scanrefer", file, data / f"language/{LANGUAGE[task]}.json.gz", points=points)
    return replace(found, task=task)


def _unnamed(objects: Objects) -> Objects:
    return replace(objects, labels=("",) * len(objects), names=np.zeros_like(objects.names))


def _with_points(data: Path, scene: str, detected: Objects, truth: Objects, encoder: ShapeEncoder) -> Objects:
    """Detections with the shape of the points inside their boxes, in the scenes that have points."""
    found = clouds(data, scene)
    if not found:
        return detected
    every = np.concatenate([cloud.xyz for cloud in found if cloud.label not in ("wall", "floor", "ceiling")])
    inside = [every[((every >= box[:3]) & (every <= box[3:])).all(1)] for box in detected.boxes]
    floor = float(min(cloud.xyz[:, 2].min() for cloud in found))
    return replace(detected, shapes=encoder.encode([p if len(p) >= 20 else p[:0] for p in inside], floor))


# ---- who answers ----


def by_network(network: OpenInstanceRefer, words: Words) -> Chooser:
    """The network's score, and a detection's confidence as the odds that it is real at all."""

    def choose(asked: Sequence[tuple[Objects, str]]) -> list[NDArray[np.float32]]:
        found = answers(network, asked, words)
        return [
            scores.numpy() + np.log(objects.confidence + 1e-3)
            for (objects, _), scores in zip(asked, found, strict=True)
        ]

    return choose


def by_first_label(asked: Sequence[tuple[Objects, str]]) -> list[NDArray[np.float32]]:
    """Baseline without learning: the first label that is mentioned, then the surest detection of it."""
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
        described[row["scene_id"]][row["object_id"]] = name if name in SEVENTEEN else "others"
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


# ---- the commands ----


def evaluate(data: Path, task: str, boxes: Path | None, language: Path | None) -> dict[str, Any]:
    """Measure what ships beside the baselines; the data folder's own sets go into docs/RESULTS.md."""
    encoder = point_encoder()
    asked = load(data, task, boxes, language, points=encoder)
    network = load_checkpoint(OpenInstanceRefer, "instancerefer")
    answer = by_network(network, WordVectors(row["text"] for row in asked.rows))
    rows = [
        ("chance", figures(data, asked, by_chance)),
        ("first label named, surest detection of it (no learning)", figures(data, asked, by_first_label)),
        ("InstanceRefer, shipped", figures(data, asked, answer)),
    ]
    if task != "scanrefer":
        known = load(data, task, boxes, language, labels="annotated", points=encoder)
        rows.append(("the same, told the annotated labels of all objects", figures(data, known, answer)))
    rows += _points(data, asked, load(data, task, boxes, language), answer)
    named = [{"model": name, **_flat(row)} for name, row in rows]
    table = markdown(named)
    print(table)
    if boxes is None and language is None:
        protocol = DETECTIONS if task == "scanrefer" else TRUE_BOXES
        command = f"`python -m models.scene evaluate grounding --data DIR --task {task}`"
        write(f"grounding-{task}", "\n\n".join((f"## Grounding: {TITLES[task]}", protocol, table, command)))
    return {"grounding": named}


def _points(data: Path, seen: Asked, unseen: Asked, answer: Chooser) -> list[tuple[str, dict[str, Any]]]:
    """What points add: the sentences about scenes that have them, with and without."""
    scenes = set(scenes_with_points(data))
    found = []
    for name, asked in (("points hidden", unseen), ("points read", seen)):
        rows = [row for row in asked.rows if row["scene_id"] in scenes]
        if rows:
            part = figures(data, replace(asked, rows=rows), answer)
            found.append((f"shipped, only scenes that have points: {name}", part))
    return found


def evaluate_ablation(data: Path) -> dict[str, Any]:
    """Every version that `train ablation` made, on what people said."""
    tasks = {task: load(data, task) for task in ("scanrefer", "nr3d")}
    rows = []
    for version in VERSIONS:
        path = folder(version) / "final"
        network = OpenInstanceRefer.from_pretrained(path).eval()
        learned = (path / "words.json").exists()
        row: dict[str, Any] = {"model": version}
        for task, asked in tasks.items():
            texts = [r["text"] for r in asked.rows]
            words = WordIndices.load(path / "words.json") if learned else WordVectors(texts)
            overall = figures(data, asked, by_network(network, words))["overall"]
            row |= {f"{task} {k}": v for k, v in overall.items()} if task == "scanrefer" else {task: overall}
        rows.append(row)
        print(row, flush=True)
    table = markdown(rows)
    module = "python -m models.scene"
    command = f"{module} train ablation --data DIR && {module} evaluate ablation --data DIR"
    text = (
        f"## Grounding: ablation\n\nEvery row had the same data and {STEPS} steps.\n\n{table}\n\n`{command}`"
    )
    write("grounding-ablation", text)
    return {"ablation": rows}


def _flat(result: Mapping[str, Any]) -> dict[str, Any]:
    """Nested accuracies as one row."""
    row: dict[str, Any] = {}
    for key, value in result.items():
        row |= (
            {f"{key} {k.removeprefix('acc')}": v for k, v in value.items()}
            if isinstance(value, dict)
            else {key: value}
        )
    return row
