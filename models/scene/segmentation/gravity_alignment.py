"""Gravity, floor and unit of a raw scan, found from its points.

A room is mostly planes at right angles. The floor is the plane that has nearly all points on one side, many
level surfaces (seats, tops) along it, and more things just above it than the ceiling has just below.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from models.scene.data.scan import Scan
from models.scene.data.voxels import voxel_keys

CELL = 0.05
MOST_POINTS = 12_000
NEIGHBOURS = 16
FLAT = 0.05  # a point lies on a surface where the least share of its neighbourhood's variance is below this
SLACK = 0.06  # metres
WIDEST = 0.3  # metres that a point can stand for
LYING = 0.95
UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001}
USUAL = (0.0, 0.7, 1.0)  # files stand on z, some on y
# From here on y is up. Of 68 scans of ScanNet 6 % pass it as they are, and 87 % when they lie on their side.
MARGIN = 1.0
QUARTER_TURN = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # brings y to z
# Fitted once, as a choice between the candidates of 185 ScanNet train scenes, 74 under an added ceiling.
WEIGHTS = {
    "floor": 5.0,
    "level": 6.0,
    "level things": 3.0,
    "clutter": 7.0,
    "walls": 6.3,
    "below": -13.0,
    "odd height": -3.5,
    "usual axis": 1.5,
}


@dataclass(frozen=True)
class Level:
    """How a scan has to be moved. alignment: (4, 4) to z up, floor at 0, walls along x and y.

    tilt: degrees between its z and the found up. height: metres from the floor to the highest points.
    """

    alignment: NDArray[np.float64]
    tilt: float
    height: float


def unit_of(extent: float) -> str:
    """The unit in which a scan of rooms is so long: "m" up to 100, "cm" up to 1000, else "mm"."""
    return "m" if extent <= 100 else "cm" if extent <= 1000 else "mm"


def level(vertices: NDArray[np.float32]) -> Level:
    """The pose of a scan from its points alone. vertices: (N, 3) metres.

    Where no plane is found (too few points, or no surfaces) z stays up and the lowest points are the floor.
    """
    points = _thinned(vertices)
    normals, areas = _surface(points)
    up = _up(points, normals, areas)
    turn = _upright(up)
    turned = points @ turn.T
    turn = _along_walls(normals @ turn.T, areas) @ turn
    alignment = np.eye(4)
    alignment[:3, :3] = turn
    floor = _floor(turned[:, 2], areas * (np.abs(normals @ up) > LYING))
    alignment[2, 3] = -floor
    tilt = float(np.degrees(np.arccos(np.clip(up[2], -1, 1))))
    return Level(alignment, tilt, float(np.quantile(turned[:, 2], 0.995)) - floor)


def levelled(scan: Scan) -> tuple[Scan, Level]:
    """The scan with a found alignment in place of its own, for one whose file told none."""
    found = level(scan.vertices)
    return replace(scan, alignment=found.alignment), found


def y_is_up(vertices: NDArray[np.float32]) -> bool:
    """Whether a room stands on y far better than on z; files do on either. vertices: (N, 3) metres."""
    points = _thinned(vertices)
    normals, areas = _surface(points)
    on_y, on_z = (_floor_fit(points, normals, areas, axis) for axis in np.eye(3)[1:])
    usual = WEIGHTS["usual axis"] * (USUAL[2] - USUAL[1])
    return on_y + usual - on_z > MARGIN


def floor_of(aligned: NDArray[np.float32]) -> float:
    """Height of the floor in a scan that stands upright. aligned: (N, 3) metres, z up."""
    points = _thinned(aligned)
    normals, areas = _surface(points)
    return _floor(points[:, 2], areas * (np.abs(normals[:, 2]) > LYING))


def _thinned(vertices: NDArray[np.float32]) -> NDArray[np.float64]:
    """At most MOST_POINTS points, one a cell of 5 cm, the same for the same scan."""
    _, first = np.unique(voxel_keys(vertices - vertices.min(0), CELL), return_index=True)
    if len(first) > MOST_POINTS:
        first = np.random.default_rng(0).choice(first, MOST_POINTS, replace=False)
    return vertices[first].astype(np.float64)


def _surface(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(N, 3) unit normals of either sign, 0 where the neighbourhood is no surface; (N,) shares of the area.

    What is scanned sparsely counts as much as what is scanned densely: a point stands for as much area as
    lies between it and its neighbours.
    """
    if len(points) <= NEIGHBOURS:
        return np.zeros_like(points), np.full(len(points), 1 / len(points))
    distance, near = cKDTree(points).query(points, NEIGHBOURS)
    around = points[near] - points[near].mean(1, keepdims=True)
    values, vectors = np.linalg.eigh(np.einsum("nki,nkj->nij", around, around))
    flat = values[:, 0] < FLAT * values.sum(1)
    areas = np.minimum(distance[:, -1], WIDEST) ** 2
    return vectors[:, :, 0] * flat[:, None], areas / max(areas.sum(), 1e-12)


def _up(
    points: NDArray[np.float64], normals: NDArray[np.float64], areas: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The unit vector away from the floor that fits best; z where there are no planes."""
    best, up = -np.inf, np.array([0.0, 0.0, 1.0])
    for axis in _directions(normals, areas):
        for side in (1.0, -1.0):
            fit = _floor_fit(points, normals, areas, side * axis)
            if fit > best:
                best, up = fit, side * axis
    return up


def _directions(
    normals: NDArray[np.float64], areas: NDArray[np.float64], most: int = 6
) -> list[NDArray[np.float64]]:
    """The directions that most of the area faces, each the mean of its bundle, best first."""
    flat = np.linalg.norm(normals, axis=1) > 0.5
    left, weight = normals[flat], areas[flat]
    found: list[NDArray[np.float64]] = []
    while len(found) < most and weight.sum() > 0.02:
        seeds = left[np.linspace(0, len(left) - 1, 200).astype(int)]
        axis = seeds[((np.abs(seeds @ left.T) > np.cos(np.radians(6))) @ weight).argmax()]
        for cone in (8, 5, 4):
            bundle = np.abs(left @ axis) > np.cos(np.radians(cone))
            axis = np.linalg.eigh((left[bundle].T * weight[bundle]) @ left[bundle])[1][:, 2]
        found.append(axis)
        apart = np.abs(left @ axis) < np.cos(np.radians(15))
        left, weight = left[apart], weight[apart]
    return found


def _floor_fit(
    points: NDArray[np.float64],
    normals: NDArray[np.float64],
    areas: NDArray[np.float64],
    up: NDArray[np.float64],
) -> float:
    """How well the room stands on the lowest plane across `up`: shares of its area, weighed by WEIGHTS."""
    height, facing = points @ up, np.abs(normals @ up)
    lying = facing > LYING
    above = height - _floor(height, areas * lying)
    top = float(np.quantile(above, 0.995))
    cluttered = ((facing > 0.3) & (facing < LYING)) | (normals == 0).all(1)

    def near(gap: NDArray[np.float64]) -> tuple[float, float]:
        """What lies level, and what has no clear direction, near the floor or the ceiling."""
        return areas[lying & (gap > 0.25) & (gap < 1.2)].sum(), areas[cluttered & (gap < 0.8)].sum()

    (low, clutter), (high, clutter_above) = near(above), near(top - above)
    facts = {
        "floor": areas[lying & (np.abs(above) < SLACK)].sum(),
        "level": areas[lying].sum(),
        "level things": low - high,
        "clutter": clutter - clutter_above,
        "walls": areas[facing < 0.15].sum(),
        "below": min(0.2, areas[above < -2 * SLACK].sum()),
        "odd height": float(not 1.2 <= top <= 3.4),
        "usual axis": USUAL[int(up.argmax())] if up.max() > 0.8 else 0.0,
    }
    return float(sum(WEIGHTS[name] * value for name, value in facts.items()))


def _floor(height: NDArray[np.float64], area: NDArray[np.float64]) -> float:
    """Height of the lowest level that holds a fair part of the level area. area: (N,), 0 where not level."""
    if not area.any():
        return float(np.quantile(height, 0.01))
    low = height.min()
    counts = np.bincount(((height - low) / 0.03).astype(int), area)
    spread = np.convolve(counts, np.ones(3), "same")
    first = int(np.flatnonzero(spread >= 0.35 * spread.max())[0])
    window = height[(area > 0) & (np.abs(height - low - 0.03 * (first + 1)) < SLACK)]
    return float(np.median(window)) if len(window) else float(np.quantile(height, 0.01))


def _upright(up: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 3) a turn that brings `up` to z and keeps x ahead where it can."""
    x = np.eye(3)[0 if abs(up[0]) < 0.9 else 1]
    x = x - (x @ up) * up
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(up, x), up])


def _along_walls(normals: NDArray[np.float64], areas: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 3) the turn about z, at most 45 degrees, that brings most level normals to x or y.

    Directions that differ by quarter turns are one: the mean is taken of four times the angle.
    """
    upright = (np.abs(normals[:, 2]) < 0.2) & (np.linalg.norm(normals, axis=1) > 0.5)
    walls, weight = normals[upright], areas[upright]
    if not len(walls):
        return np.eye(3)
    four = 4 * np.arctan2(walls[:, 1], walls[:, 0])
    bins = np.bincount((np.mod(four, 2 * np.pi) / (2 * np.pi) * 90).astype(int) % 90, weight, 90)
    peak = (np.convolve(np.tile(bins, 3), np.ones(5), "same")[90:180].argmax() + 0.5) / 90 * 2 * np.pi
    near = weight * (np.cos(four - peak) > np.cos(np.radians(32)))
    angle = -np.angle((near * np.exp(1j * four)).sum()) / 4
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1.0]])
