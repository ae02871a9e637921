"""Views of a made room from its plan, without the walk and the fusion that make a scan of it."""

import numpy as np

from models.scene.data.scan import Instance
from models.scene.grounding.rendered_views import standpoints
from models.scene.grounding.rendered_views.surfaces import Pose, cast, looked_at, painted
from models.scene.grounding.rendered_views.views import AnnotatedView
from models.scene.synthetic_rooms.generate import make_plan, plan_objects, sampled_points
from models.scene.synthetic_rooms.layout import Plan, ray_scene
from models.scene.synthetic_rooms.shapes import colours_at, join

POINTS = 60_000  # on all surfaces, from which standpoints are chosen
SHADE = 0.3  # how much darker a surface is that is seen from its edge


def planned_room(kind: str, seed: int) -> tuple[list[AnnotatedView], list[Instance]]:
    """A room's views and its objects. Raises as `make_plan` does."""
    plan = make_plan(kind, seed)
    objects = [one.instance for one in plan_objects(plan, 64)]
    room = PlannedRoom(plan)
    points, _ = sampled_points(room.shape, POINTS, plan.rng)
    return looked_at(room, standpoints.poses(points)), objects


class PlannedRoom:
    """The surfaces of a plan with their pictures and patterns; an instance's id is its place in the plan."""

    def __init__(self, plan: Plan) -> None:
        self.shape = join([item.shape for item in plan.items])
        counts = [len(item.shape.triangles) for item in plan.items]
        self.owner = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
        self.scene = ray_scene(self.shape)

    def seen(self, pose: Pose) -> AnnotatedView:
        """As `Surface` says."""
        depth, triangle, uv, cosine = cast(self.scene, pose)
        light = 1 - SHADE + SHADE * cosine[:, None]
        return painted(
            pose, depth, depth > 0, colours_at(self.shape, triangle, uv) * light, self.owner[triangle]
        )
