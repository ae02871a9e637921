"""Detection, measured: mAP of VoteNet's boxes beside those of PointGroup's instances, in real val clouds."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from models.core.checkpoints import FOLDER, load_checkpoint
from models.core.results import markdown, write
from models.scene.segmentation.detection import Detections, detect, mean_average_precision
from models.scene.segmentation.evaluation import val_scenes
from models.scene.segmentation.pointgroup import PointGroup
from models.scene.segmentation.predictor import Found, find
from models.scene.segmentation.scenes import Scene, boxes_of
from models.scene.segmentation.votenet import CLASSES, VoteNet

BOUNDS = (0.25, 0.5)
QUICK = 6


def truth_of(scene: Scene) -> Detections:
    """The boxes around the annotated objects of the 18 classes."""
    boxes, kinds, _ = boxes_of(scene)
    return Detections(boxes, tuple(CLASSES[kind] for kind in kinds), np.ones(len(boxes), np.float32))


def by_pointgroup(network: PointGroup, scene: Scene) -> Detections:
    """Boxes around the instances that PointGroup finds, of the 18 classes."""
    return boxes_around(network, scene, find(network, scene.xyz, scene.colours))


def boxes_around(network: PointGroup, scene: Scene, found: Found) -> Detections:
    """Boxes around instances, of the 18 classes."""
    kept = [place for place, kind in enumerate(found.classes) if network.classes[kind] in CLASSES]
    boxes = [scene.xyz[found.members[place]] for place in kept]
    return Detections(
        np.array([[*points.min(0), *points.max(0)] for points in boxes], np.float32).reshape(-1, 6),
        tuple(network.classes[found.classes[place]] for place in kept),
        np.array([found.scores[place] for place in kept], np.float32),
    )


def measured(find_in: Callable[[Scene], Detections], scenes: Sequence[Scene]) -> dict[str, Any]:
    """mAP in per cent at each bound, and AP@0.25 of each class."""
    found, truth = [find_in(scene) for scene in scenes], [truth_of(scene) for scene in scenes]
    row: dict[str, Any] = {}
    for bound in BOUNDS:
        mean, each = mean_average_precision(found, truth, bound)
        row[f"mAP@{bound}"] = round(100 * mean, 1)
        row[f"classes@{bound}"] = {kind: round(100 * value, 1) for kind, value in each.items()}
    return {**row, "n": len(scenes)}


def evaluate(data: Path) -> dict[str, Any]:
    """PointGroup's boxes, and VoteNet's where its checkpoint is; writes the table of docs/RESULTS.md."""
    scenes = val_scenes(data, CLASSES)
    segmenter: PointGroup = load_checkpoint(PointGroup, "pointgroup")
    rows = {"PointGroup, boxes of its instances": measured(lambda s: by_pointgroup(segmenter, s), scenes)}
    if (FOLDER / "votenet").is_dir():
        network: VoteNet = load_checkpoint(VoteNet, "votenet")
        rows["VoteNet"] = measured(lambda s: detect(network, s.xyz), scenes)
    table = [
        {"model": name, **{k: v for k, v in row.items() if not k.startswith("classes")}}
        for name, row in rows.items()
    ]
    by_class = [
        {"class": kind, **{name: row["classes@0.25"].get(kind, "") for name, row in rows.items()}}
        for kind in CLASSES
    ]
    text = (
        "## Detection: boxes in raw scans",
        "mAP over ScanNet's 18 classes in per cent, by VOC's rule, on the 47 real val clouds (without "
        "colour); true boxes are those around the points of the annotated objects.",
        markdown(table),
        "AP@0.25 of the classes:",
        markdown(by_class),
        "`python -m models.scene evaluate detection --data DIR`",
    )
    write("scene-detection", "\n\n".join(text))
    print(markdown(table), markdown(by_class), sep="\n\n")
    return {"detection": [{"model": name, **row} for name, row in rows.items()]}


def quick_check(data: Path) -> Callable[[nn.Module], str]:
    """For the training's log: a few val scenes."""
    scenes = val_scenes(data, CLASSES, QUICK)

    def check(network: nn.Module) -> str:
        assert isinstance(network, VoteNet)
        row = measured(lambda scene: detect(network, scene.xyz), scenes)
        return json.dumps({key: row[key] for key in ("mAP@0.25", "mAP@0.5")})

    return check
