"""Boxes of the axis-aligned frame, (..., 6): min xyz then max xyz, metres."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def box_centres(boxes: Array) -> Array:
    """(..., 3)."""
    return np.asarray((boxes[..., :3] + boxes[..., 3:]) / 2, np.float32)


def box_gaps(a: Array, b: Array) -> Array:
    """(A, 6), (B, 6) -> (A, B) distance between the surfaces; 0 where boxes touch or overlap."""
    apart = np.maximum(a[:, None, :3] - b[None, :, 3:], b[None, :, :3] - a[:, None, 3:])
    return np.linalg.norm(np.maximum(apart, 0), axis=-1)


def box_iou(a: Array, b: Array) -> Array:
    """(A, 6), (B, 6) -> (A, B) intersection over union of volumes."""
    low = np.maximum(a[:, None, :3], b[None, :, :3])
    high = np.minimum(a[:, None, 3:], b[None, :, 3:])
    shared = np.clip(high - low, 0, None).prod(-1)
    volume_a = (a[:, 3:] - a[:, :3]).prod(-1)
    volume_b = (b[:, 3:] - b[:, :3]).prod(-1)
    return shared / np.maximum(volume_a[:, None] + volume_b[None] - shared, 1e-9)


def corner_gaps(boxes: Array, room: Array) -> Array:
    """(A, 6), (6,) -> (A,) distance in plan between each box and the nearest corner of the room's box."""
    to_walls = np.minimum(boxes[:, :2] - room[:2], room[3:5] - boxes[:, 3:5]).clip(0)
    return np.asarray(np.linalg.norm(to_walls, axis=1), np.float32)


def overlap_in_plan(boxes: Array, other: Array) -> Array:
    """(A, 6), (6,) -> (A,) share of the smaller of both footprints that lies under the other."""
    low, high = np.maximum(boxes[:, :2], other[:2]), np.minimum(boxes[:, 3:5], other[3:5])
    shared = np.clip(high - low, 0, None).prod(-1)
    smaller = np.minimum((boxes[:, 3:5] - boxes[:, :2]).prod(-1), np.prod(other[3:5] - other[:2]))
    return shared / np.maximum(smaller, 1e-6)
