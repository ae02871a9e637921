"""A room's plan: where everything stands, checked so that no two things share a place.

The room's frame: the middle of the floor is the origin, x runs along its width, y along its depth, z is up.
"""

import functools
from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
import open3d as o3d
from numpy.typing import NDArray

from models.scene.synthetic_rooms.shapes import Material, Shape, box, join, panel

WALLS = {"north": 0.0, "west": np.pi / 2, "south": np.pi, "east": -np.pi / 2}
FLOOR, WALL, TOP, SHELL = "floor", "wall", "top", "shell"
SKIRTING = 0.08
RECESS = 0.1


@dataclass(frozen=True)
class Placed:
    """One object of the room.

    support: what holds it: FLOOR, WALL, TOP (another object), SHELL (it is a wall or the floor itself).
    flat: a rug or a mat, on which other things may stand.
    at, yaw: its origin in the room and its turn; it looks to -y where yaw is 0.
    partners: what it may overlap, such as the table that a chair is pushed under.
    """

    label: str
    shape: Shape
    support: str
    at: tuple[float, float, float] = (0.0, 0.0, 0.0)
    yaw: float = 0.0
    flat: bool = False
    partners: frozenset[int] = frozenset()

    @functools.cached_property
    def box(self) -> NDArray[np.float32]:
        """(2, 3) lowest and highest corner."""
        return self.shape.bounds


@dataclass
class Plan:
    """A room that is being furnished. width, depth, height: metres."""

    width: float
    depth: float
    height: float
    rng: np.random.Generator
    items: list[Placed] = field(default_factory=list)
    kept_free: list[NDArray[np.float64]] = field(default_factory=list)
    openings: dict[str, list[tuple[float, float, float, float]]] = field(default_factory=dict)

    def length(self, wall: str) -> float:
        """Metres from corner to corner."""
        return self.width if wall in ("north", "south") else self.depth

    def point(self, wall: str, u: float, v: float) -> tuple[float, float]:
        """(x, y) of the point u to the right of a wall's middle (seen from inside), v away from the wall."""
        yaw = WALLS[wall]
        half = (self.depth if wall in ("north", "south") else self.width) / 2
        c, s = np.cos(yaw), np.sin(yaw)
        return float(c * u - s * (half - v)), float(s * u + c * (half - v))

    def open(self, wall: str, u: float, z: float, shape: Shape, label: str) -> int:
        """A door or a window in a wall, with the space in front of it kept free."""
        width, _, height = (float(side) for side in shape.size)
        deep = RECESS if z > 0 else 0.03
        x, y = self.point(wall, u, -deep)
        self.openings.setdefault(wall, []).append((u - width / 2, u + width / 2, z, z + height))
        reach = 0.9 if z == 0 else 0.35
        ends = [self.point(wall, u + side * width / 2, v) for side in (-1, 1) for v in (0, reach)]
        low, high = np.min(ends, axis=0), np.max(ends, axis=0)
        self.kept_free.append(np.array([[*low, max(z, 0.03)], [*high, z + height]]))
        return self._add(Placed(label, shape.moved(x, y, z, WALLS[wall]), WALL, (x, y, z), WALLS[wall]))

    def against(
        self, wall: str, shape: Shape, label: str, u: float | None = None, z: float = 0.0, gap: float = 0.02
    ) -> int | None:
        """Back to a wall, at u or where there is room; hung at z if that is above 0.

        None if it does not fit.
        """
        width, depth = float(shape.size[0]), float(shape.size[1])
        back = float(shape.bounds[1, 1])
        spare = (self.length(wall) - width) / 2 - 0.03
        if spare < 0:
            return None
        tries = self.rng.uniform(-spare, spare, 60) if u is None else [float(np.clip(u, -spare, spare))]
        distance = (0.0 if z > 0 else gap) + back
        for middle in tries:
            x, y = self.point(wall, float(middle), distance)
            support = WALL if z > 0 else FLOOR
            placed = Placed(label, shape.moved(x, y, z, WALLS[wall]), support, (x, y, z), WALLS[wall])
            if depth < self.length(wall) and self.fits(placed):
                return self._add(placed)
        return None

    def reserve(self, index: int | None, reach: float = 0.55) -> None:
        """Keeps the floor before a wall's furniture free, so that one can get at it."""
        if index is None:
            return
        placed = self.items[index]
        low, high = placed.box
        step = reach * np.array([np.sin(placed.yaw), -np.cos(placed.yaw), 0])
        zone = np.stack([np.minimum(low, low + step), np.maximum(high, high + step)]).astype(np.float64)
        zone[0, 2], zone[1, 2] = 0.03, 1.0
        self.kept_free.append(zone)

    def drape(self, wall: str, u: float, z: float, shape: Shape, label: str) -> int:
        """Hung before a window, where nothing else may be."""
        x, y = self.point(wall, u, 0.0)
        return self._add(Placed(label, shape.moved(x, y, z, WALLS[wall]), WALL, (x, y, z), WALLS[wall]))

    def stand(
        self,
        shape: Shape,
        label: str,
        x: float,
        y: float,
        yaw: float = 0.0,
        flat: bool = False,
        partners: Collection[int] = (),
    ) -> int | None:
        """On the floor at a place. None if it does not fit."""
        placed = Placed(label, shape.moved(x, y, 0, yaw), FLOOR, (x, y, 0.0), yaw, flat, frozenset(partners))
        return self._add(placed) if self.fits(placed) else None

    def scatter(self, shape: Shape, label: str, reach: float = 0.45) -> int | None:
        """On the floor near a wall, or beside what stands there, turned anyhow."""
        radius = float(np.linalg.norm(shape.size[:2])) / 2
        for _ in range(80):
            wall = list(WALLS)[self.rng.integers(4)]
            half = self.length(wall) / 2 - radius
            x, y = self.point(
                wall, float(self.rng.uniform(-half, half)), radius + float(self.rng.uniform(0, reach))
            )
            index = self.stand(shape, label, x, y, float(self.rng.uniform(-np.pi, np.pi)))
            if index is not None:
                return index
        return None

    def corner(self, shape: Shape, label: str) -> int | None:
        """On the floor in a free corner, away from the walls by a hand's breadth."""
        reach = max(float(shape.size[0]), float(shape.size[1])) / 2 + 0.06
        for index in self.rng.permutation(4):
            x = (self.width / 2 - reach) * (1 if index % 2 else -1)
            y = (self.depth / 2 - reach) * (1 if index // 2 else -1)
            found = self.stand(shape, label, x, y, float(self.rng.uniform(-np.pi, np.pi)))
            if found is not None:
                return found
        return self.scatter(shape, label)

    def before(self, index: int, distance: float, aside: float = 0.0) -> tuple[float, float]:
        """(x, y) of the point so far in front of an object's origin, `aside` to its left."""
        placed = self.items[index]
        c, s = np.cos(placed.yaw), np.sin(placed.yaw)
        return float(placed.at[0] + c * aside + s * distance), float(placed.at[1] + s * aside - c * distance)

    def chair(
        self, table: int, shape: Shape, label: str, yaw: float, aside: float = 0.0, tuck: float = 0.1
    ) -> int | None:
        """A chair at the side of a table that lies in the direction the chair's back faces.

        yaw: the chair's; it looks to -y at 0 and so stands north of the table. tuck: metres under the table.
        """
        low, high = self.items[table].box
        middle, half = (low + high) / 2, (high - low) / 2
        c, s = np.cos(yaw), np.sin(yaw)
        edge = abs(s) * half[0] + abs(c) * half[1]
        away = edge - float(shape.bounds[0, 1]) - tuck
        x, y = middle[0] + c * aside - s * away, middle[1] + s * aside + c * away
        turn = yaw + float(self.rng.normal(0, 0.09))
        on_it = [
            index for index, item in enumerate(self.items) if table in item.partners and item.support == TOP
        ]
        return self.stand(shape, label, float(x), float(y), turn, partners=(table, *on_it))

    def top(
        self,
        index: int,
        shape: Shape,
        label: str,
        x: float,
        y: float,
        yaw: float = 0.0,
        below: float = np.inf,
    ) -> int | None:
        """On an object, at (x, y) in that object's own frame; `below`: on its shelf under that height (m)."""
        parent = self.items[index]
        c, s = np.cos(parent.yaw), np.sin(parent.yaw)
        at_x, at_y = parent.at[0] + c * x - s * y, parent.at[1] + s * x + c * y
        z = surface_below(parent.shape, at_x, at_y, min(below, float(parent.box[1, 2]) + 1))
        if z is None:
            return None
        turn = parent.yaw + yaw
        placed = Placed(
            label,
            shape.moved(at_x, at_y, z + 0.002, turn),
            TOP,
            (at_x, at_y, z),
            turn,
            partners=frozenset({index}),
        )
        return self._add(placed) if self.fits(placed) else None

    def fits(self, placed: Placed) -> bool:
        """Inside the room, in nobody's way."""
        low, high = placed.box
        room = np.array([self.width, self.depth]) / 2 + 0.001
        if (low[:2] < -room).any() or (high[:2] > room).any():
            return False
        if placed.flat:
            return not any(other.flat and overlap(placed.box, other.box) for other in self.items)
        others = [
            other.box
            for index, other in enumerate(self.items)
            if index not in placed.partners and not other.flat and other.support != SHELL
        ]
        taken: list[NDArray[np.floating]] = [*others] if placed.support == TOP else [*others, *self.kept_free]
        return not any(overlap(placed.box, other) for other in taken)

    def build(
        self, wall: Material, floor: Material, skirting: tuple[float, float, float], floor_tile: float
    ) -> None:
        """Adds the floor and the four walls, with holes where doors and windows are."""
        ground = panel(self.width, self.depth, floor, floor_tile)
        lie = np.array([[1, 0, 0], [0, 0, 1], [0, 1.0, 0]])
        self._add(Placed("floor", ground.mapped(lie).moved(-self.width / 2, -self.depth / 2), SHELL))
        for name, yaw in WALLS.items():
            parts = self._wall(name, wall, skirting)
            x, y = self.point(name, 0, 0)
            self._add(Placed("wall", join(parts).moved(x, y, 0, yaw), SHELL, (x, y, 0), yaw))

    def _wall(self, name: str, paint: Material, skirting: tuple[float, float, float]) -> list[Shape]:
        half = self.length(name) / 2
        parts, start = [], -half
        for left, right, low, high in sorted(self.openings.get(name, [])):
            parts += [
                (start, left, 0.0, self.height),
                (left, right, high, self.height),
                (left, right, 0.0, low),
            ]
            start = right
        parts.append((start, half, 0.0, self.height))
        pieces = []
        for left, right, low, high in parts:
            if right - left < 1e-3 or high - low < 1e-3:
                continue
            pieces.append(panel(right - left, high - low, paint, 1.0).moved(left, 0, low))
            if low == 0:
                pieces.append(
                    box((right - left, 0.015, SKIRTING), ((left + right) / 2, -0.0075, 0), skirting)
                )
        for left, right, low, high in self.openings.get(name, []):
            for x in (left, right):
                pieces.append(box((0.01, RECESS, high - low), (x, RECESS / 2, low), paint.colour))
            pieces += [
                box((right - left, RECESS, 0.01), ((left + right) / 2, RECESS / 2, z), paint.colour)
                for z in (low, high)
            ]
        return pieces

    def _add(self, placed: Placed) -> int:
        self.items.append(placed)
        return len(self.items) - 1


def overlap(first: NDArray[np.floating], second: NDArray[np.floating], slack: float = 0.004) -> bool:
    """Whether two (2, 3) boxes share space beyond the slack (metres)."""
    return bool((np.minimum(first[1], second[1]) - np.maximum(first[0], second[0]) > slack).all())


def surface_below(shape: Shape, x: float, y: float, z: float) -> float | None:
    """Height of the highest surface under a point, or None where there is none."""
    scene = ray_scene(shape)
    ray = o3d.core.Tensor.from_numpy(np.array([[x, y, z, 0, 0, -1]], np.float32))
    distance = float(scene.cast_rays(ray, nthreads=1)["t_hit"].numpy()[0])
    return z - distance if np.isfinite(distance) else None


def ray_scene(shape: Shape) -> o3d.t.geometry.RaycastingScene:
    """The triangles of a shape for ray casting; primitive ids are indices of its triangles."""
    scene = o3d.t.geometry.RaycastingScene(nthreads=1)
    points = np.ascontiguousarray(shape.triangles.reshape(-1, 3))
    corners = np.arange(len(points), dtype=np.uint32).reshape(-1, 3)
    scene.add_triangles(o3d.core.Tensor.from_numpy(points), o3d.core.Tensor.from_numpy(corners))
    return scene
