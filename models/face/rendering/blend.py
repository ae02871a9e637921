"""The blend: a person's own pixels, moved by the mesh, with an inside for the mouth that opens.

GSmoothFace pastes a rendered face over the frame and needs a closed mask and a
colour match for it. Here the frame's own skin moves, so there is no seam, and
what isn't moved is the source to the bit.
"""

from dataclasses import dataclass

import numpy as np

from models.face.rendering.crops import Crop, crop_of
from models.face.rendering.mouth_interior import Inside, visible_gap
from models.face.rendering.warp import flow, warped
from models.face.sources import mesh


@dataclass(frozen=True)
class Blended:
    """A blended frame (H, W, 3) uint8, the square around its mouth, and its face (478, 3) in pixels.

    sure: (SIDE, SIDE) float32, where the square shows teeth that a camera saw, 0 to 1.
    """

    frame: np.ndarray
    crop: Crop
    pixels: np.ndarray
    sure: np.ndarray


class Blender:
    """Blends frames of one person; prepared once.

    image: (H, W, 3) uint8, a frame that shows the inside of the mouth if there is one: the portrait, or the
    video's frame with the widest gap between the lips. pixels: its face (478, 3). rest: the person's face
    with closed lips, (478, 3) cm (`closing.closed`).
    """

    def __init__(self, image: np.ndarray, pixels: np.ndarray, rest: np.ndarray) -> None:
        self.rest = rest
        self.inside = Inside(image, pixels, rest)

    def blend(self, frame: np.ndarray, now: np.ndarray, target: np.ndarray) -> Blended:
        """A frame (H, W, 3) uint8 whose face `now` (478, 3) px becomes `target` (478, 3) px."""
        pose = mesh.align(target)
        crop = crop_of(pose, self.rest)
        sure = self.inside.sure(crop, target, pose)
        moved = flow(now, target, self.rest, frame.shape[:2])
        if moved is None:
            return Blended(frame.copy(), crop, target, sure)
        out = warped(frame, moved)
        if mouth_moved(now, target):
            was_open = visible_gap(now) / float(np.linalg.norm(pose[:, 0]))
            self.inside.paint(out, target, pose, was_open)
        return Blended(out, crop, target, sure)


def mouth_moved(now: np.ndarray, target: np.ndarray) -> bool:
    """Whether the opening between the lips changed its shape: faces (478, 3) in pixels."""
    rings = [face[list(mesh.INNER_LIPS), :2] for face in (now, target)]
    shapes = [ring - ring.mean(0) for ring in rings]
    return bool(np.abs(shapes[0] - shapes[1]).max() > 0.25)
