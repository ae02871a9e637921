"""The data folder: ScanNet's boxes and points, and what people said about them.

DATA/boxes, points, language and meta as they lie on disk (gzipped json, npz).
"""

import gzip
import json
import random
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.scene.data.scan import Instance

ANNOTATED = "boxes/objects_info_gt_1513scenes.json.gz"
DETECTED = "boxes/objects_info_mask3d200_312valscenes.json.gz"
HELD_OUT = 45  # train scenes that people spoke of and that are held out

# who said it: describers with a camera, players of a guessing game, the same without the target's id
PEOPLE = ("scanrefer", "nr3d", "class")


@dataclass(frozen=True)
class Sentence:
    """What someone (or the generator) said of one object of a scene.

    target: its id, None where only its class (label) is known. kind: one of PEOPLE, or the generator's.
    anchors: ids of the objects that a generated sentence is judged by.
    """

    scene: str
    text: str
    target: int | None
    label: str = ""
    kind: str = "nr3d"
    anchors: tuple[int, ...] = ()


def read_json(path: Path) -> Any:
    """A json file, gzipped or not."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        return json.load(file)


@cache
def annotated(data: Path) -> dict[str, list[dict[str, Any]]]:
    """{scene: rows} with id, label, extension, avg_rgba, and fronts."""
    return read_json(data / ANNOTATED)


def instances(rows: Iterable[dict[str, Any]]) -> list[Instance]:
    """Rows of a file of boxes as instances."""
    return [
        Instance(
            row["id"],
            row["label"],
            np.array(row["extension"], np.float32),
            np.array((row.get("avg_rgba") or row["median_rgba"])[:3], np.float32),
            row.get("score", 1.0),
        )
        for row in rows
    ]


def fronts(rows: Iterable[dict[str, Any]]) -> dict[int, NDArray[np.float32]]:
    """{id: (2,) unit vector in plan} of the objects whose front is annotated."""
    found = {}
    for row in rows:
        if row["has_front"]:
            way = np.subtract(row["front_point"], row["obb"][:3])[:2]
            if (length := np.linalg.norm(way)) > 1e-3:
                found[row["id"]] = (way / length).astype(np.float32)
    return found


def split(data: Path) -> tuple[set[str], set[str]]:
    """Train and val scenes of ScanNet v2."""
    return tuple(set((data / f"meta/scannetv2_{part}.txt").read_text().split()) for part in ("train", "val"))  # type: ignore[return-value]


def sentences(path: Path) -> list[dict[str, Any]]:
    """Rows of a language file, each with "text" whatever the set calls it."""
    return [{**row, "text": row.get("utterance") or row["description"]} for row in read_json(path)]


def human(data: Path) -> list[Sentence]:
    """ScanRefer-train and Nr3D-train sentences whose target is known."""
    return [
        Sentence(row["scene_id"], row["text"], row["object_id"], kind=kind)
        for kind in ("scanrefer", "nr3d")
        for row in sentences(data / f"language/{kind}_train.json.gz")
    ]


def held_out(said: Iterable[Sentence]) -> set[str]:
    """Train scenes whose sentences are never learnt from: they choose between versions, and fit certainty.

    said: all of `human`.
    """
    return set(random.Random(7).sample(sorted({sentence.scene for sentence in said}), HELD_OUT))


def without_target(data: Path) -> list[Sentence]:
    """Nr3D-train utterances of which only scene and class are known."""
    rows = read_json(data / "language/nr3d_train_text_without_ids.json.gz")
    return [
        Sentence(scene, text, None, label, "class") for scene, pairs in rows.items() for label, text in pairs
    ]


@dataclass(frozen=True)
class Cloud:
    """Points of one object. xyz: (P, 3) metres, axis-aligned frame."""

    id: int
    label: str
    xyz: NDArray[np.float32]


def clouds(data: Path, scene: str) -> list[Cloud]:
    """The objects of a real scene that has points; [] for one that has none."""
    path = data / f"points/{scene}.npz"
    if not path.exists():
        return []
    with np.load(path) as stored:
        ids, labels, counts = stored["object_ids"], stored["labels"], stored["n_points"]
        raw = stored["points_mm"].astype(np.float32) / 1000
    matrix = _alignment(data, scene)
    aligned = raw @ matrix[:3, :3].T + matrix[:3, 3]
    ends = np.cumsum(counts)
    return [
        Cloud(int(i), str(label), aligned[end - count : end].astype(np.float32))
        for i, label, count, end in zip(ids, labels, counts, ends, strict=True)
    ]


def scenes_with_points(data: Path) -> list[str]:
    """Names of the real scenes that have points, sorted."""
    return sorted(path.stem for path in (data / "points").glob("*.npz"))


@cache
def _scene_info(data: Path) -> dict[str, dict[str, str]]:
    return read_json(data / "boxes/scannet_scene_info_1513.json.gz")


def _alignment(data: Path, scene: str) -> NDArray[np.float32]:
    return np.array(_scene_info(data)[scene]["axisAlignment"].split(), np.float32).reshape(4, 4)
