"""Grounding on what PointGroup finds in the real val clouds, beside Mask3D's and the true objects."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.core.checkpoints import load_checkpoint
from models.scene.grounding.evaluation import by_network, figures, load, offered_boxes, point_encoder
from models.scene.grounding.instancerefer.open_instancerefer import OpenInstanceRefer
from models.scene.grounding.sentence_vectors import WordVectors
from models.scene.segmentation.predictor import Found
from models.scene.segmentation.scenes import Scene

GREY = [128, 128, 128]


def rows_of(scene: Scene, found: Found, labels: Sequence[str]) -> list[dict[str, Any]]:
    """What was found in a scene, in the form of Mask3D's file of boxes; the real clouds have no colour."""
    rows = []
    for rank, members in enumerate(found.members):
        points = scene.xyz[members] + (0, 0, scene.floor)
        rows.append(
            {
                "id": rank,
                "label": labels[rank],
                "extension": [*points.min(0).tolist(), *points.max(0).tolist()],
                "score": found.scores[rank],
                "avg_rgba": GREY,
            }
        )
    return rows


def grounding(data: Path, found: Mapping[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """ScanRefer val_a, asked of three sets of objects, on the scenes in which something was found."""
    encoder = point_encoder()
    ours = offered_boxes(data, "scanrefer", found, encoder)
    scenes = ours.offered.keys()
    theirs = load(data, "scanrefer", points=encoder)
    theirs = replace(theirs, rows=[row for row in theirs.rows if row["scene_id"] in scenes])
    network = load_checkpoint(OpenInstanceRefer, "instancerefer")
    answer = by_network(network, WordVectors(row["text"] for row in theirs.rows))
    sources = {
        "PointGroup": replace(ours, rows=theirs.rows),
        "Mask3D": theirs,
        "true objects": replace(theirs, offered=theirs.truth),
    }
    return [_row(name, figures(data, asked, answer)) for name, asked in sources.items()]


def _row(name: str, result: Mapping[str, Any]) -> dict[str, Any]:
    parts = {
        f"{part} {key}": value
        for part in ("overall", "unique", "multiple")
        for key, value in result[part].items()
    }
    return {"objects": name, **parts, "n": result["n"]}
