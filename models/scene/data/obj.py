"""OBJ files (Wavefront, Appendix B1 of the Advanced Visualizer manual): vertices, polygons, textures.

A reader of our own because a stranger's file must be read in time that grows
with its size: one pass over the lines, numpy for the numbers. Of the .mtl only
the colour and the texture of a material matter.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.core.errors import UserError
from models.core.notes import Note, note
from models.core.upload_validation import check_file, kind
from models.scene.data.mesh_io import (
    GREY,
    PICTURES,
    Mesh,
    Paint,
    check_counts,
    check_faces,
    check_images,
    fan,
    integers,
    linear,
    painted,
    picture_of,
    pixels_of,
    to_bytes,
)


@dataclass
class _Lines:
    """The lines of an OBJ by what they say.

    faces: by (corners, slashes in the line), the lines' corners; and for each line
    its material and how many vertices and texture points stood above it.
    """

    points: list[str] = field(default_factory=list)
    uvs: list[str] = field(default_factory=list)
    faces: dict[tuple[int, int], list[str]] = field(default_factory=dict)
    facts: dict[tuple[int, int], list[tuple[int, int, int]]] = field(default_factory=dict)
    materials: dict[str, int] = field(default_factory=lambda: {"": 0})
    libraries: list[str] = field(default_factory=list)


def read_obj(path: Path, companions: Sequence[Path]) -> Mesh:
    """The mesh of an OBJ file; colours of its vertices, else of its textures at the vertices.

    companions: the .mtl and image files that came with it. Whatever path the file
    gives, these are found by base name and nothing else is opened; one that didn't
    come along is told in a note, and the mesh is grey there.
    Raises UserError: file_type, scan_empty, scan_too_many, scan_faces, mesh_broken,
    image_broken, image_too_big.
    """
    check_file(path)
    if kind(path) != "text":
        raise UserError("file_type", name=path.name, kind="OBJ")
    lines = _sorted_lines(path.read_text("utf-8", "replace"))
    triangles = sum((corners - 2) * len(rows) for (corners, _), rows in lines.faces.items())
    check_counts(path.name, len(lines.points), triangles)
    points = _table(lines.points, path.name)
    if points.shape[1] < 3:
        raise UserError("mesh_broken", name=path.name)
    uvs = _table(lines.uvs, path.name)
    corners, corner_uvs, materials = _triangles(lines, path.name)
    check_faces(corners, len(points), path.name)
    if points.shape[1] >= 6:
        return Mesh(points[:, :3], to_bytes(points[:, 3:6]), corners)
    return _painted(points[:, :3], corners, corner_uvs, materials, uvs, lines, companions, path.name)


def _sorted_lines(text: str) -> _Lines:
    lines, material = _Lines(), 0
    for line in io.StringIO(text):
        match line.split(None, 1):
            case ["v", rest]:
                lines.points.append(rest)
            case ["vt", rest]:
                lines.uvs.append(rest)
            case ["f", rest]:
                key = len(rest.split()), rest.count("/")
                if key[0] >= 3:
                    lines.faces.setdefault(key, []).append(rest)
                    lines.facts.setdefault(key, []).append((material, len(lines.points), len(lines.uvs)))
            case ["mtllib", rest]:
                lines.libraries.append(rest.strip())
            case ["usemtl", rest]:
                material = lines.materials.setdefault(rest.strip(), len(lines.materials))
    return lines


def _table(rows: Sequence[str], name: str) -> NDArray[np.float64]:
    """(N, C) numbers of lines; all must have the same C."""
    if not rows:
        return np.empty((0, 2))
    try:
        return np.loadtxt(rows, ndmin=2, comments=None)
    except ValueError:
        raise UserError("mesh_broken", name=name) from None


def _triangles(lines: _Lines, name: str) -> tuple[NDArray, NDArray, NDArray]:
    """(M, 3) vertex and (M, 3) texture point of each corner (-1 for none), (M,) material."""
    corners, uvs, materials = (
        [np.empty((0, 3), np.int64)],
        [np.empty((0, 3), np.int64)],
        [np.empty(0, np.int64)],
    )
    for (count, slashes), rows in lines.faces.items():
        fields = slashes // count + 1
        # "1//3" is a vertex and a normal; 0 is no index in OBJ and stands for the texture point it lacks.
        table = _table([row.replace("//", "/0/").replace("/", " ") for row in rows], name)
        if slashes % count or table.shape[1] != count * fields:
            raise UserError("mesh_broken", name=name)
        material, points_above, uvs_above = np.array(lines.facts[count, slashes]).T
        indices = integers(table).reshape(len(rows), count, fields)
        corners.append(fan(_from_zero(indices[..., 0], points_above)))
        uv = indices[..., 1] if fields > 1 else np.zeros_like(indices[..., 0])
        uvs.append(fan(np.where(uv == 0, -1, _from_zero(uv, uvs_above))))
        materials.append(np.repeat(material, count - 2))
    return np.concatenate(corners), np.concatenate(uvs), np.concatenate(materials)


def _from_zero(indices: NDArray[np.int64], above: NDArray[np.int64]) -> NDArray[np.int64]:
    """OBJ counts from 1, or with -1 back from the last one above the line."""
    return np.where(indices < 0, indices + above[:, None], indices - 1)


def _painted(
    points: NDArray[np.float64],
    corners: NDArray[np.int64],
    corner_uvs: NDArray[np.int64],
    materials: NDArray[np.int64],
    uvs: NDArray[np.float64],
    lines: _Lines,
    files: Sequence[Path],
    name: str,
) -> Mesh:
    """The mesh in the colours and textures of its materials; colours are None where none is known."""
    found = _materials(lines, files, name)
    if not found.plain and not found.textures:
        return Mesh(points, None, corners, notes=found.notes)
    pictures = sorted(set(found.textures.values()))
    check_images([(file.read_bytes(), file.name) for file in pictures])
    of_material = np.full((len(lines.materials), 3), GREY, np.uint8)
    for material, colour in found.plain.items():
        of_material[material] = colour
    colours = np.full((len(points), 3), GREY, np.uint8)
    colours[corners.ravel()] = np.repeat(of_material[materials], 3, axis=0)
    image_of_material = np.full(len(lines.materials), -1)
    for material, file in found.textures.items():
        image_of_material[material] = pictures.index(file)
    usable = ((corner_uvs >= 0) & (corner_uvs < len(uvs))).all(axis=1)
    image = np.where(usable, image_of_material[materials], -1)
    uv = np.zeros((len(corners), 3, 2))
    uv[usable] = uvs[:, :2][corner_uvs[usable]]
    images = tuple(pixels_of(file.read_bytes(), file.name) for file in pictures)
    # A face keeps the colour of its material where it shares vertices with another.
    shade = np.repeat(linear(of_material[materials] / 255)[:, None], 3, axis=1)
    shade[image >= 0] = 1
    paint = Paint(uv, image, images, shade)
    return Mesh(
        points, painted(paint, corners, colours, len(points)), corners, notes=found.notes, paint=paint
    )


@dataclass
class _Materials:
    """Colour and texture file of the materials that the faces use, by their number; and what is missing."""

    plain: dict[int, NDArray[np.uint8]] = field(default_factory=dict)
    textures: dict[int, Path] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()


def _materials(lines: _Lines, files: Sequence[Path], name: str) -> _Materials:
    found = _Materials()
    pictures = [file for file in files if file.suffix.lower() in PICTURES]
    libraries = [file for file in files if file.suffix.lower() == ".mtl"]
    lost: dict[int, str] = {}
    for file in libraries:
        material = -1
        for line in io.StringIO(file.read_text("utf-8", "replace")):
            match line.split(None, 1):
                case ["newmtl", rest]:
                    material = lines.materials.get(rest.strip(), -1)
                case ["Kd", rest] if material >= 0 and (colour := _colour(rest)) is not None:
                    found.plain[material] = colour
                case ["map_Kd" | "map_kd" | "map_Ka", rest] if material >= 0:
                    if picture := picture_of(rest, pictures):
                        found.textures.setdefault(material, picture)
                    else:
                        lost.setdefault(material, rest.strip().replace("\\", "/").rsplit("/", 1)[-1][:80])
    lost = {material: missing for material, missing in lost.items() if material not in found.textures}
    notes = []
    spare = [picture for picture in pictures if picture not in found.textures.values()]
    if lost and len(lost) == len(spare) == 1:
        # Capture apps lose the name of the one picture that they write.
        (material,) = lost
        found.textures[material] = spare[0]
        notes.append(note("texture_guessed", name=name, missing=lost[material], used=spare[0].name))
    elif lost:
        missing = ", ".join(sorted(set(lost.values()))[:4])
        notes.append(note("texture_missing", name=name, missing=missing))
    if lines.libraries and not libraries and len(lines.materials) > 1:
        notes.append(note("texture_missing", name=name, missing=", ".join(lines.libraries)[:80]))
    found.notes = tuple(notes)
    return found


def _colour(text: str) -> NDArray[np.uint8] | None:
    try:
        values = [float(word) for word in text.split()]
    except ValueError:
        return None
    return to_bytes(np.clip(values, 0, 1)) if len(values) == 3 else None
