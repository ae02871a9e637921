"""Scenes that segmentation learns from and is measured on: clouds with a class and an owner a point."""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from models.scene.data.datasets import clouds, scenes_with_points, split
from models.scene.segmentation.pointgroup import IGNORED
from models.scene.synthetic_rooms import room_objects

SAMPLED = 1500

FEWEST = 20  # points of an object

EXTRA = {"bath mat": "floor mat"}  # labels of made rooms that ScanNet has not


@dataclass(frozen=True)
class Scene:
    """A scene to learn from or to be measured on.

    xyz: (N, 3) metres, aligned, floor at 0. colours: (N, 3) 0-255 or None. classes: (N,) place in the
    network's classes, IGNORED where a point's class is none of them. owner: (N,) its object, -1 for none.
    weight: (N,) vertices of the full scan that each point stands for. floor: its height in the aligned frame.
    """

    name: str
    xyz: NDArray[np.float32]
    colours: NDArray[np.uint8] | None
    classes: NDArray[np.int64]
    owner: NDArray[np.int64]
    weight: NDArray[np.float32]
    floor: float = 0.0


@cache
def nyu40_names(data: Path) -> dict[str, str]:
    """The NYU40 class of every raw label."""
    with (data / "meta/scannetv2-labels.combined.tsv").open() as file:
        names = {row["raw_category"]: row["nyu40class"] for row in csv.DictReader(file, delimiter="\t")}
    return {**names, **EXTRA}


def real_scene(data: Path, name: str, classes: tuple[str, ...]) -> Scene:
    """A scene of the data folder that has points."""
    found, names = clouds(data, name), nyu40_names(data)
    floors = [cloud.xyz[:, 2] for cloud in found if cloud.label == "floor"]
    every = np.concatenate([cloud.xyz for cloud in found])
    floor = np.median(np.concatenate(floors)) if floors else np.quantile(every[:, 2], 0.01)
    counts = np.array([len(cloud.xyz) for cloud in found])
    with np.load(data / f"points/{name}.npz") as stored:
        whole = stored["full_point_counts"]
    kinds = [_place(classes, names.get(cloud.label, "")) for cloud in found]
    return Scene(
        name,
        every - np.array((0, 0, floor), np.float32),
        None,
        np.repeat(kinds, counts),
        np.repeat(np.arange(len(found)), counts),
        np.repeat(whole / counts, counts).astype(np.float32),
        float(floor),
    )


def made_scene(data: Path, kind: str, seed: int, classes: tuple[str, ...]) -> Scene:
    """A made room by its objects' surfaces, each with points in proportion to its area."""
    names, objects = nyu40_names(data), room_objects(kind, seed, SAMPLED)
    counts = [len(item.points) for item in objects]
    kinds = [_place(classes, names.get(item.instance.label, "otherprop")) for item in objects]
    return Scene(
        f"{kind}_{seed}",
        np.concatenate([item.points for item in objects]),
        np.concatenate([item.colours for item in objects]),
        np.repeat(kinds, counts),
        np.repeat(np.arange(len(objects)), counts),
        np.repeat([_vertices(item.points) / len(item.points) for item in objects], counts).astype(np.float32),
    )


def _place(classes: tuple[str, ...], name: str) -> int:
    return classes.index(name) if name in classes else IGNORED


def _vertices(points: NDArray[np.float32], cell: float = 0.03) -> int:
    """About how many vertices a scan has of a surface: its area over that of a cell of 3 cm.

    Points thrown evenly on an area A lie on average 0.5 sqrt(A / n) from their nearest.
    """
    distance, _ = cKDTree(points).query(points, 2)
    return max(30, int(len(points) * (2 * float(distance[:, 1].mean()) / cell) ** 2))


def real_scenes(data: Path, classes: tuple[str, ...]) -> list[Scene]:
    """The train scenes that have points."""
    train, _ = split(data)
    return [real_scene(data, name, classes) for name in scenes_with_points(data) if name in train]


def boxes_of(scene: Scene) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """(G, 6) boxes around the points of the objects of the 18 classes, (G,) classes, (G,) owners."""
    boxes, kinds, owners = [], [], []
    for owner in np.unique(scene.owner[scene.owner >= 0]):
        members = scene.owner == owner
        kind = scene.classes[members][0]
        if kind != IGNORED and members.sum() >= FEWEST:
            points = scene.xyz[members]
            boxes.append(np.concatenate([points.min(0), points.max(0)]))
            kinds.append(kind)
            owners.append(owner)
    whole = np.stack(boxes) if boxes else np.zeros((0, 6))
    return whole.astype(np.float32), np.array(kinds, np.int64), np.array(owners, np.int64)
