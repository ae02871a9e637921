"""The square around the mouth that the generator sees: where it lies, cutting it out, putting it back."""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from models.face.sources import mesh
from models.face.types import MouthBox

SIDE = 128  # pixels of a cut square
SPAN = 7.05  # cm that it covers
LOW = 0.375  # cm from the middle of the lips down to its own middle
CLOSE = 1.2  # times the square that is shown of a mouth, so that it has a face around it


@dataclass(frozen=True)
class Crop:
    """A square of a frame, in pixels: its middle and its side, none of them whole numbers."""

    x: float
    y: float
    side: float

    def matrix(self) -> np.ndarray:
        """(2, 3): a frame's pixels to those of the cut square, middles of pixels being whole numbers."""
        scale = SIDE / self.side
        middle = (SIDE - 1) / 2
        return np.array([[scale, 0, middle - scale * self.x], [0, scale, middle - scale * self.y]])


def crop_of(pose: np.ndarray, rest: np.ndarray) -> Crop:
    """The square of a face at rest (478, 3) cm in a pose (3, 4): it follows the head and not the jaw."""
    scale = float(np.linalg.norm(pose[:, 0]))
    lips = rest[list(mesh.LIPS)].mean(0)
    x, y, _ = mesh.project(pose, (lips - (0, LOW, 0))[None])[0]
    return Crop(float(x), float(y), SPAN * scale)


def mouth_box(crop: Crop, size: tuple[int, int]) -> MouthBox:
    """What is shown of a mouth in a frame (height, width): the square and some of what is around it."""
    height, width = size
    side = min(CLOSE * crop.side, height, width)
    left, top = (
        round(min(max(0.0, middle - side / 2), long - side), 1)
        for middle, long in ((crop.x, width), (crop.y, height))
    )
    return MouthBox(left, top, round(side, 1))


def cut(image: np.ndarray, crop: Crop) -> np.ndarray:
    """The square (SIDE, SIDE, C) of an image; what lies outside of the image is its border, repeated."""
    if crop.side > 1.5 * SIDE:  # thinning out without averaging would make edges crawl
        shrink = SIDE / crop.side
        low = np.floor([crop.x - crop.side, crop.y - crop.side]).astype(int).clip(0)
        high = np.ceil([crop.x + crop.side, crop.y + crop.side]).astype(int)
        part = image[low[1] : high[1], low[0] : high[0]]
        small = cv2.resize(part, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        fx, fy = small.shape[1] / part.shape[1], small.shape[0] / part.shape[0]
        back = np.array([[1 / fx, 0, low[0] + (1 / fx - 1) / 2], [0, 1 / fy, low[1] + (1 / fy - 1) / 2]])
        matrix = crop.matrix() @ np.vstack([back, (0, 0, 1)])
        image = small
    else:
        matrix = crop.matrix()
    return cv2.warpAffine(
        image, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def add(image: np.ndarray, crop: Crop, change: np.ndarray) -> np.ndarray:
    """The image (H, W, 3) uint8 with a change (SIDE, SIDE, 3) float32 in levels added in the square.

    The change fades out towards the square's border. Pixels keep what is finer than the square has.
    """
    height, width = image.shape[:2]
    half = crop.side / 2
    low = np.floor([crop.x - half, crop.y - half]).astype(int).clip(0)
    high = np.minimum(np.ceil([crop.x + half, crop.y + half]).astype(int) + 1, (width, height))
    if (high <= low).any():
        return image
    moved = crop.matrix() @ np.array([[1, 0, low[0]], [0, 1, low[1]], [0, 0, 1.0]])
    large = cv2.warpAffine(
        change * fade(),
        moved,
        tuple(int(side) for side in high - low),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
    )
    out = image.copy()
    part = out[low[1] : high[1], low[0] : high[0]]
    part[:] = np.clip(part + large + 0.5, 0, 255).astype(np.uint8)
    return out


@cache
def fade() -> np.ndarray:
    """(SIDE, SIDE, 1) float32: 1 in the square, falling to 0 over the last sixteenth before its border."""
    near = np.minimum(np.arange(SIDE), np.arange(SIDE)[::-1]) / (SIDE / 16)
    ramp = np.clip(near, 0, 1)
    ramp = ramp * ramp * (3 - 2 * ramp)
    return np.asarray(np.outer(ramp, ramp)[..., None], np.float32)


def maps(pixels: np.ndarray, crop: Crop) -> np.ndarray:
    """(SIDE, SIDE, 2) uint8: the lips with what is between them, and what is between them alone."""
    drawn = np.zeros((2, SIDE, SIDE), np.uint8)
    matrix = crop.matrix()
    for picture, ring in zip(drawn, (mesh.OUTER_LIPS, mesh.INNER_LIPS), strict=True):
        points = pixels[list(ring), :2] @ matrix[:, :2].T + matrix[:, 2]
        cv2.fillPoly(picture, [np.round(points * 16).astype(np.int32)], 255, cv2.LINE_AA, shift=4)
    return np.stack([drawn[0], drawn[1]], axis=-1)
