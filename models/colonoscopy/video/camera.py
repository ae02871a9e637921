"""A camera that moves in a still frame: plausible depth, a path, and where each pixel comes from.

No depth is known of a frame. An endoscope carries its light, so what is bright is near and the lumen is far
(brightness falls with the square of the distance); a polyp stands out of the wall. Coordinates in a frame are
-1..1 in both directions, x right and y down, whatever its size; the focal length is 1.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.colonoscopy.data.images import Frame, Mask
from models.colonoscopy.video.base import FPS

Field = NDArray[np.float32]

FLOW = 64  # pixels a side at which a camera's flow is reckoned: it is smooth
BLUR = 0.06  # of the side: light changes over folds, not over vessels
NEAREST, FARTHEST = 1.0, 4.0
BUMP = 0.12  # how much nearer than its rim the middle of a polyp is
ROUNDS = 8  # of the fixed point that turns a flow around
LIGHT = 0.35  # 2 is the law of a lamp in the dark; a camera's own exposure takes most of it back
GAINS = (0.6, 1.4)  # least and most of it
FULL = 4.0  # seconds that a move takes; a longer film moves slower
# Where each move ends: (x, y, z) of the camera in units of the nearest tissue, then turns about x, y, z.
ENDS = {
    "still": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    "forward": (0.0, 0.0, 0.5, 0.0, 0.0, 0.0),
    "back": (0.0, 0.0, -0.5, 0.0, 0.0, 0.0),
    "left": (-0.35, 0.0, 0.0, 0.0, -0.12, 0.0),
    "right": (0.35, 0.0, 0.0, 0.0, 0.12, 0.0),
    "around": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
}
RADIUS = 0.2  # of the circle of "around", which looks at the same place all the while
SHAKE = (0.004, 0.004, 0.004, 0.006, 0.006, 0.006)  # of a hand, a tenth of a second


@dataclass(frozen=True)
class Depth:
    """Of a frame: z (H, W) in units of the nearest tissue."""

    z: Field

    def at(self, side: int) -> "Depth":
        """The same at another size."""
        return Depth(np.asarray(cv2.resize(self.z, (side, side), interpolation=cv2.INTER_AREA), np.float32))


def plausible_depth(frame: Frame, mask: Mask, seen: Mask) -> Depth:
    """Depth (H, W) of a frame: bright is near, dark is far, a polyp nearer in its middle.

    mask: the polyp. seen: where there is tissue; elsewhere depth goes on as at the nearest tissue.
    """
    side = frame.shape[0]
    light = frame.astype(np.float32).mean(2)
    shining = light > np.quantile(light[seen], 0.97) if seen.any() else np.zeros_like(seen)
    known = (seen & ~shining).astype(np.float32)
    sigma = BLUR * side
    weight = cv2.GaussianBlur(known, (0, 0), sigma)
    wide = cv2.GaussianBlur(known, (0, 0), 4 * sigma) + 1e-4
    far_out = cv2.GaussianBlur(light * known, (0, 0), 4 * sigma) / wide
    calm = (cv2.GaussianBlur(light * known, (0, 0), sigma) + 0.05 * far_out) / (weight + 0.05)
    bright = np.quantile(calm[seen], 0.9) if seen.any() else 255.0
    z = np.clip((calm / max(bright, 1.0) + 1e-3) ** -0.5, NEAREST, FARTHEST)
    if mask.any():
        inside = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
        dome = cv2.GaussianBlur(np.sqrt(inside / inside.max()), (0, 0), 0.015 * side)
        z = z * (1 - BUMP * dome)
    return Depth(z.astype(np.float32))


def path(move: str, count: int, rng: np.random.Generator, shake: float = 1.0) -> Field:
    """Poses (count, 6) of a camera that makes a move in `count` frames: position, then turns; begins at 0."""
    seconds = count / FPS
    share = np.linspace(0, 1, count, dtype=np.float32)[:, None]
    eased = share * share * (3 - 2 * share)
    poses = eased * np.asarray(ENDS[move], np.float32) * min(1.0, seconds / FULL)
    if move == "around":
        turn = 2 * np.pi * share[:, 0] * max(1.0, seconds / (2 * FULL))
        circle = np.stack([1 - np.cos(turn), np.sin(turn)], 1) * RADIUS
        poses[:, :2] = circle
        poses[:, 3] = 0.5 * circle[:, 1]
        poses[:, 4] = -0.5 * circle[:, 0]
    return (poses + shake * _shaken(count, rng)).astype(np.float32)


def _shaken(count: int, rng: np.random.Generator) -> Field:
    """A hand's unrest (count, 6), smooth, 0 in the first frame."""
    steps = rng.standard_normal((count + 4, 6)) * np.asarray(SHAKE)
    steps = np.stack([np.convolve(one, np.ones(5) / 5, "valid") for one in steps.T], 1)
    drift = np.zeros((count, 6))
    for at in range(1, count):
        drift[at] = 0.85 * drift[at - 1] + 2.0 * steps[at]
    return drift.astype(np.float32)


def moved(depth: Depth, pose: Field) -> Field:
    """Where the pixels of a frame are seen by a camera at a pose (6,): (H, W, 2)."""
    x, y = grid(depth.z.shape[0])
    points = np.stack([x * depth.z, y * depth.z, depth.z], -1) - pose[:3]
    points = points @ _rotation(pose[3:]).T
    z = np.maximum(points[..., 2], 0.15)
    return (points[..., :2] / z[..., None]).astype(np.float32)


def sources(there: Field) -> Field:
    """For each pixel of the moved view, where in the frame it comes from: (H, W, 2), beyond -1..1 if unseen.

    there: see `moved`. The flow is smooth, so that a fixed point finds its inverse.
    """
    side = there.shape[0]
    here = np.stack(grid(side), -1)
    flow = there - here
    found = here - flow
    for _ in range(ROUNDS):
        found = here - sampled(flow, found)
    return found.astype(np.float32)


def light(depth: Depth, pose: Field, at: Field) -> Field:
    """How much brighter places (h, w, 2) of a still are for a camera that came nearer with its lamp."""
    before = sampled(depth.z, at)
    after = np.maximum(before - pose[2], 0.3)
    return np.asarray(np.clip((before / after) ** LIGHT, *GAINS), np.float32)


def sampled(picture: NDArray[np.generic], at: Field, by: int = cv2.INTER_LINEAR) -> Field:
    """A picture (H, W, C) or (H, W) at places (h, w, 2); its edge goes on beyond it."""
    side = picture.shape[0]
    pixels = (((at + 1) * side - 1) / 2).astype(np.float32)
    return np.asarray(
        cv2.remap(
            np.ascontiguousarray(picture, np.float32),
            np.ascontiguousarray(pixels[..., 0]),
            np.ascontiguousarray(pixels[..., 1]),
            by,
            borderMode=cv2.BORDER_REPLICATE,
        )
    )


def inside(at: Field) -> Mask:
    """Which places (h, w, 2) lie in the frame."""
    return np.asarray((np.abs(at) <= 1).all(-1))


def grid(side: int) -> tuple[Field, Field]:
    """x and y (side, side) of a frame's pixels."""
    places = (np.arange(side, dtype=np.float32) * 2 + 1) / side - 1
    x, y = np.meshgrid(places, places)
    return np.asarray(x, np.float32), np.asarray(y, np.float32)


def _rotation(turns: Field) -> Field:
    """About x, y and z, in radians."""
    matrix, _ = cv2.Rodrigues(np.asarray(turns, np.float64))
    return np.asarray(matrix.T, np.float32)
