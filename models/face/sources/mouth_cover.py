"""Whether a hand, a mask or a microphone covers a mouth: does the landmark network still see lips?

The network gives lips wherever a face has some, seen or not. So the picture is bent a little, with the mouth
as its middle: where lips are seen their landmarks go along, where they are guessed they stay.
"""

from typing import Any

import cv2
import numpy as np

from models.face.sources import mesh

SIDE = 256  # pixels of the square that a face is looked at in
ROOM = 1.1  # of the face's height: from the middle of that square to its sides
REACH = 0.16  # of the face's height: how far the bend goes
MOVES = ((0.06, 0.0), (-0.06, 0.0), (0.0, 0.05), (0.0, -0.05))  # across and up, in parts of that height
LEAST = 0.47  # of a move: seen lips go along by half and more; half-covered ones lie on both sides
STILL = (33, 263, 133, 362, 1, 168, 6, 10)  # eyes, nose, forehead: beyond the bend


def is_covered(find: Any, image: np.ndarray, pixels: np.ndarray) -> bool:
    """Whether the mouth of a face can't be seen. image: (H, W, 3) uint8; pixels: (478, 3), its landmarks.

    find: as `tracking.landmarker` gives it, for still pictures.
    """
    return _followed(find, image, pixels) < LEAST


def _followed(find: Any, image: np.ndarray, pixels: np.ndarray) -> float:
    """How much of a bend's move the lips go along: 1 for all of it; 0 where no face is found any more."""
    face, points = _square(image, pixels[:, :2])
    before = _lips(find, face, points)
    if before is None:
        return 0.0
    shares = []
    for across, up in MOVES:
        move = _tall(before) * (across * _axes(before)[0] + up * _axes(before)[1])
        after = _lips(find, _bent(face, before, move), before)
        if after is not None:
            gone = (after[list(mesh.LIPS)] - before[list(mesh.LIPS)]).mean(axis=0)
            gone -= (after[list(STILL)] - before[list(STILL)]).mean(axis=0)
            shares.append(float(gone @ move / (move @ move)))
    return float(np.mean(shares)) if shares else 0.0


def _square(image: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The face in a square of SIDE pixels, what is beyond the picture as its border; and its points there."""
    scale = SIDE / (2 * ROOM * max(_tall(points), 1.0))
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    shift = SIDE / 2 - scale * middle
    place = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float32)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    face = cv2.warpAffine(image, place, (SIDE, SIDE), flags=how, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(face), scale * points + shift


def _lips(find: Any, face: np.ndarray, near: np.ndarray) -> np.ndarray | None:
    """Landmarks (478, 2) of the face that lies where `near` does, None where there is none."""
    found = [pixels[:, :2] for pixels, _ in find(face, 0)]
    return min(found, key=lambda one: float(np.linalg.norm(one - near)), default=None)


def _tall(points: np.ndarray) -> float:
    return float(np.linalg.norm(points[mesh.TOP, :2] - points[mesh.CHIN, :2]))


def _axes(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Directions across the face and up, of length 1."""
    up = (points[mesh.TOP] - points[mesh.CHIN]) / max(_tall(points), 1.0)
    return np.array([-up[1], up[0]]), up


def _bent(face: np.ndarray, points: np.ndarray, move: np.ndarray) -> np.ndarray:
    """The picture with its mouth moved, and all around it less and less."""
    middle = points[list(mesh.OUTER_LIPS)].mean(axis=0)
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    away = ((x - middle[0]) ** 2 + (y - middle[1]) ** 2) / (2 * (REACH * _tall(points)) ** 2)
    share = np.exp(-(away**2)).astype(np.float32)
    across, down = (np.float32(part) for part in move)
    bent = cv2.remap(
        face, x - share * across, y - share * down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(bent)
