"""A view: what a pinhole camera sees from one place, and how its pixels lie in space."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 256, 192  # pixels; multiples of 32, as the image network asks
FOCAL = 150.0  # pixels: 81 degrees across
NOTHING = 128  # grey where no ray meets anything

Array = NDArray[np.float32]


@dataclass(frozen=True)
class View:
    """What a prediction may look at.

    colour: (H, W, 3) uint8. depth: (H, W) float32, metres along the look, 0 where nothing is seen.
    pose: (4, 4) camera to the scan's aligned frame; the camera's x is right, y down, z forward.
    """

    colour: NDArray[np.uint8]
    depth: Array
    pose: NDArray[np.float64]


@dataclass(frozen=True)
class AnnotatedView:
    """A view and the truth about it, for training and measuring alone.

    owner: (H, W) int32, the id of the instance that each pixel shows, -1 for none.
    """

    view: View
    owner: NDArray[np.int32]


def directions() -> NDArray[np.float64]:
    """(H, W, 3) of the pixels' rays in the camera's frame; z is 1, so that a ray's length is its depth."""
    v, u = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([(u - WIDTH / 2 + 0.5) / FOCAL, (v - HEIGHT / 2 + 0.5) / FOCAL, np.ones(u.shape)], -1)


def projected(points: Array, pose: NDArray[np.float64]) -> tuple[Array, Array]:
    """(N, 2) pixel coordinates (x, y; a pixel's middle is at .5) and (N,) depths of points (N, 3).

    Only those of positive depth mean something.
    """
    local = (points - pose[:3, 3]) @ pose[:3, :3]
    depth = local[:, 2]
    safe = np.where(np.abs(depth) < 1e-6, 1e-6, depth)
    pixels = local[:, :2] / safe[:, None] * FOCAL + np.array([WIDTH / 2, HEIGHT / 2])
    return pixels.astype(np.float32), depth.astype(np.float32)


def lifted_pixels(view: View) -> Array:
    """(H, W, 3) where each pixel lies in the aligned frame; the eye itself where nothing is seen."""
    local = directions() * view.depth[..., None]
    return (local @ view.pose[:3, :3].T + view.pose[:3, 3]).astype(np.float32)
