"""Moving a face's own pixels: the flow from a mesh to a mesh, over the head and out into the background.

The face's triangles are joined by two rings around it. The inner one goes with
the head, the outer one stays where it is, so that a head may sway and a jaw
drop without tearing hair, neck or wall. Each triangle moves affinely. An eye
that closes is no triangle: lids slide over it, and it stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from models.face.sources import mesh

NEAR, FAR = 1.32, 2.1  # rings: the oval's distance from the face's middle times this
NECK = 0.35  # of the head's movement goes down to the inner ring at the neck
FINEST = 250  # pixels of face height at which the flow is drawn; larger faces get it enlarged
STILL = 0.02  # pixels: less is no movement
SLIDES = 0.07  # share of its opening that an eye loses before its lids slide over it
OVERLAP = 0.35  # of the opening that the upper lid goes on, as white shows below the ring of the mesh
SLID = 0.4  # pixels between the flows of two neighbours that aren't one thing
LASHES = 0.1  # of the opening from the mesh's ring up to where the lid is surely no eye any more


@dataclass(frozen=True)
class Flow:
    """Where a part of the new frame comes from: x, y (h, w) float32, its corner (left, top) in the frame.

    edges: (h, w) uint8, 255 where one thing slides over another.
    """

    x: np.ndarray
    y: np.ndarray
    left: int
    top: int
    edges: np.ndarray


def warped(image: np.ndarray, flow: Flow) -> np.ndarray:
    """A copy of the image (H, W, 3) whose pixels moved; where nothing flows it is the same to the bit."""
    out = image.copy()
    height, width = flow.x.shape
    part = out[flow.top : flow.top + height, flow.left : flow.left + width]
    part[:] = cv2.remap(image, flow.x, flow.y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    if flow.edges.any():
        cv2.copyTo(cv2.GaussianBlur(part, (3, 3), 0), flow.edges, part)
    return out


def flow(now: np.ndarray, target: np.ndarray, rest: np.ndarray, size: tuple[int, int]) -> Flow | None:
    """How pixels flow where a face (478, 3) px becomes another, or None where nothing moves.

    rest: the face at rest, (478, 3) cm; the movement of the head is told by it. size: (height, width).
    """
    still_now, still_target = (mesh.project(mesh.align(face), rest) for face in (now, target))
    around_now, around_target = _rings(still_now, still_target)
    source = np.concatenate([now[: mesh.SKIN, :2], around_now])
    goal = np.concatenate([target[: mesh.SKIN, :2], around_target])
    depth = np.concatenate([target[: mesh.SKIN, 2], np.full(len(around_now), target[:, 2].max() + 1)])
    moves = np.abs(source - goal).max(1) > STILL
    if not moves.any():
        return None
    triangles, eyes = _triangles()
    kept, key = moves[triangles].any(1), depth[triangles].mean(1)
    sliding = [slot for slot, ring in enumerate(mesh.EYES) if _shut(now, target, ring) > SLIDES]
    for slot in sliding:
        ring = mesh.EYES[slot]
        upper = list(ring[1:8])
        shut = np.clip((_shut(now, target, ring) - 0.4) / 0.5, 0, 1)
        opening = now[ring[12], :2] - now[ring[4], :2]
        goal[upper] += OVERLAP * shut * opening
        source[upper] -= LASHES * shut * opening
        kept &= eyes != slot
        key[np.isin(triangles, upper).any(1)] -= depth.max() - depth.min() + 1  # this lid lies over the other
    order = np.flatnonzero(kept)[np.argsort(-key[kept])]
    corners = goal[triangles[order]]
    tall = float(np.linalg.norm(still_target[mesh.TOP, :2] - still_target[mesh.CHIN, :2]))
    labels = _Labels(corners, size, min(1.0, FINEST / max(tall, 1.0)))
    if labels.empty:
        return None
    for slot in sliding:
        opening = list(mesh.EYES[slot])
        stays = _rigid(still_target[opening, :2], still_now[opening, :2])
        labels.paint(target[None, opening, :2], stays[None])
    labels.paint(corners, _affine(corners, source[triangles[order]]))
    return labels.flow([mesh.EYES[slot] for slot in sliding], target)


class _Labels:
    """A part of the frame in which polygons are painted, each with the affine map of where it comes from."""

    def __init__(self, corners: np.ndarray, size: tuple[int, int], scale: float) -> None:
        self.low = np.maximum(np.floor(corners.min((0, 1))).astype(int) - 1, 0)
        self.high = np.minimum(np.ceil(corners.max((0, 1))).astype(int) + 2, size[::-1])
        self.empty = bool((self.high <= self.low).any())
        width, height = np.maximum(np.ceil((self.high - self.low) * scale).astype(int), 1)
        self.scales = np.array([width, height]) / np.maximum(self.high - self.low, 1)
        self.labels = np.zeros((height, width), np.int32)
        self.maps = [np.array([[[1.0, 0, 0], [0, 1, 0]]])]  # what isn't painted stays
        self.count = 1

    def paint(self, shapes: np.ndarray, maps: np.ndarray) -> None:
        """Paint polygons (N, K, 2) of the frame, one over the other, that come from their maps (N, 2, 3)."""
        places = (shapes - self.low) * self.scales + (self.scales - 1) / 2
        for label, shape in enumerate(np.round(places * 16).astype(np.int32), start=self.count):
            cv2.fillConvexPoly(self.labels, shape, label, cv2.LINE_8, 4)
        self.maps.append(maps)
        self.count += len(maps)

    def flow(self, hard: Sequence[tuple[int, ...]], target: np.ndarray) -> Flow:
        """The flow from the painted maps, a little smoothed but for the rings `hard` of a face (478, 3) px.

        At the edge of a lid that slides, what is between two flows would be the white of the eye.
        """
        shifts = self._shifts()
        smooth = cv2.blur(shifts, (3, 3))
        edges: np.ndarray = np.zeros(self.labels.shape, np.uint8)
        for ring in hard:
            places = (target[list(ring), :2] - self.low) * self.scales
            left, top = np.maximum(places.min(0) - 2, 0).astype(int)
            right, bottom = np.maximum(places.max(0) + np.array([2, 2 + np.ptp(places[:, 0]) / 2]), 0).astype(
                int
            )
            eye = np.s_[max(0, top - (right - left) // 4) : bottom, left:right]
            edges[eye] = np.where(np.abs(smooth[eye] - shifts[eye]).max(-1, initial=0) > SLID, 255, 0)
            smooth[eye] = shifts[eye]
        full = tuple(int(side) for side in self.high - self.low)
        if full != self.labels.shape[::-1]:
            smooth = cv2.resize(smooth, full, interpolation=cv2.INTER_LINEAR)
            edges = cv2.resize(edges, full, interpolation=cv2.INTER_NEAREST)
        x = np.arange(self.low[0], self.high[0], dtype=np.float32)
        y = np.arange(self.low[1], self.high[1], dtype=np.float32)[:, None]
        return Flow(smooth[..., 0] + x, smooth[..., 1] + y, int(self.low[0]), int(self.low[1]), edges)

    def _shifts(self) -> np.ndarray:
        """(h, w, 2) float32: how far away each label's pixels come from, in pixels of the frame."""
        height, width = self.labels.shape
        table = np.concatenate(self.maps).reshape(-1, 6).astype(np.float32)
        table[:, 0] -= 1
        table[:, 4] -= 1  # from places to shifts
        x = ((np.arange(width) + 0.5) / self.scales[0] - 0.5 + self.low[0]).astype(np.float32)
        y = ((np.arange(height) + 0.5) / self.scales[1] - 0.5 + self.low[1]).astype(np.float32)[:, None]
        found = table[self.labels]
        across = found[..., 0] * x + found[..., 1] * y + found[..., 2]
        down = found[..., 3] * x + found[..., 4] * y + found[..., 5]
        return np.stack([across, down], axis=-1)


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


def _shut(now: np.ndarray, target: np.ndarray, ring: tuple[int, ...]) -> float:
    """How far the lids of an eye close over it, as a share of how open it was; below 0 where they open."""
    opened = [float(np.linalg.norm(face[ring[4], :2] - face[ring[12], :2])) for face in (now, target)]
    return 1 - opened[1] / max(opened[0], 1e-6)


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
