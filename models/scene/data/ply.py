"""PLY files, read strictly: the header is checked against the file's size before anything is allocated.

Format: Greg Turk, "The PLY Polygon File Format" (1994). Any legal order of properties is read: lists among
a vertex's, polygons, colours of any depth, a texture by corner or by vertex (MeshLab's TextureFile), instance
ids by vertex (3RScan) or by face (Replica), and the Gaussians of a splat (Kerbl et al., 2023).
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.core.errors import UserError
from models.core.notes import Note, note
from models.core.upload_validation import check_file, kind, megabytes
from models.scene.data.mesh_io import (
    MAX_FACES,
    MAX_VERTICES,
    Mesh,
    Paint,
    check_faces,
    check_images,
    integers,
    painted,
    picture_of,
    pixels_of,
    to_bytes,
)
from models.scene.data.ply_rows import AsciiRows, BinaryRows, Element, Table

_MAX_HEADER = 2**16
_TYPES = {
    "char": "i1",
    "uchar": "u1",
    "short": "i2",
    "ushort": "u2",
    "int": "i4",
    "uint": "u4",
    "float": "f4",
    "double": "f8",
    "int8": "i1",
    "uint8": "u1",
    "int16": "i2",
    "uint16": "u2",
    "int32": "i4",
    "uint32": "u4",
    "int64": "i8",
    "uint64": "u8",
    "float32": "f4",
    "float64": "f8",
}
_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": ""}
_COLOURS = (("red", "green", "blue"), ("diffuse_red", "diffuse_green", "diffuse_blue"), ("r", "g", "b"))
_TEXTURE = (("s", "t"), ("u", "v"), ("texture_u", "texture_v"))
_CORNERS = ("vertex_indices", "vertex_index")
_INSTANCES = re.compile(r"(?:scalar_)?(?:object|instance|ins|inst)_?ids?|instance", re.IGNORECASE)
_KNOWN = re.compile(
    r"[xyz]|n[xyz]|.*(?:red|green|blue)|[rgb]|a|.*alpha|label|quality|confidence|flags", re.IGNORECASE
)
_SPLAT = ("f_dc_0", "f_dc_1", "f_dc_2")
DEGREE_0 = 0.28209479177387814  # the spherical harmonic of degree 0: 1 / (2 sqrt(pi))
FAINT = 0.1  # opacity below which a Gaussian is a floater
WIDE = 0.05  # of the splat's extent: a Gaussian as large is no surface


def read_ply(path: Path, companions: Sequence[Path] = ()) -> Mesh:
    """The vertices, colours, triangles, labels and instances of a PLY file.

    companions: the image files that came with it, for its texture.
    Raises UserError: file_type, ply_header, ply_no_xyz, splat_packed, ply_claims (more rows than the file's
    bytes can hold), scan_truncated, scan_empty, scan_too_many, scan_faces, and those of check_file.
    """
    size = check_file(path)
    if kind(path) != "ply":
        raise UserError("file_type", name=path.name, kind="PLY")
    data = path.read_bytes()
    order, elements, textures, start = _read_header(data, path.name)
    _check_counts(elements, order, size - start, path.name)
    rows = (
        AsciiRows(data, start, path.name) if order == "ascii" else BinaryRows(data, start, order, path.name)
    )
    vertex, face = None, None
    for element in elements:
        if element.name == "vertex":
            vertex = rows.read(element)
        elif element.name == "face" and _corners(element):
            face = rows.read(element)
        else:
            rows.skip(element)
        if face is not None and vertex is not None:
            break
    assert vertex is not None  # _check_counts has seen it
    mesh = _mesh(path.name, vertex, face, textures, companions)
    others = [one.name for one in elements if one.count and one.name not in ("vertex", "face")]
    told = (note("parts_unused", name=path.name, names=", ".join(others[:8])),) if others else ()
    return replace(mesh, notes=(*mesh.notes, *told))


def _mesh(
    name: str, vertex: Table, face: Table | None, textures: Sequence[str], companions: Sequence[Path]
) -> Mesh:
    scalars = vertex.scalars
    with np.errstate(invalid="ignore"):  # signalling NaNs, which are dropped later
        vertices = np.stack([scalars[axis].astype(np.float64) for axis in "xyz"], axis=1)
    if all(one in scalars for one in _SPLAT):
        return _splat(vertices, scalars)
    faces, row = np.empty((0, 3), np.int64), np.empty(0, np.int64)
    places = faces
    if face is not None and face.lists:
        corners = face.lists[next(one for one in _CORNERS if one in face.lists)]
        places, row = corners.fans(name)
        faces = integers(corners.values)[places]
    check_faces(faces, len(vertices), name)
    labels = scalars.get("label")
    notes = [*_unused(vertex)]
    colours, paint = _colours(scalars), None
    if textures or _by_corner(face) is not None or _by_vertex(scalars) is not None:
        paint, told = _paint(name, faces, row, vertex, face, textures, companions)
        notes += told
        if paint is not None:
            colours = painted(paint, faces, colours, len(vertices))
    return Mesh(
        vertices,
        colours,
        faces,
        None if labels is None else integers(labels),
        _instances(scalars, face, faces, row, len(vertices)),
        tuple(notes),
        paint,
    )


def _read_header(data: bytes, name: str) -> tuple[str, list[Element], list[str], int]:
    """Byte order, elements, names of textures, and where the body begins."""
    end = re.search(rb"(?:^|\r|\n)end_header[ \t]*(?:\r\n|\r|\n)", data[:_MAX_HEADER])
    if end is None:
        raise UserError("ply_header", name=name)
    order, elements, textures = None, [], []
    try:
        for line in re.split(r"\r\n|\r|\n", data[: end.start()].decode("utf-8", "replace"))[1:]:
            match line.split():
                case ["comment" | "obj_info", word, *_] if word.lower() == "texturefile":
                    textures.append(line.split(None, 2)[2].strip().strip('"'))
                case [] | ["comment" | "obj_info", *_]:
                    pass
                case ["format", word, "1.0"]:
                    order = _ORDERS[word] or "ascii"
                case ["element", word, count] if count.isdigit() and len(count) < 19:
                    elements.append(Element(word, int(count)))
                case ["property", "list", length, of, word] if _TYPES[length][0] != "f":
                    elements[-1].properties.append((word, _TYPES[of], _TYPES[length]))
                case ["property", of, word]:
                    elements[-1].properties.append((word, _TYPES[of], ""))
                case _:
                    raise ValueError(line)
    except (LookupError, ValueError):
        raise UserError("ply_header", name=name) from None
    names = [element.name for element in elements]
    doubled = any(len({p[0] for p in e.properties}) < len(e.properties) for e in elements)
    if order is None or "vertex" not in names or len(set(names)) < len(names) or doubled:
        raise UserError("ply_header", name=name)
    return order, elements, textures, end.end()


def _check_counts(elements: list[Element], order: str, size: int, name: str) -> None:
    """Counts against caps and against the bytes that are there; nothing has been allocated yet."""
    claimed = 0
    for element in elements:
        scalars = {prop for prop, _, length in element.properties if not length}
        if element.name == "vertex" and not set("xyz") <= scalars:
            packed = any(prop.startswith("packed_") for prop in scalars)
            raise UserError("splat_packed" if packed else "ply_no_xyz", name=name)
        # An ascii value takes a digit and a space.
        row = 2 * len(element.properties) if order == "ascii" else element.least_bytes
        claimed += element.count * max(row, 1)
        if element.name == "vertex" and element.count == 0:
            raise UserError("scan_empty", name=name)
    if claimed > max(10 * size, 2**30):
        raise UserError("ply_claims", name=name, claimed=megabytes(claimed), found=megabytes(size))
    for element in elements:
        limit = MAX_VERTICES if element.name == "vertex" else MAX_FACES
        if element.count > limit:
            raise UserError("scan_too_many", name=name, count=element.count, limit=limit)
    if claimed > size + (1 if order == "ascii" else 0):
        raise UserError("scan_truncated", name=name)


def _corners(element: Element) -> str:
    """The name of the property that lists a face's vertices, or ""."""
    for name, of, length in element.properties:
        if length and name in _CORNERS and of[0] != "f":
            return name
    return ""


def _colours(vertex: dict[str, NDArray]) -> NDArray[np.uint8] | None:
    for names in _COLOURS:
        if all(name in vertex for name in names):
            return to_bytes(np.stack([vertex[name] for name in names], axis=1))
    return None


def _unused(vertex: Table) -> list[Note]:
    """What the vertices carry that nothing here reads."""
    names = [name for name in vertex.scalars if not (_KNOWN.fullmatch(name) or _INSTANCES.fullmatch(name))]
    pairs = {name for pair in _TEXTURE for name in pair}
    left = [name for name in [*names, *vertex.lists] if name not in pairs]
    return [note("fields_unused", names=", ".join(left[:8]))] if left else []


def _instances(
    vertex: dict[str, NDArray],
    face: Table | None,
    faces: NDArray[np.int64],
    row: NDArray[np.int64],
    count: int,
) -> NDArray[np.int64] | None:
    """(N,) instance ids by vertex, -1 for none; of a face's id each of its corners has it."""
    for name, values in vertex.items():
        if _INSTANCES.fullmatch(name):
            return integers(values)
    for name, values in (face.scalars if face else {}).items():
        if _INSTANCES.fullmatch(name):
            found = np.full(count, -1, np.int64)
            found[faces[::-1]] = integers(values)[row][::-1, None]
            return found
    return None


def _by_corner(face: Table | None) -> NDArray | None:
    found = face.lists.get("texcoord") if face else None
    return None if found is None or not found.values.size else found.values


def _by_vertex(vertex: dict[str, NDArray]) -> NDArray[np.float64] | None:
    for names in _TEXTURE:
        if all(name in vertex for name in names):
            return np.stack([vertex[name].astype(np.float64) for name in names], axis=1)
    return None


def _paint(
    name: str,
    faces: NDArray[np.int64],
    row: NDArray[np.int64],
    vertex: Table,
    face: Table | None,
    textures: Sequence[str],
    companions: Sequence[Path],
) -> tuple[Paint | None, list[Note]]:
    """The texture of a mesh, by corner or by vertex; a note where its picture isn't there."""
    found = [picture_of(one, companions) for one in textures]
    if not textures and len(companions) == 1:
        found = list(companions)  # coordinates without a name, and one picture beside it
    missing = [one for one, file in zip(textures, found, strict=False) if file is None]
    if missing:
        return None, [note("texture_missing", name=name, missing=", ".join(missing[:4]))]
    if not found:
        return None, [note("texture_unnamed", name=name)]
    pictures = [file for file in found if file is not None]
    check_images([(file.read_bytes(), file.name) for file in pictures])
    images = tuple(pixels_of(file.read_bytes(), file.name) for file in pictures)
    number = np.zeros(len(faces), np.int64)
    if face is not None and "texnumber" in face.scalars:
        number = np.clip(integers(face.scalars["texnumber"])[row], -1, len(images) - 1)
    by_vertex = _by_vertex(vertex.scalars)
    listed = face.lists.get("texcoord") if face else None
    if listed is not None and listed.values.size and face is not None:
        corners = face.lists[next(one for one in _CORNERS if one in face.lists)]
        whole = listed.lengths == 2 * corners.lengths
        starts = np.cumsum(listed.lengths) - listed.lengths
        inside = corners.fans(name)[0] - (np.cumsum(corners.lengths) - corners.lengths)[row][:, None]
        at = np.minimum(starts[row][:, None] + 2 * inside, listed.values.size - 2)
        uv = np.stack([listed.values[at], listed.values[at + 1]], axis=-1).astype(np.float64)
        number = np.where(whole[row], number, -1)
        return Paint(uv, number, images), []
    if by_vertex is None:
        return None, [note("texture_unnamed", name=name)]
    if not len(faces):  # a cloud: each point has its own place in the picture
        return Paint(by_vertex[:, None], np.zeros(len(by_vertex), np.int64), images), []
    return Paint(by_vertex[faces], number, images), []


def _splat(vertices: NDArray[np.float64], scalars: dict[str, NDArray]) -> Mesh:
    """The middles of a splat's Gaussians as a coloured cloud, without the faint, the huge and the stray."""
    colours = np.stack([scalars[f"f_dc_{i}"].astype(np.float64) for i in range(3)], axis=1)
    colours = np.clip(np.nan_to_num(0.5 + DEGREE_0 * colours), 0, 1)
    opacity = np.ones(len(vertices))
    if "opacity" in scalars:
        opacity = 1 / (1 + np.exp(-np.clip(scalars["opacity"].astype(np.float64), -50, 50)))
    keep = np.isfinite(vertices).all(axis=1) & (opacity >= FAINT)
    if keep.sum() > 100:
        low, high = np.quantile(vertices[keep], (0.01, 0.99), axis=0)
        reach = np.maximum(high - low, 1e-9)
        keep &= ((vertices > low - 0.25 * reach) & (vertices < high + 0.25 * reach)).all(axis=1)
        scales = [scalars[f"scale_{i}"] for i in range(3) if f"scale_{i}" in scalars]
        if scales:
            size = np.exp(np.clip(np.stack(scales, axis=1).astype(np.float64), -50, 50)).max(axis=1)
            small = keep & (size < WIDE * reach.max())
            # Where most are huge the program that wrote them means something else by a scale.
            keep = small if 2 * small.sum() > keep.sum() else keep
        keep &= ~_stray(vertices, keep)
    notes = (note("splat", kept=int(keep.sum()), dropped=int((~keep).sum())),)
    return Mesh(
        vertices[keep],
        to_bytes(colours[keep]),
        np.empty((0, 3), np.int64),
        notes=notes,
        tilted=True,
    )


def _stray(vertices: NDArray[np.float64], keep: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Points far from their neighbours, in deviations of such distances (Rusu et al., 2008)."""
    from scipy.spatial import cKDTree

    points = vertices[keep]
    if len(points) < 3:
        return np.zeros(len(vertices), bool)
    far = cKDTree(points).query(points, k=min(9, len(points)))[0][:, 1:].mean(axis=1)
    stray = np.zeros(len(vertices), bool)
    stray[np.flatnonzero(keep)] = far > np.median(far) * 5 + 1e-9
    return stray
