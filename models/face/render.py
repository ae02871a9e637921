"""The 3D animation: the face's mesh, shaded, on the pose of its portrait.

Triangles are painted from the farthest to the nearest, which is right for a face and faster than
a depth buffer, and lit by one lamp beside the viewer (Lambert). Each is cut in four, with the
light of its vertices between them, so that the shading follows the face and not its triangles.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from models.face.media import Frame
from models.face.topology import INNER_LIPS, IRISES, LEFT_EYE, MESHED, OUTER_LIPS, RIGHT_EYE, canonical
from models.face.tracking import Floats, Pose

SKIN, LIP, MOUTH = (222, 196, 178), (198, 122, 116), (52, 24, 30)
EYE, IRIS, PUPIL = (226, 222, 218), (86, 104, 116), (22, 24, 28)
GROUND_TOP, GROUND_BOTTOM = (58, 66, 78), (24, 28, 34)
LAMP = np.array((-0.35, -0.45, -1.0), np.float32) / np.linalg.norm((-0.35, -0.45, -1.0))
AMBIENT = 0.35
SHIFT = 4  # bits of a pixel that corners are given to
FINER = 1 << SHIFT


@dataclass(frozen=True)
class _Skin:
    """What covers the face: triangles (F, 3) of the mesh without its openings, and the same cut in four.

    pairs: (E, 2) edges, whose middles follow the mesh's vertices. fine: (4 F, 3). lips: (4 F,) bool.
    """

    triangles: NDArray[np.int64]
    pairs: NDArray[np.int64]
    fine: NDArray[np.int64]
    lips: NDArray[np.bool_]


@cache
def _skin() -> _Skin:
    whole = canonical().triangles
    openings = (INNER_LIPS, LEFT_EYE, RIGHT_EYE)  # the mesh closes these with triangles of their rims
    triangles = whole[~np.any([np.isin(whole, rim).all(1) for rim in openings], 0)]
    edges = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]], -1)
    pairs, places = np.unique(edges.reshape(-1, 2), axis=0, return_inverse=True)
    ab, bc, ca = (places.reshape(-1, 3) + MESHED).T
    a, b, c = triangles.T
    fine = np.stack([(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]).transpose(2, 0, 1).reshape(-1, 3)
    return _Skin(triangles, pairs, fine, _between(triangles).repeat(4))


def _between(triangles: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Triangles whose middle lies between the outer and the inner rim of the lips, seen from the front."""
    flat = canonical().vertices[:, :2]
    outer, inner = (flat[list(rim)].reshape(-1, 1, 2) for rim in (OUTER_LIPS, INNER_LIPS))
    middles = [(float(x), float(y)) for x, y in flat[triangles].mean(1)]
    inside = [
        cv2.pointPolygonTest(outer, middle, False) >= 0 > cv2.pointPolygonTest(inner, middle, False)
        for middle in middles
    ]
    return np.array(inside, bool)


def draw(vertices: Floats, pose: Pose, width: int, height: int) -> Frame:
    """(height, width, 3): a mesh (478, 3) in face space on its pose, before a plain ground."""
    picture = ground(width, height).copy()
    placed = pose.pixels(vertices)
    skin = _skin()
    light = _light(placed[:MESHED], skin.triangles)
    _openings(picture, placed)
    points = np.concatenate([placed[:MESHED], placed[skin.pairs].mean(1)])[skin.fine]
    shade = np.concatenate([light, light[skin.pairs].mean(1)])[skin.fine].mean(1)
    colours = (np.where(skin.lips[:, None], LIP, SKIN) * shade[:, None]).clip(0, 255).astype(int).tolist()
    corners = np.rint(points[..., :2] * FINER).astype(np.int32)
    front = _signed_area(points) > 0
    order = np.argsort(-points[..., 2].mean(1))
    for face in order[front[order]]:
        cv2.fillConvexPoly(picture, corners[face], colours[face], cv2.LINE_8, SHIFT)
    return picture


def _openings(picture: Frame, placed: Floats) -> None:
    """The inside of the mouth and the eyes; what lies over them is painted later."""
    flat = np.rint(placed[:, :2] * FINER).astype(np.int32)
    cv2.fillPoly(picture, [flat[list(INNER_LIPS)]], MOUTH, cv2.LINE_AA, SHIFT)
    for rim, iris in zip((LEFT_EYE, RIGHT_EYE), IRISES, strict=True):
        cv2.fillPoly(picture, [flat[list(rim)]], EYE, cv2.LINE_AA, SHIFT)
        centre, edge = placed[iris[0], :2], placed[list(iris[1:]), :2]
        radius = float(np.linalg.norm(edge - centre, axis=1).mean())
        middle = (int(flat[iris[0], 0]), int(flat[iris[0], 1]))
        for colour, share in ((IRIS, 1.0), (PUPIL, 0.45)):
            cv2.circle(picture, middle, round(radius * share * FINER), colour, -1, cv2.LINE_AA, SHIFT)


@cache
def ground(width: int, height: int) -> Frame:
    """A plain ground, a little lighter above."""
    share = np.linspace(0, 1, height)[:, None, None]
    rows = np.array(GROUND_TOP) * (1 - share) + np.array(GROUND_BOTTOM) * share
    return np.broadcast_to(rows, (height, width, 3)).astype(np.uint8)


def framed(vertices: Floats, pose: Pose, size: int) -> Pose:
    """The pose moved and scaled so that the face fills a square picture of `size` pixels."""
    placed = pose.pixels(vertices)[:MESHED, :2]
    low, high = placed.min(0), placed.max(0)
    scale = np.float32(0.78 * size / (high - low).max())
    middle = (low + high) / 2
    shift = pose.shift.copy()
    shift[:2] = scale * (pose.shift[:2] - (middle[0], -middle[1])) + (size / 2, -size / 2)
    shift[2] *= scale
    return Pose(pose.rotation, pose.scale * scale, shift)


def _signed_area(corners: Floats) -> Floats:
    """Twice the area of triangles (F, 3, 3) on the screen, positive where their front is seen."""
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return np.asarray(b[:, 0] * a[:, 1] - b[:, 1] * a[:, 0], np.float32)


def _light(placed: Floats, triangles: NDArray[np.int64]) -> Floats:
    """(V,) brightness of vertices, whose normals are those of the triangles around them."""
    corners = placed[triangles]
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(placed)
    for corner in range(3):
        np.add.at(normals, triangles[:, corner], facing)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9
    lit = (normals @ LAMP).clip(0)
    return np.asarray(AMBIENT + (1 - AMBIENT) * lit, np.float32)
