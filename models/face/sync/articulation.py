"""How much a mouth says: how wide it opens, spreads and rounds, when it shuts, when teeth show.

Each is measured on a tracked film and compared with the camera's film of the person who really said it.
"""

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from models.face.sources import mesh
from models.face.sources.tracking import Track

EXTENTS = ("gap", "width", "protrusion")
LOW, HIGH = 5, 95  # percentiles between which a mouth's range lies
SHUT = 0.15  # of its range that a gap may lie above its lowest and still be shut
NEAR = 2  # frames by which a closure may come early or late
LIGHT = 0.75  # of the face's own brightness: what is as light between the lips is teeth

Array = NDArray[np.float32]


def extents(vertices: Array) -> dict[str, Array]:
    """Of faces (T, 478, 3) cm, pose taken out: the gap between the lips, the mouth's width, and how far the
    middle of the lips stands out of its corners, (T,) cm each.
    """
    left, right = (vertices[:, corner] for corner in mesh.MOUTH_CORNERS)
    front = vertices[:, [mesh.UPPER_INNER, mesh.LOWER_INNER], 2].mean(1)
    return {
        "gap": np.asarray(mesh.lip_gap(vertices), np.float32),
        "width": np.linalg.norm(left - right, axis=1).astype(np.float32),
        "protrusion": np.asarray(front - (left[:, 2] + right[:, 2]) / 2, np.float32),
    }


def reach(values: Array) -> float:
    """From the 5th to the 95th percentile."""
    low, high = np.percentile(values, (LOW, HIGH))
    return float(high - low)


def compared(made: Array, real: Array) -> dict[str, float]:
    """Of two films' faces (T, 478, 3): range (made by real) and r of each of EXTENTS, and F1 of closures."""
    found: dict[str, float] = {}
    made_by, real_by = extents(made), extents(real)
    for name in EXTENTS:
        found[f"{name}_range"] = reach(made_by[name]) / max(reach(real_by[name]), 1e-6)
        found[f"{name}_r"] = correlation(made_by[name], real_by[name])
    found["closures_f1"] = closures_f1(made_by["gap"], real_by["gap"])
    return found


def closures(gap: Array) -> list[tuple[int, int]]:
    """First frame and the one after the last of each time that lips shut between two openings."""
    shut = gap < np.percentile(gap, LOW) + SHUT * reach(gap)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], shut, [False]]).astype(int)))
    runs = [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]
    return [run for run in runs if run[0] > 0 and run[1] < len(gap)]


def closures_f1(made: Array, real: Array) -> float:
    """Harmonic mean of the parts of each film's closures that the other has as well, NEAR frames off at most.

    NaN where the camera's film has none.
    """
    ours, theirs = closures(made), closures(real)
    if not theirs:
        return float("nan")
    precision = sum(_met(run, theirs) for run in ours) / max(len(ours), 1)
    recall = sum(_met(run, ours) for run in theirs) / len(theirs)
    return 2 * precision * recall / max(precision + recall, 1e-9)


def _met(run: tuple[int, int], others: list[tuple[int, int]]) -> bool:
    return any(run[0] - NEAR < end and start < run[1] + NEAR for start, end in others)


def teeth(frames: Iterable[NDArray[np.uint8]], track: Track) -> Array:
    """How much of the face's width squared is light between the lips, (T,): teeth, where they are seen."""
    corners = track.pixels()[..., :2]
    return np.array([_light(*both) for both in zip(frames, corners, strict=True)], np.float32)


def _light(frame: NDArray[np.uint8], corners: Array) -> float:
    """frame: (H, W, 3). corners: (478, 2) pixels."""
    low = np.floor(corners[: mesh.SKIN].min(0)).astype(int).clip(0)
    high = np.ceil(corners[: mesh.SKIN].max(0)).astype(int).clip(1)
    part = frame[low[1] : high[1], low[0] : high[0]]
    if not part.size:
        return 0.0
    grey = np.asarray(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY), np.uint8)
    inner = np.zeros(grey.shape, np.uint8)
    cv2.fillPoly(inner, [np.round(corners[list(mesh.INNER_LIPS)] - low).astype(np.int32)], 1)
    whole = np.zeros(grey.shape, np.uint8)
    cv2.fillPoly(whole, [np.round(corners[list(mesh.OVAL)] - low).astype(np.int32)], 1)
    if not whole.any():
        return 0.0
    bright = float(np.median(grey[whole > 0]))
    width = float(np.ptp(corners[list(mesh.OVAL), 0]))
    return float(((grey > LIGHT * bright) & (inner > 0)).sum() / max(width, 1.0) ** 2)


def correlation(made: Array, real: Array) -> float:
    """Pearson's; NaN where either hardly changes."""
    count = min(len(made), len(real))
    made, real = made[:count], real[:count]
    if count < 3 or made.std() < 1e-6 or real.std() < 1e-6:
        return float("nan")
    return float(np.corrcoef(made, real)[0, 1])
