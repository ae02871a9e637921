"""A scan: a coloured mesh and the instances in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from models.core.crossing import Keyed
from models.core.notes import Note
from models.scene.data.mesh_io import GREY
from models.scene.data.voxels import voxel_keys


@dataclass(frozen=True)
class Instance:
    """One object of a scan.

    id: ScanNet's objectId (or the rank of a prediction).
    label: raw class name, lower case ("office chair").
    box: (6,) float, min xyz then max xyz, metres, axis-aligned frame.
    colour: (3,) mean colour, 0-255.
    confidence: of a predicted instance, 0 to 1; 1 for an annotated one.
    """

    id: int
    label: str
    box: NDArray[np.float32]
    colour: NDArray[np.float32]
    confidence: float = 1.0


@dataclass(frozen=True)
class Scan(Keyed):
    """A coloured mesh (or cloud) in its own frame, and what is in it.

    vertices: (N, 3) float32, metres, the frame of the file.
    colours: (N, 3) uint8.
    faces: (M, 3) int32; (0, 3) for a cloud.
    vertex_instance: (N,) int32, the id of each vertex's instance, -1 for none.
    instances: () where the file carried no labels.
    alignment: (4, 4) float64; aligned = R p + t (ScanNet's axisAlignment), z up.
    unit: what the file was taken to be in: "m", "cm" or "mm".
    notes: what a visitor should know of the files. labels_from: "file", or "none" where these had no labels.
    """

    name: str
    vertices: NDArray[np.float32]
    colours: NDArray[np.uint8]
    faces: NDArray[np.int32]
    vertex_instance: NDArray[np.int32]
    instances: tuple[Instance, ...] = ()
    alignment: NDArray[np.float64] = field(default_factory=lambda: np.eye(4))
    unit: str = "m"
    notes: tuple[Note, ...] = ()
    labels_from: str = "none"

    @property
    def coloured(self) -> bool:
        """Whether the files told any colour; where they didn't, all is GREY."""
        return bool((self.colours != np.uint8(GREY)).any())

    @property
    def aligned(self) -> NDArray[np.float32]:
        """(N, 3) vertices in the axis-aligned frame, where boxes live."""
        return (self.vertices @ self.alignment[:3, :3].T + self.alignment[:3, 3]).astype(np.float32)


def instances_of(
    aligned: NDArray[np.float32],
    colours: NDArray[np.uint8],
    vertex_instance: NDArray[np.int32],
    labels: Mapping[int, str],
) -> tuple[Instance, ...]:
    """Instances with the box and the mean colour of their vertices, by rising id; none without vertices.

    aligned: (N, 3), metres. colours: (N, 3). vertex_instance: (N,), -1 for none.
    labels: the class name of each id.
    """
    order = np.argsort(vertex_instance, kind="stable")
    order = order[np.searchsorted(vertex_instance[order], 0) :]
    ids, starts, counts = np.unique(vertex_instance[order], return_index=True, return_counts=True)
    if not len(ids):
        return ()
    low = np.minimum.reduceat(aligned[order], starts)
    high = np.maximum.reduceat(aligned[order], starts)
    colour = np.add.reduceat(colours[order].astype(np.float64), starts) / counts[:, None]
    boxes, means = np.hstack([low, high]).astype(np.float32), colour.astype(np.float32)
    found = zip(ids.tolist(), boxes, means, strict=True)
    return tuple(Instance(id, labels[id], box, mean) for id, box, mean in found if id in labels)


def thin(scan: Scan, max_vertices: int) -> Scan:
    """The scan with at most `max_vertices` vertices: those in a cell of a grid become one (vertex clustering,
    Rossignac and Borrel 1993). Instances keep the boxes of the full scan.

    A cell gets the mean position and colour and the most frequent instance of its
    vertices; triangles that collapse go, and so do all but one that became equal.
    """
    if len(scan.vertices) <= max_vertices:
        return scan
    low = scan.vertices.min(0)
    cell = _cell_size(scan.vertices - low, max_vertices)
    _, cluster, counts = np.unique(
        voxel_keys(scan.vertices - low, cell), return_inverse=True, return_counts=True
    )

    def mean(values: NDArray) -> NDArray[np.float64]:
        sums = [np.bincount(cluster, column, len(counts)) for column in values.T]
        return np.stack(sums, axis=1) / counts[:, None]

    return replace(
        scan,
        vertices=(mean(scan.vertices - low) + low).astype(np.float32),
        colours=np.round(mean(scan.colours)).astype(np.uint8),
        faces=_kept_faces(cluster[scan.faces], len(counts)),
        vertex_instance=_most_frequent(scan.vertex_instance, cluster, len(counts)),
    )


def _cell_size(offsets: NDArray[np.float32], max_vertices: int) -> float:
    """Edge of the grid whose occupied cells come just below `max_vertices`; a surface has area / edge^2."""
    cell = float(offsets.max()) / max_vertices**0.5
    for _ in range(20):
        occupied = len(np.unique(voxel_keys(offsets, cell)))
        if 0.9 * max_vertices <= occupied <= max_vertices:
            break
        # Aim a little below the cap, so that the search ends on the right side of it.
        cell *= (occupied / (0.95 * max_vertices)) ** 0.5
    while len(np.unique(voxel_keys(offsets, cell))) > max_vertices:
        cell *= 1.1
    return cell


def _kept_faces(faces: NDArray[np.int64], count: int) -> NDArray[np.int32]:
    """(M, 3) remapped faces without the collapsed and the repeated. count: of vertices."""
    a, b, c = faces.T
    faces = faces[(a != b) & (b != c) & (c != a)]
    a, b, c = np.sort(faces, axis=1).T
    _, first = np.unique((a * count + b) * count + c, return_index=True)
    return faces[np.sort(first)].astype(np.int32)


def _most_frequent(values: NDArray[np.int32], cluster: NDArray[np.int64], count: int) -> NDArray[np.int32]:
    """The value that most vertices of each of `count` clusters have."""
    known, codes = np.unique(values, return_inverse=True)
    pairs, votes = np.unique(cluster * len(known) + codes, return_counts=True)
    order = np.argsort(votes, kind="stable")
    winner = np.zeros(count, np.int64)
    winner[pairs[order] // len(known)] = pairs[order] % len(known)  # the last write, the most votes, stays
    return known[winner]
