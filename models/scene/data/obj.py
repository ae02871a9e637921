"""OBJ files (Wavefront, Appendix B1 of the Advanced Visualizer manual): vertices, polygons, textures.

A reader of our own because a stranger's file must be read in time that grows
with its size: one pass over the lines, numpy for the numbers. Of the .mtl only
the colour and the texture of a material matter.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.core.errors import UserError
from models.core.upload_validation import check_file, kind
from models.scene.data.mesh_io import (
    GREY,
    Mesh,
    check_counts,
    check_faces,
    check_images,
    fan,
    integers,
    pixels_of,
    sampled,
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


def read_obj(path: Path, companions: Sequence[Path]) -> Mesh:
    """The mesh of an OBJ file; colours of its vertices, else of its textures at the vertices.

    companions: the .mtl and image files that came with it. Whatever path the file
    gives, these are found by base name and nothing else is opened; one that didn't
    come along is no error, the mesh is grey there.
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
    files = {file.name.lower(): file for file in companions}
    colours = _painted(len(points), corners, corner_uvs, materials, uvs, lines.materials, files)
    return Mesh(points[:, :3], colours, corners)


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
    count: int,
    corners: NDArray[np.int64],
    corner_uvs: NDArray[np.int64],
    materials: NDArray[np.int64],
    uvs: NDArray[np.float64],
    names: Mapping[str, int],
    files: Mapping[str, Path],
) -> NDArray[np.uint8] | None:
    """(N, 3) colours of `count` vertices from the materials of their faces; None where none is known."""
    plain, textures = _materials(names, files)
    if not plain and not textures:
        return None
    images = sorted(set(textures.values()))
    check_images([(files[image].read_bytes(), image) for image in images])
    of_material = np.full((len(names), 3), GREY, np.uint8)
    for material, colour in plain.items():
        of_material[material] = colour
    colours = np.full((count, 3), GREY, np.uint8)
    colours[corners.ravel()] = np.repeat(of_material[materials], 3, axis=0)
    image_of_material = np.full(len(names), -1)
    for material, image in textures.items():
        image_of_material[material] = images.index(image)
    usable = (corner_uvs >= 0) & (corner_uvs < len(uvs))
    for number, image in enumerate(images):
        chosen = usable & (image_of_material[materials] == number)[:, None]
        texture = pixels_of(files[image].read_bytes(), image)
        colours[corners[chosen]] = sampled(texture, uvs[corner_uvs[chosen], :2])
    return colours


def _materials(
    names: Mapping[str, int], files: Mapping[str, Path]
) -> tuple[dict[int, NDArray[np.uint8]], dict[int, str]]:
    """Colour and texture file (a key of `files`) of the materials that the faces use."""
    plain: dict[int, NDArray[np.uint8]] = {}
    textures: dict[int, str] = {}
    for file in files.values():
        material = -1
        for line in io.StringIO(file.read_text("utf-8", "replace") if file.suffix.lower() == ".mtl" else ""):
            match line.split(None, 1):
                case ["newmtl", rest]:
                    material = names.get(rest.strip(), -1)
                case ["Kd", rest] if material >= 0 and (colour := _colour(rest)) is not None:
                    plain[material] = colour
                case ["map_Kd", rest] if material >= 0:
                    base = rest.strip().replace("\\", "/").rsplit("/", 1)[-1].lower()
                    # Options such as `-s 1 1 1` stand before the name.
                    for image in (base, base.rsplit(" ", 1)[-1]):
                        if image in files and not image.endswith(".mtl"):
                            textures.setdefault(material, image)
    return plain, textures


def _colour(text: str) -> NDArray[np.uint8] | None:
    try:
        values = [float(word) for word in text.split()]
    except ValueError:
        return None
    return to_bytes(np.clip(values, 0, 1)) if len(values) == 3 else None
