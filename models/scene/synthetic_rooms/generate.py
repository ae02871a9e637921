"""From a kind and a seed to a scan of a room, or to its objects alone."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.core.errors import UserError
from models.scene.data.scan import Instance, Scan, instances_of
from models.scene.synthetic_rooms import camera
from models.scene.synthetic_rooms.kinds import KINDS
from models.scene.synthetic_rooms.layout import Plan
from models.scene.synthetic_rooms.shapes import Shape, colours_at

VOXEL = 0.022
VERTICES = 75_000
# An object that the camera caught with fewer vertices stays without a label.
LEAST = 15


@dataclass(frozen=True)
class RoomObject:
    """What training needs of an object. points: (P, 3) float32 metres. colours: (P, 3) uint8."""

    instance: Instance
    points: NDArray[np.float32]
    colours: NDArray[np.uint8]


def make_plan(kind: str, seed: int) -> Plan:
    """A furnished room, the same for the same seed. kind: a key of KINDS.

    Raises UserError("room_kind") for another kind, UserError("furniture_missing") without the Debian package.
    """
    if kind not in KINDS:
        raise UserError("room_kind", kind=kind, kinds=", ".join(KINDS))
    furnish, width, depth = KINDS[kind]
    rng = np.random.default_rng([seed, list(KINDS).index(kind)])
    plan = Plan(float(rng.uniform(*width)), float(rng.uniform(*depth)), float(rng.uniform(2.4, 2.7)), rng)
    furnish(plan)
    return plan


def make_room(kind: str, seed: int, rotated: bool | None = None) -> Scan:
    """A scan of a room. rotated: whether its frame is turned against the room's (None: every other seed)."""
    plan = make_plan(kind, seed)
    fused = camera.scan(plan, plan.rng, VOXEL, VERTICES)
    counts = np.bincount(fused.owner, minlength=len(plan.items))
    kept = np.flatnonzero(counts >= LEAST)
    ids = np.full(len(plan.items), -1, np.int32)
    ids[kept] = np.arange(len(kept))
    owner = ids[fused.owner]
    labels = {int(ids[index]): plan.items[index].label for index in kept}
    instances = instances_of(fused.vertices, fused.colours, owner, labels)
    turn = seed % 2 == 1 if rotated is None else rotated
    alignment = _alignment(plan, turn)
    vertices = (fused.vertices - alignment[:3, 3]) @ alignment[:3, :3]  # the inverse of p -> R p + t
    name = f"room_{kind}_{seed:02d}"
    return Scan(name, vertices.astype(np.float32), fused.colours, fused.faces, owner, instances, alignment)


def room_objects(kind: str, seed: int, points: int = 1024) -> tuple[RoomObject, ...]:
    """The objects of a room in its aligned frame, without the camera: points on every object's surface."""
    return plan_objects(make_plan(kind, seed), points)


def plan_objects(plan: Plan, points: int) -> tuple[RoomObject, ...]:
    """The objects of a plan with so many points on the surface of each; ids are places in its items."""
    objects = []
    for index, item in enumerate(plan.items):
        xyz, rgb = sampled_points(item.shape, points, plan.rng)
        instance = Instance(
            index, item.label, item.box.reshape(6).astype(np.float32), rgb.mean(0).astype(np.float32)
        )
        objects.append(RoomObject(instance, xyz, rgb))
    return tuple(objects)


def _alignment(plan: Plan, turned: bool) -> NDArray[np.float64]:
    """(4, 4) from the file's frame, which begins near a corner as a scanner's does, to the room's."""
    angle = float(plan.rng.uniform(0.2, 1.2)) if turned else 0.0
    c, s = np.cos(angle), np.sin(angle)
    alignment = np.eye(4)
    alignment[:2, :2] = [[c, s], [-s, c]]
    alignment[:3, 3] = [-plan.width / 2, -plan.depth / 2, 0.0]
    return np.round(alignment, 6)


def sampled_points(
    shape: Shape, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Points spread evenly over a shape's surface, and their colours."""
    areas = shape.areas.astype(np.float64)
    triangle = rng.choice(len(areas), count, p=areas / areas.sum())
    u, v = rng.random((2, count, 1))
    outside = u + v > 1
    uv = np.concatenate([np.where(outside, 1 - u, u), np.where(outside, 1 - v, v)], 1).astype(np.float32)
    a, b, c = shape.triangles[triangle].transpose(1, 0, 2)
    points = a + uv[:, :1] * (b - a) + uv[:, 1:] * (c - a)
    return points.astype(np.float32), np.clip(colours_at(shape, triangle, uv), 0, 255).astype(np.uint8)
