"""A face that is nobody: MediaPipe's own, with irises, on a made picture."""

import numpy as np

from models.face.sources import mesh


def own(open_by: float = 0.0) -> np.ndarray:
    """The face's vertices (478, 3) in cm, the lips shut or its lower lip and jaw moved down by some cm."""
    face = np.zeros((478, 3), np.float32)
    face[: mesh.SKIN] = mesh.canonical()
    for ring, iris in zip(mesh.EYES, mesh.IRISES, strict=True):
        face[list(iris)] = face[list(ring)].mean(0)
        face[list(iris[1:])] += [(0.6, 0, 0), (0, 0.6, 0), (-0.6, 0, 0), (0, -0.6, 0)]
    upper, lower = list(mesh.INNER_LIPS[1:10]), list(mesh.INNER_LIPS[:10:-1])
    face[lower] = face[upper]
    share = np.clip((-3.5 - face[:, 1]) / 2, 0, 1)
    share[upper] = 0
    share[lower] = 1
    face[:, 1] -= open_by * share
    return face


def pose(height: float = 200, middle: tuple[float, float] = (160, 130)) -> np.ndarray:
    """A pose (3, 4) that looks straight ahead, the face so many pixels high, its own origin at `middle`."""
    scale = height / mesh.face_height()
    turn = np.diag([scale, -scale, -scale])
    return np.column_stack([turn, (*middle, 0)]).astype(np.float32)


def pixels(height: float = 200, middle: tuple[float, float] = (160, 130), open_by: float = 0.0) -> np.ndarray:
    """`own` in pixels, (478, 3)."""
    return mesh.project(pose(height, middle), own(open_by))


def picture(size: tuple[int, int] = (320, 320)) -> np.ndarray:
    """Skin with a fine pattern, (H, W, 3) uint8."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    pattern = 20 * np.sin(columns / 2.5) * np.cos(rows / 3.5)
    return np.stack([190 + pattern, 150 + pattern, 130 + pattern], axis=2).astype(np.uint8)
