"""What the captioning teacher sees of an object: its colours in a picture, or a flat crop of its mean colour.

Where a scan has colour (made rooms) the picture is rendered: a person in the middle of the room looks at the
object, and what is in front of it hides it. The real boxes come with one mean colour an object, so their
"picture" is a flat crop of it. Either way a view is the mean over the crop's pixels of the colour and of how
near it is to each of nine named colours: a crop of one colour says less, in the same form.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from open3d.core import Tensor

from models.scene.objects.object_set import Objects
from models.scene.objects.spatial_features import VIEW_WIDTH, colour_view
from models.scene.synthetic_rooms.layout import Plan, ray_scene
from models.scene.synthetic_rooms.shapes import colours_at, join

Array = NDArray[np.float32]

PIXELS = 40  # along each side of a picture
EYE = 1.5
NEAREST_EYE = 1.0  # metres from which one looks at the least


def flat_views(objects: Objects) -> Array:
    """(N, VIEW_WIDTH) of crops that have one colour."""
    return colour_view(torch.from_numpy(objects.colours)).numpy()


def rendered_views(plan: Plan) -> Array:
    """(N, VIEW_WIDTH) of the plan's items, each in a picture of its own; 0 where it is hidden altogether."""
    shape = join([item.shape for item in plan.items])
    owner = np.repeat(np.arange(len(plan.items)), [len(item.shape.triangles) for item in plan.items])
    scene = ray_scene(shape)
    views = np.zeros((len(plan.items), VIEW_WIDTH), np.float32)
    for place, item in enumerate(plan.items):
        seen = scene.cast_rays(Tensor.from_numpy(_rays(item.box)), nthreads=1)
        triangle = seen["primitive_ids"].numpy().astype(np.int64)
        hit = np.isfinite(seen["t_hit"].numpy())
        hit[hit] = owner[triangle[hit]] == place
        if hit.any():
            colours = colours_at(shape, triangle[hit], seen["primitive_uvs"].numpy()[hit]) / 255
            views[place] = colour_view(torch.from_numpy(colours)).mean(0).numpy()
    return views


def _rays(box: Array) -> Array:
    """(P, 6) origin and direction of the pixels of a picture that a box (2, 3) fills, shot from mid-room."""
    middle, reach = box.mean(0), float(np.linalg.norm(box[1] - box[0])) / 2
    eye = np.array([0.0, 0.0, EYE])
    ahead = middle - eye
    distance = float(np.linalg.norm(ahead))
    if distance < NEAREST_EYE:  # one steps back from what stands in the middle
        eye = middle + np.array([0.0, -NEAREST_EYE - reach, EYE - middle[2]])
        ahead = middle - eye
        distance = float(np.linalg.norm(ahead))
    ahead = ahead / distance
    right = np.cross(ahead, (0, 0, 1)) if abs(ahead[2]) < 0.99 else np.array([1.0, 0, 0])
    right = right / np.linalg.norm(right)
    up = np.cross(right, ahead)
    side = np.linspace(-1, 1, PIXELS) * min(reach / distance, 1.0)
    across, along = np.meshgrid(side, side)
    directions = ahead + across.reshape(-1, 1) * right + along.reshape(-1, 1) * up
    return np.concatenate([np.broadcast_to(eye, directions.shape), directions], 1).astype(np.float32)
