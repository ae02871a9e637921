"""Objects of a scan from the files that annotate it: segments, another mesh, ids or classes of vertices."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.core.errors import UserError
from models.core.notes import Note, note
from models.core.upload_validation import read_json
from models.scene.data import nyu40
from models.scene.data.dataset_files import DatasetFiles
from models.scene.data.mesh_io import Mesh
from models.scene.data.ply import read_ply

MIN_COMPONENT = 50
MAX_OBJECTS = 2000
SAME_PLACE = 0.05  # metres between a vertex and that of another mesh whose object it is


class Labels(NamedTuple):
    """Objects of a mesh: (N,) the id of each vertex's, -1 for none; the label of each id; what to know."""

    owners: NDArray[np.int64]
    names: dict[int, str]
    notes: tuple[Note, ...]


def annotated(aggregation: Path, segs: Path, count: int) -> Labels:
    """Each vertex's objectId, and the label of each object: an object is a list of segments of vertices."""
    segments = _segment_indices(read_json(segs), segs.name)
    if len(segments) != count:
        raise UserError("segs_mismatch", name=segs.name, found=len(segments), vertices=count)
    known, segment_of_vertex = np.unique(segments, return_inverse=True)
    owner = np.full(len(known), -1, np.int64)
    labels: dict[int, str] = {}
    for identity, label, listed in _groups(read_json(aggregation), aggregation.name):
        at = np.searchsorted(known, listed)
        at = at[(at < len(known)) & (known[np.minimum(at, len(known) - 1)] == listed)]
        owner[at] = identity
        labels.setdefault(identity, label)
    if not (owner >= 0).any():
        raise UserError("aggregation_mismatch", name=aggregation.name, segs=segs.name)
    return Labels(owner[segment_of_vertex], labels, ())


def segment_count(segs: Path) -> int:
    """How many vertices a file of segments is about. Raises UserError: segs_broken, and as `read_json`."""
    return len(_segment_indices(read_json(segs), segs.name))


def _segment_indices(tree: Any, name: str) -> NDArray[np.int64]:
    try:
        segments = _whole_numbers(tree["segIndices"])
    except (LookupError, TypeError, ValueError, OverflowError):
        raise UserError("segs_broken", name=name) from None
    if not len(segments):
        raise UserError("segs_broken", name=name)
    return segments


def _whole_numbers(values: Any) -> NDArray[np.int64]:
    """A JSON list of integers. The types come first: numpy would make room for the longest text in it."""
    if not isinstance(values, list) or not set(map(type, values)) <= {int}:
        raise TypeError("not a list of integers")
    return np.array(values, np.int64)


def _groups(tree: Any, name: str) -> list[tuple[int, str, NDArray[np.int64]]]:
    """(objectId, label, its segments) of each group of an aggregation."""
    groups = []
    try:
        for group in tree["segGroups"]:
            identity, label = group.get("objectId", group.get("id")), group["label"]
            listed = _whole_numbers(group["segments"])
            if type(identity) is not int or not 0 <= identity < 2**31:
                raise ValueError(identity)
            if len(listed):
                groups.append((identity, label[:100].strip().lower(), listed))
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
        raise UserError("aggregation_broken", name=name) from None
    if not groups:
        raise UserError("aggregation_broken", name=name)
    if len(groups) > MAX_OBJECTS:
        raise UserError("objects_many", name=name, count=len(groups), limit=MAX_OBJECTS)
    return groups


def carried(found: DatasetFiles, geometry: Mesh) -> Labels:
    """Instances of a mesh from another of the same scan that carries the labels."""
    assert found.labelled is not None
    other = read_ply(found.labelled)
    if other.instances is None:
        if len(other.vertices) != len(geometry.vertices) and other.labels is None:
            owners = np.full(len(geometry.vertices), -1, np.int64)
            return Labels(owners, {}, (note("labels_none", name=found.labelled.name),))
        return components(other, len(geometry.vertices), found.labelled.name)
    of_other = identified(other, found)
    same = len(other.vertices) == len(geometry.vertices) and np.allclose(
        other.vertices, geometry.vertices, atol=SAME_PLACE, equal_nan=True
    )
    if same:
        return of_other
    from scipy.spatial import cKDTree

    far, nearest = cKDTree(np.nan_to_num(other.vertices, nan=1e9, posinf=1e9, neginf=1e9)).query(
        np.nan_to_num(geometry.vertices, nan=-1e9, posinf=-1e9, neginf=-1e9), distance_upper_bound=SAME_PLACE
    )
    there = np.isfinite(far)
    if there.mean() < 0.5:
        raise UserError(
            "labels_mismatch", name=found.labelled.name, found=len(other.vertices), vertices=len(far)
        )
    owners = of_other.owners[np.minimum(nearest, len(of_other.owners) - 1)]
    return of_other._replace(owners=np.where(there, owners, -1))


def identified(classes: Mesh, found: DatasetFiles) -> Labels:
    """Instances by the ids that a mesh carries; named by the JSON beside it, else by its classes."""
    assert classes.instances is not None
    ids = np.where((classes.instances >= 0) & (classes.instances < 2**31), classes.instances, -1)
    named = _names(found.names) if found.names else {}
    known, first = np.unique(ids, return_index=True)
    labels: dict[int, str] = {}
    unnamed = 0
    for identity, place in zip(known.tolist(), first.tolist(), strict=True):
        if identity < 0 or (named and identity not in named):
            continue
        label = named.get(identity) or (
            nyu40.name(int(classes.labels[place])) if classes.labels is not None else None
        )
        unnamed += label is None
        labels[identity] = label or "object"
    if len(labels) > MAX_OBJECTS:
        raise UserError("objects_many", name=found.mesh.name, count=len(labels), limit=MAX_OBJECTS)
    notes = (note("labels_unnamed", count=unnamed),) if unnamed else ()
    return Labels(np.where(np.isin(ids, list(labels)), ids, -1), labels, notes)


def _names(path: Path) -> dict[int, str]:
    """The name of each object: Replica's info_semantic.json, or an aggregation's groups."""
    tree = read_json(path)
    try:
        if "objects" in tree:
            rows = [(row["id"], row["class_name"]) for row in tree["objects"]]
        else:
            rows = [(row.get("objectId", row.get("id")), row["label"]) for row in tree["segGroups"]]
        return {int(number): str(label)[:100].strip().lower() for number, label in rows if str(label).strip()}
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
        raise UserError("aggregation_broken", name=path.name) from None


def components(classes: Mesh, count: int, name: str) -> Labels:
    """Instances where a file has classes only: connected pieces of one class, MIN_COMPONENT vertices or more.

    labels.ply doesn't say which chair a vertex belongs to. Pieces of the mesh are
    the best it allows: two chairs that touch are one, one that is half hidden may be two.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if classes.labels is None or len(classes.vertices) != count:
        found = 0 if classes.labels is None else len(classes.labels)
        raise UserError("labels_mismatch", name=name, found=found, vertices=count)
    a, b = _edges(classes).T
    same = classes.labels[a] == classes.labels[b]
    graph = coo_array((np.ones(same.sum(), np.bool_), (a[same], b[same])), shape=(count, count))
    _, piece = connected_components(graph, directed=False)
    pieces, first, sizes = np.unique(piece, return_index=True, return_counts=True)
    owner = np.full(len(pieces), -1, np.int64)
    labels: dict[int, str] = {}
    largest = np.argsort(-sizes, kind="stable")[:MAX_OBJECTS]
    for index in np.sort(largest[sizes[largest] >= MIN_COMPONENT]):
        if label := nyu40.name(int(classes.labels[first[index]])):
            owner[index] = len(labels)
            labels[len(labels)] = label
    return Labels(owner[piece], labels, ())


def _edges(geometry: Mesh) -> NDArray[np.int64]:
    """(E, 2) neighbours: the edges of the mesh, or in a cloud the 6 nearest within 10 cm."""
    if len(geometry.faces):
        return np.concatenate([geometry.faces[:, :2], geometry.faces[:, 1:]])
    from scipy.spatial import cKDTree

    points = np.nan_to_num(geometry.vertices, nan=1e9, posinf=1e9, neginf=1e9)
    _, near = cKDTree(points).query(points, k=7, distance_upper_bound=0.1)
    a = np.repeat(np.arange(len(points)), 6)
    b = near[:, 1:].ravel()
    return np.stack([a, b], axis=1)[b < len(points)]
