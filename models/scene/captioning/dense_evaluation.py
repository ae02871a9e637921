"""Dense captioning, measured: objects are found in a raw scan, then described (Scan2Cap's classic protocol).

Each proposal belongs to the annotated object whose centre is nearest. An object's caption counts where that
proposal overlaps it by more than k (m@kIoU); of several proposals of one object the surest speaks. Objects
that nobody found count as captions of nothing.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from models.core.checkpoints import FOLDER, load_checkpoint
from models.core.results import markdown, write
from models.scene.captioning.batches import captions
from models.scene.captioning.evaluation import ROWS, People, Told, descriptions, installed, network, scores_of
from models.scene.data.geometry import box_iou
from models.scene.grounding.comparison import pointgroup_boxes
from models.scene.grounding.evaluation import offered_boxes
from models.scene.grounding.scene_objects import point_encoder
from models.scene.objects.object_set import Objects
from models.scene.segmentation.detection import Detections, detect
from models.scene.segmentation.detection_evaluation import by_pointgroup, measured
from models.scene.segmentation.evaluation import val_scenes
from models.scene.segmentation.pointgroup import PointGroup
from models.scene.segmentation.scenes import Scene
from models.scene.segmentation.votenet import CLASSES, VoteNet

BOUNDS = (0.25, 0.5)
SHORT = {"CIDEr": "C", "BLEU-4": "B-4", "METEOR": "M", "ROUGE-L": "R"}
# C, B-4, M, R at 0.25 and at 0.5, mAP@0.5 of the talk's tables, VoteNet's proposals without extra 2D input
TALK: Mapping[str, Mapping[str, tuple[float, ...]]] = {
    "scanrefer": {
        "Scan2Cap": (50.71, 33.01, 25.47, 53.60, 33.53, 21.58, 21.04, 43.03, 32.46),
        "TransCap": (55.36, 32.46, 25.64, 53.19, 40.08, 22.86, 21.72, 44.04, 33.34),
        "X-Trans2Cap": (58.81, 34.17, 25.81, 54.10, 41.52, 23.83, 21.90, 44.97, 34.68),
    },
    "nr3d": {
        "Scan2Cap": (41.76, 24.12, 24.98, 55.79, 23.70, 14.88, 20.95, 47.50, 32.17),
        "TransCap": (44.32, 25.63, 25.25, 55.69, 27.24, 17.76, 21.60, 49.16, 34.09),
        "X-Trans2Cap": (47.26, 27.38, 25.45, 56.28, 30.96, 18.70, 22.15, 49.92, 34.13),
    },
}
Found = tuple[dict[str, Any], float]  # boxes of each scene in the form of Mask3D's file, and their mAP@0.5
COMMAND = "python -m models.scene evaluate dense-captioning --data DIR"
ABOUT = (
    "Scan2Cap's classic protocol (m@kIoU), in per cent, on those val scenes of ScanRefer's val_a and of "
    "Nr3D's test_a that have points (without colour): every described object counts, found or not. mAP@0.5 "
    "is of the boxes, over ScanNet's 18 classes."
)


def evaluate(data: Path) -> dict[str, Any]:
    """Prints and writes a table a set of descriptions: every captioner over every detector that is here."""
    boxes = _boxes(data)
    tables = {task: [*_measured(data, task, boxes), *_talk(task)] for task in TALK}
    parts = ("ScanRefer:", markdown(tables["scanrefer"]), "Nr3D:", markdown(tables["nr3d"]), f"`{COMMAND}`")
    text = "\n\n".join(("## Dense captioning", ABOUT, *parts))
    print(text)
    write("dense-captioning", text)
    return {"dense_captioning": tables}


def _measured(data: Path, task: str, boxes: Mapping[str, Found]) -> list[dict[str, Any]]:
    encoder, rows = point_encoder(), []
    for detector, (found, precise) in boxes.items():
        asked = offered_boxes(data, task, found, encoder)
        people = descriptions(asked)
        for name in installed():
            said = _said(name, task, asked.offered)
            row: dict[str, Any] = {"model": ROWS[name], "proposals": detector}
            for bound in BOUNDS:
                scores = scores_of(counted(said, asked.offered, asked.truth, people, bound), people)
                row |= {f"{short}@{bound}": scores[key] for key, short in SHORT.items()}
            rows.append({**row, "mAP@0.5": precise, "n": len(people)})
            print(task, rows[-1], flush=True)
    return rows


def _talk(task: str) -> list[dict[str, Any]]:
    columns = [f"{short}@{bound}" for bound in BOUNDS for short in SHORT.values()]
    return [
        {
            "model": f"{name}, the talk",
            "proposals": "VoteNet",
            **dict(zip((*columns, "mAP@0.5"), figures, strict=True)),
        }
        for name, figures in TALK[task].items()
    ]


def counted(
    said: Mapping[str, list[list[str]]],
    offered: Mapping[str, Objects],
    truth: Mapping[str, Objects],
    people: People,
    bound: float,
) -> Told:
    """The captions that count, {(scene, annotated object): words}. said: by scene, one a proposal."""
    found: Told = {}
    for scene, texts in said.items():
        real, seen = truth[scene], offered[scene]
        middles = (real.boxes[:, :3] + real.boxes[:, 3:]) / 2
        overlap = box_iou(seen.boxes, real.boxes)
        for place in np.argsort(seen.confidence, kind="stable"):  # the surest speaks last
            middle = (seen.boxes[place, :3] + seen.boxes[place, 3:]) / 2
            nearest = int(np.linalg.norm(middles - middle, axis=1).argmin())
            key = (scene, int(real.ids[nearest]))
            if overlap[place, nearest] > bound and key in people:
                found[key] = texts[place]
    return found


def _said(checkpoint: str, style: str, offered: Mapping[str, Objects]) -> dict[str, list[list[str]]]:
    """What a captioner says of every proposal."""
    speaker = network(checkpoint)
    return {
        scene: captions(speaker, [(objects, place) for place in range(len(objects))], style)
        for scene, objects in offered.items()
    }


def _boxes(data: Path) -> dict[str, Found]:
    """What each detector that is here finds."""
    scenes = val_scenes(data, CLASSES)
    segmenter: PointGroup = load_checkpoint(PointGroup, "pointgroup")
    found = {
        "PointGroup": (pointgroup_boxes(data), _precision(lambda s: by_pointgroup(segmenter, s), scenes)),
    }
    if (FOLDER / "votenet").is_dir():
        detector: VoteNet = load_checkpoint(VoteNet, "votenet")
        seen = {scene.name: detect(detector, scene.xyz) for scene in scenes}
        rows = {scene.name: as_rows(seen[scene.name], scene.floor) for scene in scenes}
        found["VoteNet"] = (rows, _precision(lambda s: seen[s.name], scenes))
    return found


def as_rows(found: Detections, floor: float) -> list[dict[str, Any]]:
    """Detections in the form of Mask3D's file. floor: metres, where it lies in the scene's own frame."""
    up = np.array([0, 0, floor] * 2, np.float32)
    return [
        {"id": place, "label": kind, "extension": (box + up).tolist(), "score": float(score)}
        for place, (box, kind, score) in enumerate(zip(found.boxes, found.classes, found.scores, strict=True))
    ]


def _precision(find_in: Callable[[Scene], Detections], scenes: list[Scene]) -> float:
    return float(measured(find_in, scenes)["mAP@0.5"])
