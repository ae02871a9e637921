"""Where the camera stands in a scan: twelve views from 1.5 m, as somebody would photograph a room.

Eight turn round in the middle, four look in from where the room ends. Only points are looked at.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from models.scene.synthetic_rooms.camera import EYE, camera_pose

TURNS = 8
PITCH, CORNER_PITCH = -0.3, -0.38  # radians; furniture lies below the eye
STEP = 0.2  # metres between the places that are tried
CLEAR = 0.4  # metres that nothing should be nearer to the eye than
LOW = 1.1  # metres above the floor; one can look over what ends below

Array = NDArray[np.float32]


def poses(points: Array) -> list[NDArray[np.float64]]:
    """Camera poses (4, 4) in the frame of the points (N, 3), metres, z up."""
    floor = float(np.quantile(points[:, 2], 0.01))
    places = _free(points, floor)
    middle = places.mean(0)
    eye = np.array([*places[np.linalg.norm(places - middle, axis=1).argmin()], floor + EYE])
    found = [camera_pose(eye, 2 * np.pi * turn / TURNS, PITCH) for turn in range(TURNS)]
    extent = np.maximum(np.ptp(points[:, :2], axis=0), 1e-3)
    for corner in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
        place = places[((places - middle) / extent * corner).sum(1).argmax()]
        ahead = middle - place
        yaw = np.arctan2(*(ahead[::-1] if np.linalg.norm(ahead) > STEP else -np.array(corner)[::-1]))
        found.append(camera_pose(np.array([*place, floor + EYE]), float(yaw), CORNER_PITCH))
    return found


def _free(points: Array, floor: float) -> NDArray[np.float64]:
    """(P, 2) places over scanned floor or low furniture, where an eye is clear of things."""
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    grid = np.stack(np.meshgrid(*(np.arange(a, b + STEP, STEP) for a, b in zip(low, high, strict=True))), -1)
    grid = grid.reshape(-1, 2).astype(np.float64)
    under = cKDTree(points[points[:, 2] < floor + LOW][:, :2])
    grid = grid[under.query(grid)[0] < STEP]
    eyes = np.concatenate([grid, np.full((len(grid), 1), floor + EYE)], 1)
    clear = cKDTree(points).query(eyes)[0]
    return grid[clear >= min(CLEAR, 0.9 * float(clear.max()))]
