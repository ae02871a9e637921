"""The 3D animation: the mesh as a shaded head of clay, drawn on the CPU.

Triangles are painted from back to front, larger than they are shown. What is painted is
no colour but the plane of light over each triangle (Gouraud shading: light at
the corners, linear between them); light becomes colour for all pixels at once.
"""

from functools import cache

import cv2
import numpy as np

from models.face.sources import mesh

FINE, COARSE, MANY = 2.0, 1.5, 60_000  # oversampling of faces of up to so many pixels, and of larger ones
LIGHTS = ((-0.45, -0.55, -0.75, 0.62), (0.85, 0.1, -0.5, 0.22))  # direction to the light, and its strength
AMBIENT = 0.16
SHINE, SHININESS = 0.2, 24
LEVELS = 128  # of light, for each material; the darkest and the brightest are kept for rounding
DARKEST, BRIGHTEST = 8, 120
SKIN_RAMP = ((0.0, (24, 22, 27)), (0.35, (122, 92, 82)), (0.75, (222, 184, 164)), (1.0, (255, 246, 238)))
LIP_RAMP = ((0.0, (26, 14, 18)), (0.35, (120, 58, 60)), (0.75, (208, 120, 116)), (1.0, (255, 226, 220)))
BACKDROP = ((34, 39, 48), (13, 15, 19))  # above and below
CAVITY, TONGUE, TEETH = (38, 12, 14), (124, 56, 56), (226, 218, 206)
EYE_WHITE, IRIS, PUPIL, LASHES = (226, 224, 222), (92, 72, 54), (16, 13, 12), (66, 46, 42)


def draw_mesh(vertices_px: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture (H, W, 3) uint8 of a mesh (478, 3) in pixels: x right, y down, depth away.

    size: (height, width). What lies outside the picture is cut off.
    """
    height, width = size
    image = _backdrop(height, width).copy()
    skin = vertices_px[: mesh.SKIN, :2]
    low = np.maximum(np.floor(skin.min(0)).astype(int) - 2, 0)
    high = np.minimum(np.ceil(skin.max(0)).astype(int) + 3, (width, height))
    if (high <= low).any():
        return image
    box = image[low[1] : high[1], low[0] : high[0]]
    sides = high - low
    large = np.round(sides * (FINE if sides.prod() <= MANY else COARSE)).astype(int)
    scale = np.append(large / sides, (large / sides).mean())
    points = (vertices_px - (*low, 0)) * scale + np.append((scale[:2] - 1) / 2, 0)
    canvas = cv2.resize(box, large.tolist(), interpolation=cv2.INTER_NEAREST)
    canvas = _shaded(points.astype(np.float32), canvas)
    _mouth(points, canvas)
    for ring, iris in zip(mesh.EYES, mesh.IRISES, strict=True):
        _eye(points, ring, iris, canvas)
    box[:] = cv2.resize(canvas, sides.tolist(), interpolation=cv2.INTER_LINEAR)
    return image


def _shaded(points: np.ndarray, canvas: np.ndarray) -> np.ndarray:
    """The canvas with the skin on it."""
    skin, parts = points[: mesh.SKIN], _parts()
    corners = skin[parts.triangles]  # (N, 3, 3)
    edges = corners[:, 1:] - corners[:, :1]
    normals = np.cross(edges[:, 0], edges[:, 1])
    light = _light(normals[parts.around].sum(1))[parts.triangles]  # (N, 3)
    facing = normals[:, 2] < 0
    order = np.argsort(-corners[:, :, 2].mean(1))
    order = order[facing[order]]
    planes = _planes(corners[order, :, :2], light[order], edges[order])
    planes[:, 2] += LEVELS * parts.lips[order]
    height, width = canvas.shape[:2]
    painted = np.zeros((height, width, 3), np.float32)
    shapes = np.round(corners[order, :, :2]).astype(np.int32)
    for shape, plane in zip(shapes, planes.tolist(), strict=True):
        cv2.fillConvexPoly(painted, shape, plane)
    level = painted[..., 0] * np.arange(width, dtype=np.float32)
    level += painted[..., 1] * np.arange(height, dtype=np.float32)[:, None]
    level += painted[..., 2]
    grey = cv2.convertScaleAbs(level)
    colours = cv2.LUT(cv2.merge([grey, grey, grey]), _ramps())
    cv2.copyTo(colours, grey, canvas)
    return canvas


def _light(normals: np.ndarray) -> np.ndarray:
    """Light at the vertices, DARKEST to BRIGHTEST, from normals (N, 3) of any length that point outwards."""
    normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-6)
    light = np.full(len(normals), AMBIENT, np.float32)
    for x, y, z, strength in LIGHTS:
        direction = np.array([x, y, z]) / np.linalg.norm([x, y, z])
        half = direction - np.array([0, 0, 1])
        half = half / np.linalg.norm(half)
        light += strength * np.clip(normals @ direction * 0.85 + 0.15, 0, None)
        light += SHINE * strength * np.clip(normals @ half, 0, None) ** SHININESS
    return np.clip(DARKEST + light * (BRIGHTEST - DARKEST), DARKEST, BRIGHTEST)


def _planes(corners: np.ndarray, light: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """(N, 3): a, b, c of light = a x + b y + c over each triangle of corners (N, 3, 2)."""
    (x1, y1), (x2, y2) = edges[:, 0, :2].T, edges[:, 1, :2].T
    d1, d2 = light[:, 1] - light[:, 0], light[:, 2] - light[:, 0]
    area = x1 * y2 - x2 * y1
    area = np.where(np.abs(area) < 1, np.copysign(1, area), area)
    # A triangle seen from its edge is a pixel wide: its plane must not be steeper than its light.
    a = np.clip((d1 * y2 - d2 * y1) / area, -2, 2)
    b = np.clip((d2 * x1 - d1 * x2) / area, -2, 2)
    middle, shade = corners.mean(1), light.mean(1)
    return np.stack([a, b, shade - a * middle[:, 0] - b * middle[:, 1]], axis=1)


def _mouth(points: np.ndarray, canvas: np.ndarray) -> None:
    """The open mouth: a dark cavity, the tongue at its floor, the upper teeth under the lip."""
    ring = points[list(mesh.INNER_LIPS), :2]
    left, right = ring[0], ring[10]
    width = float(np.linalg.norm(right - left))
    gap = float(np.linalg.norm(points[mesh.UPPER_INNER, :2] - points[mesh.LOWER_INNER, :2]))
    if gap < 1.5:
        return
    low, inside, patch = _cut(ring, canvas)
    if patch.size == 0:
        return
    inner = patch.copy()
    inner[:] = CAVITY
    down = points[mesh.CHIN, :2] - points[mesh.TOP, :2]
    down = down / max(float(np.linalg.norm(down)), 1e-6)
    upper = ring[:11] - low
    middle = (ring[5] + ring[15]) / 2 - low
    tongue = middle + down * (0.32 * gap + 0.1 * width)
    axes = (0.28 * width, 0.16 * width)
    cv2.ellipse(inner, (_whole(tongue), (2 * axes[0], 2 * axes[1]), 0.0), TONGUE, -1, cv2.LINE_AA)
    shown = min(0.42 * gap, 0.11 * width)  # of the teeth
    band = np.concatenate([upper - down * width * 0.1, (upper + down * shown)[::-1]])
    cv2.fillPoly(inner, [np.round(band).astype(np.int32)], TEETH, cv2.LINE_AA)
    soft = cv2.GaussianBlur(inner, (0, 0), max(0.6, width / 90))
    shade = np.clip(1.15 - 0.5 * np.abs(np.linspace(-1, 1, patch.shape[1])) ** 2, 0, 1)[None, :, None]
    alpha = inside[..., None].astype(np.float32) / 255
    patch[:] = (patch * (1 - alpha) + soft * shade * alpha).astype(np.uint8)


def _eye(points: np.ndarray, ring: tuple[int, ...], iris: tuple[int, ...], canvas: np.ndarray) -> None:
    """The opening of an eye: its white under the shadow of the lid, the iris, the pupil, a glint."""
    low, inside, patch = _cut(points[list(ring), :2], canvas)
    if patch.size == 0:
        return
    inner = patch.copy()
    inner[:] = EYE_WHITE
    middle = points[iris[0], :2] - low
    radius = float(np.linalg.norm(points[list(iris[1:]), :2] - points[iris[0], :2], axis=1).mean())
    for part, colour in ((1.0, (44, 34, 28)), (0.86, IRIS), (0.42, PUPIL)):
        cv2.circle(inner, _whole(middle), max(1, round(radius * part)), colour, -1, cv2.LINE_AA)
    glint = middle + radius * np.array([-0.35, -0.4])
    cv2.circle(inner, _whole(glint), max(1, round(radius * 0.16)), (250, 250, 250), -1, cv2.LINE_AA)
    shadow = np.clip(np.linspace(0.45, 1.25, patch.shape[0]), 0, 0.92)[:, None, None]
    alpha = inside[..., None].astype(np.float32) / 255
    patch[:] = (patch * (1 - alpha) + inner * shadow * alpha).astype(np.uint8)
    lid = np.round(points[list(ring[: len(ring) // 2 + 1]), :2]).astype(np.int32)
    cv2.polylines(canvas, [lid], False, LASHES, max(1, round(radius * 0.22)), cv2.LINE_AA)


def _cut(ring: np.ndarray, canvas: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where a ring (N, 2) begins, its filled shape (h, w) uint8, and the canvas under it, as a view."""
    height, width = canvas.shape[:2]
    low = np.clip(np.floor(ring.min(0)).astype(int) - 2, 0, (width, height))
    high = np.clip(np.ceil(ring.max(0)).astype(int) + 3, 0, (width, height))
    inside = np.zeros(np.maximum(high - low, 0)[::-1], np.uint8)
    if inside.size:
        cv2.fillPoly(inside, [np.round(ring - low).astype(np.int32)], 255, cv2.LINE_AA)
    return low, inside, canvas[low[1] : high[1], low[0] : high[0]]


def _whole(point: np.ndarray) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))


class _Parts:
    """triangles (N, 3) of the skin without the openings of eyes and mouth; lips (N,) 1.0 on the lips;
    around (468, K): the triangles at each vertex, repeated where there are fewer.
    """

    def __init__(self) -> None:
        every = mesh.triangles()
        openings = (mesh.INNER_LIPS, *mesh.EYES)
        opening = np.any([np.isin(every, ring).all(1) for ring in openings], axis=0)
        self.triangles = every[~opening]
        skin = mesh.canonical()[:, :2]
        outline = skin[list(mesh.OUTER_LIPS)]
        middles = skin[self.triangles].mean(1).tolist()
        self.lips = np.array(
            [cv2.pointPolygonTest(outline, middle, False) > 0 for middle in middles], np.float32
        )
        lists = [np.flatnonzero((self.triangles == vertex).any(1)) for vertex in range(mesh.SKIN)]
        most = max(map(len, lists))
        # Some vertices are used by openings only; repeating a triangle does no harm to a direction.
        padded = [np.resize(found if len(found) else np.zeros(1, int), most) for found in lists]
        self.around = np.stack(padded)


@cache
def _parts() -> _Parts:
    return _Parts()


@cache
def _ramps() -> np.ndarray:
    """(1, 256, 3) uint8: the colours of skin by light, then those of lips."""
    steps = np.clip((np.arange(LEVELS) - DARKEST) / (BRIGHTEST - DARKEST), 0, 1)
    ramps = [
        np.stack(
            [np.interp(steps, [at for at, _ in ramp], [c[i] for _, c in ramp]) for i in range(3)], axis=1
        )
        for ramp in (SKIN_RAMP, LIP_RAMP)
    ]
    return np.concatenate(ramps).astype(np.uint8)[None]


@cache
def _backdrop(height: int, width: int) -> np.ndarray:
    down = np.linspace(0, 1, height)[:, None, None]
    shade = (1 - down) * np.array(BACKDROP[0]) + down * np.array(BACKDROP[1])
    return np.broadcast_to(shade, (height, width, 3)).astype(np.uint8)
