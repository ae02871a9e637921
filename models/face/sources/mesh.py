"""The face's own space, and what is known of MediaPipe's mesh in it.

Vertices are (478, 3) in centimetres: 468 of the skin and 5 for each iris, with
x to the image's right, y up and z to the viewer, on a face that looks straight
ahead. A pose (3, 4) takes them to pixels: x right, y down, depth away.
"""

import numpy as np

from models.face.sources import face_model

VERTICES = 478
SKIN = 468
UPPER_INNER, LOWER_INNER = 13, 14  # middle of the inner lips
MOUTH_CORNERS = (61, 291)
# Rings of the lips, from the corner at the image's left along the upper lip and back along the lower one.
OUTER_LIPS = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
INNER_LIPS = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
LIPS = OUTER_LIPS + INNER_LIPS
# Rings of the eyes as they stand in the picture, and the irises' middle and rim.
LEFT_EYE = (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7)
RIGHT_EYE = (362, 398, 384, 385, 386, 387, 388, 466, 263, 249, 390, 373, 374, 380, 381, 382)
EYES = (LEFT_EYE, RIGHT_EYE)
LEFT_IRIS = (468, 469, 470, 471, 472)
RIGHT_IRIS = (473, 474, 475, 476, 477)
IRISES = (LEFT_IRIS, RIGHT_IRIS)
OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
TOP, CHIN = 10, 152
JAW = (136, 365, 132, 361)  # MediaPipe aligns by these too, but they move when a mouth opens

BLENDSHAPES = (
    "_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft",
    "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight",
    "eyeLookUpLeft", "eyeLookUpRight", "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight",
    "jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose", "mouthDimpleLeft", "mouthDimpleRight",
    "mouthFrownLeft", "mouthFrownRight", "mouthFunnel", "mouthLeft", "mouthLowerDownLeft",
    "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker", "mouthRight",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft",
    "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight",
)  # fmt: skip


def canonical() -> np.ndarray:
    """MediaPipe's face without irises, (468, 3) float32. Raises as `bundle.canonical` does."""
    return face_model.canonical().vertices


def triangles() -> np.ndarray:
    """The skin's triangles, (898, 3) int32: vertices of each, against the clock as the viewer sees them."""
    return face_model.canonical().triangles


def still_weights() -> np.ndarray:
    """How much each skin vertex says of the pose, (468,): forehead, eyes' corners, nose, cheeks."""
    weights = face_model.canonical().weights.copy()
    weights[list(JAW)] = 0
    return weights / weights.sum()


def face_height() -> float:
    """From the hairline to the chin of MediaPipe's face, cm: what distances are given in parts of."""
    skin = canonical()
    return float(np.linalg.norm(skin[TOP] - skin[CHIN]))


def lip_gap(vertices: np.ndarray) -> np.ndarray:
    """How far the mouth is open, cm: (..., 478, 3) -> (...)."""
    return np.linalg.norm(vertices[..., UPPER_INNER, :] - vertices[..., LOWER_INNER, :], axis=-1)


def project(pose: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """Vertices (..., 478, 3) in pixels (x right, y down, depth away) by poses (..., 3, 4); float32."""
    turned = vertices @ np.swapaxes(pose[..., :3], -1, -2) + pose[..., None, :, 3]
    return np.asarray(turned, np.float32)


def align(pixels: np.ndarray) -> np.ndarray:
    """The pose (3, 4) that best takes MediaPipe's face to vertices (478, 3) seen in pixels.

    A weighted similarity (Umeyama 1991): scale, rotation, shift; no perspective, as the
    landmarks' own depth has none.
    """
    weights = still_weights()[:, None].astype(np.float64)
    own = canonical().astype(np.float64) * (1, -1, -1)  # to the picture's axes
    seen = pixels[:SKIN].astype(np.float64)
    middle, middle_seen = (own * weights).sum(0), (seen * weights).sum(0)
    own, seen = own - middle, seen - middle_seen
    left, sizes, right = np.linalg.svd((seen * weights).T @ own)
    mirror = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    rotation = left @ mirror @ right
    scale = float((sizes * np.diag(mirror)).sum() / (weights * own**2).sum())
    turn = scale * rotation
    shift = middle_seen - turn @ middle
    return np.concatenate([turn @ np.diag([1.0, -1.0, -1.0]), shift[:, None]], axis=1).astype(np.float32)


def unproject(pose: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """The inverse of `project`: (3, 4), (478, 3) pixels -> (478, 3) float32 cm."""
    back = np.linalg.inv(pose[:, :3].astype(np.float64))
    return np.asarray((pixels - pose[:, 3]) @ back.T, np.float32)


def turned(rotation: np.ndarray, shift: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """A pose (3, 4) after the head moved by a rotation (3, 3) about its middle and a shift (3,) in cm."""
    turn = pose[:, :3] @ rotation
    return np.concatenate([turn, (pose[:, 3] + pose[:, :3] @ shift)[:, None]], axis=1).astype(np.float32)
