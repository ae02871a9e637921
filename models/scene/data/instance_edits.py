"""Repairing the instances of a scan: rename, merge, delete. A scan never changes: a repaired copy is made.

What was done is a list of edits, so that undoing is leaving out the last one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.core.errors import UserError
from models.scene.data.scan import Instance, Scan


@dataclass(frozen=True)
class Rename:
    """The object gets another label."""

    object_id: int
    label: str


@dataclass(frozen=True)
class Merge:
    """The object takes in another one and keeps its own id and label."""

    object_id: int
    other: int


@dataclass(frozen=True)
class Delete:
    """The object is none; its points stay, as nobody's."""

    object_id: int


Edit = Rename | Merge | Delete


def edited(scan: Scan, edits: Sequence[Edit]) -> Scan:
    """The scan with its instances repaired, one edit after the other; the scan itself for none.

    What a person has named or put together is an object for certain: its confidence is 1.
    Raises UserError: object_unknown, merge_itself.
    """
    if not edits:
        return scan
    owner = owners(scan, edits)
    weights = _weights(scan)
    left = {one.id: one for one in scan.instances}
    for edit in edits:
        match edit:
            case Rename(id, label):
                left[id] = replace(left[id], label=label, confidence=1.0)
            case Merge(id, other):
                left[id] = _together(left[id], left.pop(other), weights[id], weights[other])
                weights[id] += weights[other]
            case Delete(id):
                del left[id]
    instances = tuple(left[one.id] for one in scan.instances if one.id in left)
    ids, place = np.unique(scan.vertex_instance, return_inverse=True)
    now = np.array([owner.get(id, id) for id in ids.tolist()], np.int32)
    return replace(scan, instances=instances, vertex_instance=now[place])


def owners(scan: Scan, edits: Sequence[Edit]) -> dict[int, int]:
    """For each instance of the scan before the edits the id it has after them, -1 where it is gone.

    Raises UserError: object_unknown, merge_itself.
    """
    owner = {one.id: one.id for one in scan.instances}
    for edit in edits:
        for id in _named(edit):
            if owner.get(id) != id:
                raise UserError("object_unknown", object=id)
        match edit:
            case Merge(id, other) if id == other:
                raise UserError("merge_itself")
            case Merge(id, other):
                owner = {before: id if now == other else now for before, now in owner.items()}
            case Delete(id):
                owner = {before: -1 if now == id else now for before, now in owner.items()}
    return owner


def _named(edit: Edit) -> Iterator[int]:
    """The ids of the objects that an edit is about."""
    yield edit.object_id
    if isinstance(edit, Merge):
        yield edit.other


def _weights(scan: Scan) -> dict[int, int]:
    """Vertices of each instance, at least 1: a detected box has none."""
    ids, counts = np.unique(scan.vertex_instance, return_counts=True)
    counted = dict(zip(ids.tolist(), counts.tolist(), strict=True))
    return {one.id: counted.get(one.id, 1) for one in scan.instances}


def _together(one: Instance, other: Instance, weight: int, others: int) -> Instance:
    """Two instances as one. weight, others: how many vertices each has, for the mean colour."""
    box = np.concatenate([np.minimum(one.box[:3], other.box[:3]), np.maximum(one.box[3:], other.box[3:])])
    colour = (one.colour * weight + other.colour * others) / (weight + others)
    return replace(one, box=box, colour=colour.astype(np.float32), confidence=1.0)
