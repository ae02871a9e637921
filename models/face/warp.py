"""Moving a face's own pixels: the flow from a mesh to a mesh, over the head and out into the background.

The face's triangles are joined by two rings around it. The inner one goes with
the head, the outer one stays where it is, so that a head may sway and a jaw
drop without tearing hair, neck or wall. Each triangle moves affinely. An eye
that closes is no triangle: lids slide over it, and it stays.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from models.face import mesh

NEAR, FAR = 1.32, 2.1  # rings: the oval's distance from the face's middle times this
NECK = 0.35  # of the head's movement goes down to the inner ring at the neck
FINEST = 360  # pixels of face height at which the flow is drawn; larger faces get it enlarged
STILL = 0.02  # pixels: less is no movement


@dataclass(frozen=True)
class Flow:
    """Where a part of the new frame comes from: x, y (h, w) float32, its corner (left, top) in the frame."""

    x: np.ndarray
    y: np.ndarray
    left: int
    top: int


def warped(image: np.ndarray, flow: Flow) -> np.ndarray:
    """A copy of the image (H, W, 3) whose pixels moved; where nothing flows it is the same to the bit."""
    out = image.copy()
    height, width = flow.x.shape
    out[flow.top : flow.top + height, flow.left : flow.left + width] = cv2.remap(
        image, flow.x, flow.y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return out


def flow(now: np.ndarray, target: np.ndarray, rest: np.ndarray, size: tuple[int, int]) -> Flow | None:
    """How pixels flow where a face (478, 3) px becomes another, or None where nothing moves.

    rest: the face at rest, (478, 3) cm; the movement of the head is told by it. size: (height, width).
    """
    pose_now, pose_target = mesh.align(now), mesh.align(target)
    still_now, still_target = mesh.project(pose_now, rest), mesh.project(pose_target, rest)
    around_now, around_target = _rings(still_now, still_target)
    source = np.concatenate([now[: mesh.SKIN, :2], around_now])
    goal = np.concatenate([target[: mesh.SKIN, :2], around_target])
    moves = np.abs(source - goal).max(1) > STILL
    if not moves.any():
        return None
    triangles, eyes = _triangles()
    lids = [_lids(now, target, ring) for ring in mesh.EYES]
    kept = moves[triangles].any(1)
    for slot, slides in enumerate(lids):
        if slides:
            kept &= eyes != slot
    triangles = triangles[kept]
    corners = goal[triangles]
    low = np.maximum(np.floor(corners.min((0, 1))).astype(int) - 1, 0)
    high = np.minimum(np.ceil(corners.max((0, 1))).astype(int) + 2, size[::-1])
    if (high <= low).any():
        return None
    tall = float(np.linalg.norm(still_target[mesh.TOP, :2] - still_target[mesh.CHIN, :2]))
    scale = min(1.0, FINEST / max(tall, 1.0))
    width, height = np.maximum(np.ceil((high - low) * scale).astype(int), 1)
    scales = np.array([width, height]) / (high - low)
    depth = np.concatenate([target[: mesh.SKIN, 2], np.full(len(around_now), target[:, 2].max() + 1)])
    order = np.argsort(-depth[triangles].mean(1))
    corners, triangles = corners[order], triangles[order]
    labels = np.zeros((height, width), np.int32)
    shapes = np.round(((corners - low) * scales + (scales - 1) / 2) * 16).astype(np.int32)
    for index, shape in enumerate(shapes, start=1):
        cv2.fillConvexPoly(labels, shape, index, cv2.LINE_8, 4)
    moved = [np.array([[1.0, 0, 0], [0, 1, 0]])[None], _affine(corners, source[triangles])]
    for slides, ring in zip(lids, mesh.EYES, strict=True):
        if slides:
            moved.append(_rigid(still_target[list(ring), :2], still_now[list(ring), :2])[None])
            outline = np.round(((goal[list(ring)] - low) * scales + (scales - 1) / 2) * 16).astype(np.int32)
            cv2.fillPoly(labels, [outline], sum(map(len, moved)) - 1, cv2.LINE_8, 4)
    return _dense(np.concatenate(moved), labels, low, high, scales)


def _dense(
    moved: np.ndarray, labels: np.ndarray, low: np.ndarray, high: np.ndarray, scales: np.ndarray
) -> Flow:
    """The flow from the affine map (N, 2, 3) of each label, a little smoothed; still pixels stay still."""
    height, width = labels.shape
    table = moved.reshape(-1, 6).astype(np.float32)
    table[:, 0] -= 1
    table[:, 4] -= 1  # from places to shifts
    x = ((np.arange(width) + 0.5) / scales[0] - 0.5 + low[0]).astype(np.float32)
    y = (((np.arange(height) + 0.5) / scales[1] - 0.5 + low[1]).astype(np.float32))[:, None]
    found = table[labels]
    shifts = np.stack(
        [
            found[..., 0] * x + found[..., 1] * y + found[..., 2],
            found[..., 3] * x + found[..., 4] * y + found[..., 5],
        ],
        axis=-1,
    )
    shifts = cv2.blur(shifts, (3, 3))
    if (full := tuple(int(side) for side in high - low)) != (width, height):
        shifts = cv2.resize(shifts, full, interpolation=cv2.INTER_LINEAR)
    across = np.arange(low[0], high[0], dtype=np.float32)
    down = np.arange(low[1], high[1], dtype=np.float32)[:, None]
    return Flow(shifts[..., 0] + across, shifts[..., 1] + down, int(low[0]), int(low[1]))


def _affine(corners: np.ndarray, origins: np.ndarray) -> np.ndarray:
    """(N, 2, 3): the maps that take triangles (N, 3, 2) to where they come from (N, 3, 2)."""
    edges = (corners[:, 1:] - corners[:, :1]).astype(np.float64)
    came = (origins[:, 1:] - origins[:, :1]).astype(np.float64)
    (ax, ay), (bx, by) = edges[:, 0].T, edges[:, 1].T
    area = ax * by - bx * ay
    flat = np.abs(area) < 0.05  # thinner than can be seen: it shifts only
    area = np.where(flat, 1, area)
    inverse = np.stack([by, -bx, -ay, ax], axis=1).reshape(-1, 2, 2) / area[:, None, None]
    linear = np.swapaxes(came, 1, 2) @ inverse
    linear = np.where(flat[:, None, None], np.eye(2), linear)
    shift = origins.mean(1) - np.einsum("nij,nj->ni", linear, corners.mean(1))
    return np.concatenate([linear, shift[..., None]], axis=2)


def _rigid(points: np.ndarray, origins: np.ndarray) -> np.ndarray:
    """(2, 3): the affine map that takes points (N, 2) to their origins best."""
    given = np.column_stack([points, np.ones(len(points))])
    return np.asarray(np.linalg.lstsq(given, origins, rcond=None)[0].T)


def _lids(now: np.ndarray, target: np.ndarray, ring: tuple[int, ...]) -> bool:
    """Whether the lids of an eye close over it."""
    opened = [float(np.linalg.norm(face[ring[4], :2] - face[ring[12], :2])) for face in (now, target)]
    return opened[1] < 0.93 * opened[0]


def _rings(still_now: np.ndarray, still_target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (72, 2) around a face at rest, in the frame and where the head's movement takes them."""
    oval = list(mesh.OVAL)
    before, after = still_now[oval, :2], still_target[oval, :2]
    middle = before.mean(0)
    head = _rigid(before, after)
    near, far = (middle + (before - middle) * times for times in (NEAR, FAR))
    up = still_now[mesh.TOP, :2] - still_now[mesh.CHIN, :2]
    height = (before - middle) @ up / max(float(up @ up), 1e-6)  # -0.5 at the chin, 0.5 at the top
    share = NECK + (1 - NECK) * np.clip((height + 0.45) / 0.35, 0, 1)[:, None]
    moved = near + share * (near @ head[:, :2].T + head[:, 2] - near)
    return np.concatenate([near, far]), np.concatenate([moved, far])


@cache
def _triangles() -> tuple[np.ndarray, np.ndarray]:
    """Triangles (N, 3) of face and rings, and which eye each lies in: 0, 1, or -1."""
    skin = mesh.triangles()
    count = len(mesh.OVAL)
    inside = np.array(mesh.OVAL)
    rings = []
    for start in (mesh.SKIN, mesh.SKIN + count):
        outside = np.arange(start, start + count)
        for k in range(count):
            n = (k + 1) % count
            rings += [(inside[k], inside[n], outside[k]), (inside[n], outside[n], outside[k])]
        inside = outside
    every = np.concatenate([skin, np.array(rings, np.int32)])
    eyes = np.full(len(every), -1)
    for slot, ring in enumerate(mesh.EYES):
        eyes[np.isin(every, ring).all(1)] = slot
    return every, eyes
