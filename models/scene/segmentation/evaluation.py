"""PointGroup, measured: the real val clouds (no colour), made rooms (both ways), seconds and memory."""

import gc
import json
import multiprocessing
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from models.core.results import markdown, peak_mebibytes, write
from models.scene.data import nyu40
from models.scene.data.datasets import scenes_with_points, split
from models.scene.data.scan import Scan
from models.scene.grounding.grounding_on_predictions import grounding, rows_of
from models.scene.segmentation.average_precision import Judged, average_precision
from models.scene.segmentation.pointgroup import BENCHMARK, IGNORED, SHIPPED, PointGroup
from models.scene.segmentation.predictor import CHECKPOINT, Found, Segmenter, find
from models.scene.segmentation.scenes import Scene, nyu40_names, real_scene
from models.scene.segmentation.shape_labels import named

TWENTY = tuple(nyu40.NAMES[number - 1] for number in BENCHMARK)
EIGHTEEN = TWENTY[2:]
ROOMS = 12
ROOM_SEED = 500  # training makes its rooms from 1000 on; the demo's are below 100
SIZES = (50_000, 200_000, 1_000_000)
QUICK = 6


def evaluate(data: Path, checkpoint: str = CHECKPOINT) -> dict[str, Any]:
    """Figures of the checkpoint; writes the table of docs/RESULTS.md."""
    segmenter = Segmenter(checkpoint)
    network = segmenter.network
    made = made_rooms(data, network.classes)
    real = val_scenes(data, network.classes)
    rows = [
        {"model": checkpoint, "scenes": "real, val", "colour": "no", **measured(network, real)},
        {"model": checkpoint, "scenes": "made rooms", "colour": "yes", **measured(network, made)},
        {
            **{"model": checkpoint, "scenes": "made rooms", "colour": "dropped"},
            **measured(network, [_colourless(s) for s in made]),
        },
    ]
    costs = [cost(size, checkpoint) for size in SIZES]
    table = [{key: value for key, value in row.items() if key != "classes"} for row in rows]
    by_class = [
        {"class": kind, **{f"{r['scenes']}, colour {r['colour']}": r["classes"].get(kind, "") for r in rows}}
        for kind in EIGHTEEN
    ]
    boxes = {s.name: found_in(segmenter, s) for s in real}
    asked = grounding(data, boxes)
    write("scene-segmentation", "\n\n".join(_section(checkpoint, table, by_class, costs, asked)))
    print(markdown(table), markdown(by_class), markdown(costs), markdown(asked), sep="\n\n")
    return {"segmentation": table, "classes": by_class, "grounding": asked, "cost": costs}


def found_in(segmenter: Segmenter, scene: Scene) -> list[dict[str, Any]]:
    """What is found in a real scene, in the form of Mask3D's file of boxes."""
    found = find(segmenter.network, scene.xyz, None)
    return rows_of(scene, found, labels_of(segmenter, scene, found))


def labels_of(segmenter: Segmenter, scene: Scene, found: Found) -> list[str]:
    """What PointGroup calls each object that it found in a scene."""
    classes = [segmenter.network.classes[place] for place in found.classes]
    return named(segmenter.shapes, [scene.xyz[part] for part in found.members], classes, 0.0)


def _section(checkpoint: str, table: Any, by_class: Any, costs: Any, asked: Any) -> list[str]:
    return [
        f"## Objects in raw scans: {checkpoint}",
        "ScanNet's 18 classes, by its benchmark's rules, in per cent. The real clouds are thinned object by "
        "object: every point counts for the vertices it stands for in the full scan, and how thick points "
        "stand tells something of what is one object. mIoU/20 is over wall and floor as well.",
        markdown(table),
        "AP50 of the classes:",
        markdown(by_class),
        "What a scan costs, from raw vertices to instances, levelling too (the network is loaded already; "
        "peak of the whole process):",
        markdown(costs),
        "ScanRefer val_a, the sentences about these real scenes, asked of the shipped InstanceRefer:",
        markdown(asked),
        "`python -m models.scene evaluate segmentation --data DIR`",
    ]


def measured(network: PointGroup, scenes: Sequence[Scene]) -> dict[str, Any]:
    """mIoU, AP50 and AP25 in per cent, how many scenes, and AP50 of each class that is there."""
    judged, confusion = [], np.zeros((2, len(TWENTY)))
    shared = np.zeros(len(TWENTY))
    for scene in scenes:
        found = find(network, scene.xyz, scene.colours)
        judged.append(judge(scene, found, network.classes))
        intersection, sizes = _counts(scene, found, network.classes)
        shared += intersection
        confusion += sizes
    union = confusion.sum(0) - shared
    iou = np.where(union > 0, 100 * shared / np.maximum(union, 1e-9), np.nan)
    ap = {b: [100 * average_precision(judged, kind, b) for kind in EIGHTEEN] for b in (0.5, 0.25)}
    return {
        "n": len(scenes),
        "mIoU": round(float(np.nanmean(iou[2:])), 1),
        "mIoU/20": round(float(np.nanmean(iou)), 1),
        "AP50": round(float(np.nanmean(ap[0.5])), 1),
        "AP25": round(float(np.nanmean(ap[0.25])), 1),
        "classes": {k: round(v, 1) for k, v in zip(EIGHTEEN, ap[0.5], strict=True) if not np.isnan(v)},
    }


def judge(scene: Scene, found: Found, classes: Sequence[str]) -> Judged:
    """A scene's objects and what was found, of the 18 classes."""
    truth = []
    for owner in np.unique(scene.owner[scene.owner >= 0]):
        members = np.flatnonzero(scene.owner == owner)
        place = scene.classes[members[0]]
        if place != IGNORED and classes[place] in EIGHTEEN:
            truth.append((classes[place], members))
    void = np.ones(len(scene.xyz), bool)
    for _, members in truth:
        void[members] = False
    return Judged(
        scene.weight.astype(np.float64),
        void,
        truth,
        [
            (classes[kind], members, score)
            for kind, members, score in zip(found.classes, found.members, found.scores, strict=True)
        ],
    )


def _counts(scene: Scene, found: Found, classes: Sequence[str]) -> tuple[Any, Any]:
    """(20,) weight that is right; (2, 20) weight that is of each class, and that was said to be."""
    place = np.array([TWENTY.index(name) if name in TWENTY else len(TWENTY) for name in classes])
    true = np.where(scene.classes == IGNORED, len(TWENTY), place[np.maximum(scene.classes, 0)])
    known = true < len(TWENTY)
    true, said, weight = true[known], place[found.semantic[known]], scene.weight[known]
    count = len(TWENTY) + 1
    right = np.bincount(true[true == said], weight[true == said], count)
    sizes = [np.bincount(true, weight, count), np.bincount(said, weight, count)]
    return right[:-1], np.stack(sizes)[:, :-1]


def val_scenes(data: Path, classes: Sequence[str], most: int | None = None) -> list[Scene]:
    """The real val scenes that have points."""
    _, val = split(data)
    names = [name for name in scenes_with_points(data) if name in val]
    return [real_scene(data, name, tuple(classes)) for name in names[:most]]


def made_rooms(data: Path, classes: Sequence[str]) -> list[Scene]:
    """Rooms walked through by the simulated camera, none of which was trained on."""
    from models.scene.synthetic_rooms import KINDS, make_room

    kinds = list(KINDS)
    names = nyu40_names(data)
    return [
        labelled_scene(make_room(kinds[i % len(kinds)], ROOM_SEED + i // len(kinds)), names, classes)
        for i in range(ROOMS)
    ]


def labelled_scene(scan: Scan, names: dict[str, str], classes: Sequence[str]) -> Scene:
    """A labelled scan as a scene to be measured on. names: the NYU40 class of raw labels."""
    kinds = {item.id: names.get(item.label, "otherprop") for item in scan.instances}
    place = {i: classes.index(kind) if kind in classes else IGNORED for i, kind in kinds.items()}
    owner = scan.vertex_instance.astype(np.int64)
    return Scene(
        scan.name,
        scan.aligned,
        scan.colours,
        np.array([place.get(i, IGNORED) for i in owner.tolist()]),
        owner,
        np.ones(len(owner), np.float32),
    )


def _colourless(scene: Scene) -> Scene:
    return Scene(scene.name, scene.xyz, None, scene.classes, scene.owner, scene.weight)


def quick_check(data: Path) -> Callable[[nn.Module], str]:
    """For the training's log: a few val scenes."""
    scenes = val_scenes(data, PointGroup(**SHIPPED).classes, QUICK)

    def check(network: nn.Module) -> str:
        assert isinstance(network, PointGroup)
        figures = measured(network, scenes)
        figures.pop("classes")
        return json.dumps(figures)

    return check


# ---- seconds and memory ----


def cost(size: int, checkpoint: str) -> dict[str, Any]:
    """Seconds and peak MiB of a process that segments a made room of `size` points."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        seconds, peak, objects = pool.apply(_cost, (size, checkpoint))
    return {"points": size, "seconds": round(seconds, 1), "peak MiB": peak, "objects": objects}


def _cost(size: int, checkpoint: str) -> tuple[float, int, int]:
    scan = _dense_room(size)
    segmenter = Segmenter(checkpoint)
    gc.collect()
    start = time.perf_counter()
    found = segmenter(scan)
    seconds = time.perf_counter() - start
    return seconds, peak_mebibytes(), len(found.scan.instances)


def _dense_room(size: int) -> Scan:
    """A made classroom as `size` points on its objects' surfaces, without labels, leaning a little."""
    from models.scene.synthetic_rooms import room_objects

    objects = room_objects("classroom", ROOM_SEED, 1 + size // 70)
    xyz = np.concatenate([item.points for item in objects])
    colours = np.concatenate([item.colours for item in objects])
    keep = np.random.default_rng(0).choice(len(xyz), size, replace=len(xyz) < size)
    lean = np.array([[1, 0, 0], [0, 0.995, -0.0998], [0, 0.0998, 0.995]], np.float32)
    nobody = np.full(size, -1, np.int32)
    return Scan("dense", xyz[keep] @ lean.T, colours[keep], np.zeros((0, 3), np.int32), nobody)
