"""The objects of the data folder's scenes, as grounding and captioning see them."""

from pathlib import Path
from typing import Any

import numpy as np

from models.core.checkpoints import load_checkpoint
from models.scene.data.datasets import (
    annotated,
    clouds,
    instances,
    scenes_with_points,
)
from models.scene.objects.object_set import Objects, from_instances
from models.scene.objects.point_encoder import ShapeEncoder


def scene_objects(data: Path, names: set[str], shapes: ShapeEncoder | None) -> dict[str, Objects]:
    """The annotated objects of scenes, with shape features where a scene has points."""
    with_points = set(scenes_with_points(data)) if shapes is not None else set()
    found = {}
    for scene, rows in annotated(data).items():
        if scene in names and rows:
            objects = from_instances(instances(rows))
            if scene in with_points and shapes is not None:
                objects.shapes[:] = shape_features(data, scene, objects, shapes)
            found[scene] = objects
    return found


def shape_features(data: Path, scene: str, objects: Objects, shapes: ShapeEncoder) -> Any:
    """(N, 128) features of the objects' own points, 0 where an object has none."""
    points = {cloud.id: cloud.xyz for cloud in clouds(data, scene)}
    empty = np.zeros((0, 3), np.float32)
    floor = float(min(xyz[:, 2].min() for xyz in points.values()))
    return shapes.encode([points.get(int(i), empty) for i in objects.ids], floor)


def point_encoder() -> ShapeEncoder:
    """The shipped point encoder."""
    return load_checkpoint(ShapeEncoder, "shapes")
