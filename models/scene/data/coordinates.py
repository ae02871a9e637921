"""Coordinates of a scan: no number, no vertex; map coordinates come to the origin; a room has bounds."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.core.errors import UserError
from models.core.notes import Note, note
from models.scene.data.mesh_io import Mesh, Paint
from models.scene.segmentation.gravity_alignment import UNITS, unit_of

MIN_VERTICES = 4
MAX_LOST = 0.01
MAX_EXTENT = 200.0
MAX_COORDINATE = 10_000.0
FARTHEST = 1e7 + MAX_EXTENT  # metres from the origin, as far as UTM's coordinates reach
STEP = 0.02  # metres between coordinates from which a scan is told to be coarse


@dataclass(frozen=True)
class Placed:
    """A mesh in metres and near its origin. alignment: (4, 4), of the data set where it has one."""

    mesh: Mesh
    alignment: NDArray[np.float64]
    unit: str
    notes: tuple[Note, ...]

    @classmethod
    def of(cls, mesh: Mesh, name: str, meta: Path | None, metres: bool) -> Self:
        """A mesh as its file has it. meta: ScanNet's text with an alignment. metres: its unit is known.

        Raises UserError: scan_not_finite, scan_far, scan_too_few, scan_no_extent, alignment_broken.
        """
        vertices, keep = _sane(mesh.vertices, name)
        unit = "m" if metres else unit_of(float(np.ptp(vertices, axis=0).max()))
        alignment, notes = _alignment(meta) if meta else np.eye(4), []
        vertices, shift = _near_origin(vertices * UNITS[unit])
        if shift.any():
            if meta:
                alignment[:3, 3] += alignment[:3, :3] @ shift
            notes.append(note("scan_moved", shift=", ".join(f"{value:.0f}" for value in shift)))
            if (step := _step(vertices)) > STEP:
                notes.append(note("scan_rounded", step=f"{step:.2g}"))
        _check_extent(vertices, name)
        kept = replace(
            mesh,
            vertices=vertices,
            colours=None if mesh.colours is None else mesh.colours[keep],
            faces=_kept(mesh.faces, keep),
            instances=None if mesh.instances is None else mesh.instances[keep],
            paint=_kept_paint(mesh, keep),
        )
        return cls(kept, alignment, unit, tuple(notes))


def _kept(faces: NDArray[np.int64], keep: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Faces whose three vertices are kept, in the new numbers."""
    if keep.all():
        return faces
    renumbered = np.cumsum(keep) - 1
    return renumbered[faces[keep[faces].all(1)]]


def _kept_paint(mesh: Mesh, keep: NDArray[np.bool_]) -> Paint | None:
    """The paint of the faces whose vertices are kept."""
    paint = mesh.paint
    if paint is None or keep.all() or not len(mesh.faces):
        return paint
    rows = keep[mesh.faces].all(axis=1)
    return replace(
        paint,
        uv=paint.uv[rows],
        image=paint.image[rows],
        shade=None if paint.shade is None else paint.shade[rows],
    )


def _sane(vertices: NDArray[np.float64], name: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Vertices that are numbers and near enough, and which; refused where more than MAX_LOST aren't."""
    finite = np.isfinite(vertices).all(1)
    near = (np.abs(vertices) < FARTHEST * 1000).all(1)  # the unit may be a millimetre
    limit = MAX_LOST * len(vertices)
    if (~finite).sum() > limit:
        raise UserError("scan_not_finite", name=name, bad=int((~finite).sum()), count=len(vertices))
    if (finite & ~near).sum() > limit:
        raise UserError("scan_far", name=name, limit=int(MAX_COORDINATE), extent=int(MAX_EXTENT))
    keep = np.logical_and(finite, near)
    if keep.sum() < MIN_VERTICES:
        raise UserError("scan_too_few", name=name, count=int(keep.sum()), minimum=MIN_VERTICES)
    return vertices[keep], keep


def _near_origin(vertices: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Vertices of map coordinates (UTM) moved to the origin, and by how much; others as they are.

    Single precision, in which scans are kept, has steps of half a metre at five million metres.
    """
    middle = np.median(vertices, axis=0)
    if np.abs(middle).max() > FARTHEST:
        return vertices, np.zeros(3)  # no place on earth
    shift = np.where(np.abs(middle) > MAX_COORDINATE / 10, np.round(middle), 0.0)
    return vertices - shift, shift


def _step(vertices: NDArray[np.float64]) -> float:
    """The smallest difference of two coordinates: of single precision far from the origin it is large."""
    return min(float(np.diff(np.unique(axis)).min(initial=np.inf)) for axis in vertices.T)


def _check_extent(vertices: NDArray[np.float64], name: str) -> None:
    extent = np.ptp(vertices, axis=0).max()
    if extent > MAX_EXTENT or np.abs(vertices).max() > MAX_COORDINATE:
        raise UserError("scan_far", name=name, limit=int(MAX_COORDINATE), extent=int(MAX_EXTENT))
    if extent < 0.01:
        raise UserError("scan_no_extent", name=name, count=len(vertices))


def _alignment(meta: Path) -> NDArray[np.float64]:
    """(4, 4) of the line `axisAlignment = 16 numbers`, row-major: a turn and a shift."""
    line = re.search(r"axisAlignment\s*=([^\n]*)", meta.read_text("ascii", "replace"))
    try:
        matrix = (
            np.array([float(word) for word in line[1].split()]).reshape(4, 4)
            if line
            else np.full((4, 4), np.nan)
        )
    except ValueError:
        matrix = np.full((4, 4), np.nan)
    turn = matrix[:3, :3]
    rigid = np.isfinite(matrix).all() and np.allclose(turn @ turn.T, np.eye(3), atol=1e-3)
    if not rigid or not np.allclose(matrix[3], (0, 0, 0, 1)) or np.abs(matrix).max() > MAX_COORDINATE:
        raise UserError("alignment_broken", name=meta.name)
    return matrix
