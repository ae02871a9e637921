"""A motion as a network would predict it, without one: the jaw opens and shuts three times a second."""

import numpy as np

from models.face import FPS
from models.face.motion.face_motion import Motion
from models.face.sources import mesh


def chewing(frames: int, wide: float = 0.9) -> Motion:
    """`frames` of a mouth that opens up to `wide` cm."""
    opening = wide * (0.5 - 0.5 * np.cos(2 * np.pi * 3 * np.arange(frames) / FPS)).astype(np.float32)
    down = np.zeros((mesh.VERTICES, 3), np.float32)
    ring = list(mesh.INNER_LIPS[11:]), list(mesh.OUTER_LIPS[11:])
    for lips in ring:
        down[lips, 1] = -1
    down[list(mesh.OVAL[14:23]), 1] = -0.8
    shapes = np.zeros((frames, 52), np.float32)
    shapes[:, mesh.BLENDSHAPES.index("jawOpen")] = opening / wide
    return Motion(opening[:, None], down[None], shapes)
