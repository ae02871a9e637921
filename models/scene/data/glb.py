"""Binary glTF 2.0 (Khronos), read strictly: triangles and points of all meshes in the default scene's frame.

A reader of our own, because colours are what a scan is asked about: normalised integers, COLOR_0 times
baseColorFactor in linear light, KHR_texture_transform and KHR_mesh_quantization are honoured, and whatever
else a file requires is refused by name. No reference to another file is ever followed.
"""

import base64
import binascii
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.core.errors import UserError
from models.core.notes import note
from models.core.upload_validation import MAX_JSON, MAX_UNPACKED, check_file, kind, parse_json
from models.scene.data.mesh_io import (
    GREY,
    MAX_FACES,
    MAX_VERTICES,
    Mesh,
    Paint,
    check_counts,
    check_faces,
    check_images,
    linear,
    painted,
    pixels_of,
)

MAX_PARTS = 20_000
MAX_DEPTH = 256
_Y_UP_TO_Z_UP = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], np.float64)
_DATA = "data:"
_LISTS = ("nodes", "meshes", "accessors", "bufferViews", "buffers", "materials", "textures", "images")
# What a file may require: these are honoured, or only say how light plays on a surface.
_HONOURED = (
    "KHR_texture_transform",
    "KHR_mesh_quantization",
    "KHR_lights_punctual",
    "EXT_texture_webp",
    "KHR_xmp_json_ld",
)
_SHADING = "KHR_materials_"
_TYPES = {5120: "i1", 5121: "u1", 5122: "i2", 5123: "u2", 5125: "u4", 5126: "f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
_BYTES = 5121
_POINTS, _TRIANGLES, _STRIP, _FAN = 0, 4, 5, 6


def read_glb(path: Path) -> Mesh:
    """The meshes and clouds of a GLB in one, its scene graph applied, textures as vertex colours, z up.

    Raises UserError: file_type, mesh_external (a buffer or image lies in another
    file), mesh_extension (it requires what isn't read here), image_broken, image_too_big, scan_empty,
    scan_too_many, scan_faces, mesh_broken.
    """
    check_file(path)
    if kind(path) != "glb":
        raise UserError("file_type", name=path.name, kind="GLB")
    data = path.read_bytes()
    try:
        tree, binary = _chunks(data, path.name)
        _check_gltf(tree, binary, path.name)
        mesh = _Reader(tree, binary, path.name).mesh()
    except (
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        OverflowError,
        struct.error,
        binascii.Error,
        RecursionError,
    ):
        raise UserError("mesh_broken", name=path.name) from None
    return mesh


def _chunks(data: bytes, name: str) -> tuple[dict[str, Any], bytes]:
    """The JSON and the binary chunk of a GLB; struct.error where it is too short."""
    length, tag = struct.unpack_from("<I4s", data, 12)
    if tag != b"JSON" or length > MAX_JSON or 20 + length > len(data):
        raise ValueError("no JSON chunk")
    tree = parse_json(data[20 : 20 + length], name)
    if not isinstance(tree, dict):
        raise TypeError("not an object")
    return tree, data[28 + length :]


def _check_gltf(tree: Mapping[str, Any], binary: bytes, name: str) -> None:
    """Bounds on what the JSON makes a reader do; no reference to another file."""
    primitives = sum(len(mesh["primitives"]) for mesh in tree.get("meshes", ()))
    if max(primitives, *(len(tree.get(part, ())) for part in _LISTS)) > MAX_PARTS:
        raise ValueError("too many parts")
    for entry in [*tree.get("buffers", ()), *tree.get("images", ())]:
        if "uri" in entry and not str(entry["uri"]).startswith(_DATA):
            raise UserError("mesh_external", name=name)
    views = [int(view["byteLength"]) for view in tree.get("bufferViews", ())]
    items = [int(accessor["count"]) for accessor in tree.get("accessors", ())]
    if min([0, *views, *items]) < 0:
        raise ValueError("negative size")
    if sum(views) > MAX_UNPACKED or sum(items) > 4 * (MAX_VERTICES + MAX_FACES):
        raise UserError("scan_too_many", name=name, count=sum(items), limit=MAX_VERTICES)
    for extension in map(str, tree.get("extensionsRequired", ())):
        if extension not in _HONOURED and not extension.startswith(_SHADING):
            raise UserError("mesh_extension", name=name, extension=extension[:60])
    _check_tree(tree.get("nodes", ()))


def _check_tree(nodes: Sequence[Mapping[str, Any]]) -> None:
    """Every node has one parent at most and none is its own ancestor (glTF 2.0, 3.5.1): readers trust it."""
    parent: dict[int, int] = {}
    for index, node in enumerate(nodes):
        for child in node.get("children", ()):
            if child in parent:
                raise ValueError("two parents")
            parent[child] = index
    for index in range(len(nodes)):
        step: int | None = index
        for _ in range(MAX_DEPTH):
            step = None if step is None else parent.get(step)
        if step is not None:
            raise ValueError("a cycle")


@dataclass(frozen=True)
class _Part:
    """A primitive in the world: vertices, triangles, and how these are painted."""

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    uv: NDArray[np.float64]  # (N, 2), v up
    image: int
    shade: NDArray[np.float64]  # (N, 3) linear
    coloured: bool


class _Reader:
    """Reads what the nodes of one file show."""

    def __init__(self, tree: Mapping[str, Any], binary: bytes, name: str) -> None:
        self.tree, self.binary, self.name = tree, binary, name
        self.images: list[tuple[bytes, str]] = []
        self._image_of: dict[int, int] = {}
        self._buffers: dict[int, bytes] = {}

    def mesh(self) -> Mesh:
        """All that the default scene shows, z up."""
        count = triangles = 0
        parts: list[_Part] = []
        for node, transform in self._placed():
            for primitive in self.tree["meshes"][node["mesh"]]["primitives"]:
                mode = primitive.get("mode", _TRIANGLES)
                if (
                    mode not in (_POINTS, _TRIANGLES, _STRIP, _FAN)
                    or "POSITION" not in primitive["attributes"]
                ):
                    continue
                part = self._part(primitive, mode, transform)
                count, triangles = count + len(part.vertices), triangles + len(part.faces)
                check_counts(self.name, max(count, 1), triangles)
                parts.append(part)
        check_counts(self.name, count, triangles)
        check_images(self.images)
        return self._joined(parts)

    def _joined(self, parts: Sequence[_Part]) -> Mesh:
        starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
        vertices = np.concatenate([part.vertices for part in parts]) @ _Y_UP_TO_Z_UP.T
        faces = np.concatenate([part.faces + start for part, start in zip(parts, starts[:-1], strict=True)])
        check_faces(faces, len(vertices), self.name)
        if not any(part.coloured for part in parts):
            return Mesh(vertices, None, faces)
        images = tuple(pixels_of(data, name) for data, name in self.images)
        uv = np.concatenate([part.uv for part in parts])
        shade = np.concatenate([part.shade for part in parts])
        number = np.repeat([part.image for part in parts], [len(part.vertices) for part in parts])
        # Vertices are coloured one by one first, so that points without faces are coloured too.
        single = Paint(uv[:, None], number, images, shade[:, None])
        colours = painted(single, np.empty((0, 3), np.int64), None, len(vertices))
        bare = np.repeat([not part.coloured for part in parts], [len(part.vertices) for part in parts])
        colours[bare] = GREY
        paint = Paint(
            uv[faces], number[faces[:, 0]] if len(faces) else np.empty(0, np.int64), images, shade[faces]
        )
        notes = () if not bare.any() else (note("partly_grey", name=self.name),)
        return Mesh(vertices, colours, faces, notes=notes, paint=paint)

    def _placed(self) -> list[tuple[Mapping[str, Any], NDArray[np.float64]]]:
        """Nodes with a mesh that the default scene reaches, and their transforms (4, 4)."""
        nodes = self.tree.get("nodes", ())
        scenes = self.tree.get("scenes")
        children = {child for node in nodes for child in node.get("children", ())}
        roots = [index for index in range(len(nodes)) if index not in children]
        if scenes:
            roots = scenes[self.tree.get("scene", 0)].get("nodes", ())
        found: list[tuple[Mapping[str, Any], NDArray[np.float64]]] = []
        waiting = [(int(root), np.eye(4)) for root in roots]
        while waiting:
            index, above = waiting.pop()
            if index < 0 or len(found) > MAX_PARTS:
                raise ValueError("too many nodes")
            node = nodes[index]
            transform = above @ _transform(node)
            waiting += [(int(child), transform) for child in node.get("children", ())]
            if "mesh" in node:
                found.append((node, transform))
        return found

    def _part(self, primitive: Mapping[str, Any], mode: int, transform: NDArray[np.float64]) -> _Part:
        attributes = primitive["attributes"]
        points = self._accessor(attributes["POSITION"])[:, :3]
        count = len(points)
        faces = np.empty((0, 3), np.int64)
        if mode != _POINTS:
            indices = np.arange(count)
            if "indices" in primitive:
                indices = self._accessor(primitive["indices"])[:, 0].astype(np.int64)
            faces = _triangles(indices, mode)
        check_faces(faces, count, self.name)
        factor, texture = self._material(primitive.get("material"))
        shade = np.broadcast_to(factor, (count, 3))
        coloured = "COLOR_0" in attributes
        if coloured:
            own = self._accessor(attributes["COLOR_0"])[:, :3]
            of = self.tree["accessors"][int(attributes["COLOR_0"])]["componentType"]
            # Linear by the standard; but trimesh and Open3D write sRGB bytes, and no material.
            as_seen = of == _BYTES and ("material" not in primitive or mode == _POINTS)
            shade = shade * (linear(own) if as_seen else own)
        image, uv = -1, np.zeros((count, 2))
        if texture is not None:
            slot, transform_uv, source = texture
            if f"TEXCOORD_{slot}" in attributes:
                image, uv = (
                    source,
                    self._accessor(attributes[f"TEXCOORD_{slot}"])[:, :2] @ transform_uv[:2, :2].T,
                )
                uv = uv + transform_uv[:2, 2]
        uv = np.stack([uv[:, 0], 1 - uv[:, 1]], axis=1)  # glTF counts rows from above
        # A material without a texture that leaves everything white says nothing about colour.
        says = coloured or image >= 0 or ("material" in primitive and not (factor == 1).all())
        vertices = points @ transform[:3, :3].T + transform[:3, 3]
        return _Part(vertices, faces, uv, image, np.asarray(shade, np.float64), says)

    def _material(
        self, index: int | None
    ) -> tuple[NDArray[np.float64], tuple[int, NDArray[np.float64], int] | None]:
        """The linear factor (3,) of a material; and its texture: slot of coordinates, transform, image."""
        if index is None:
            return np.ones(3), None
        material = self.tree["materials"][int(index)]
        gloss = material.get("extensions", {}).get("KHR_materials_pbrSpecularGlossiness")
        rough = material.get("pbrMetallicRoughness", {})
        factor = gloss.get("diffuseFactor") if gloss else rough.get("baseColorFactor")
        texture = gloss.get("diffuseTexture") if gloss else rough.get("baseColorTexture")
        light = np.ones(3) if factor is None else np.array(factor[:3], np.float64)
        if light.shape != (3,):
            raise ValueError("a factor of three colours")
        if texture is None or (source := self._source(int(texture["index"]))) is None:
            return light, None
        moved = texture.get("extensions", {}).get("KHR_texture_transform", {})
        slot = int(moved.get("texCoord", texture.get("texCoord", 0)))
        return light, (slot, _texture_transform(moved), source)

    def _source(self, index: int) -> int | None:
        """Which of `images` a texture shows; None where the only form of it isn't read here."""
        texture = self.tree["textures"][index]
        extensions = texture.get("extensions", {})
        source = extensions.get("EXT_texture_webp", {}).get("source", texture.get("source"))
        if source is None:
            raise UserError("mesh_extension", name=self.name, extension=", ".join(extensions)[:60] or "?")
        if source not in self._image_of:
            self._image_of[source] = len(self.images)
            self.images.append((self._embedded(self.tree["images"][int(source)]), self.name))
        return self._image_of[source]

    def _embedded(self, image: Mapping[str, Any]) -> bytes:
        """The bytes of an image: in its data URI, or a view of a buffer."""
        if "uri" in image:
            return base64.b64decode(str(image["uri"]).partition(",")[2])
        view = self.tree["bufferViews"][image["bufferView"]]
        start = int(view.get("byteOffset", 0))
        return self._buffer(int(view["buffer"]))[start : start + int(view["byteLength"])]

    def _buffer(self, index: int) -> bytes:
        if index not in self._buffers:
            uri = self.tree["buffers"][index].get("uri")
            self._buffers[index] = (
                self.binary if uri is None else base64.b64decode(str(uri).partition(",")[2])
            )
        return self._buffers[index]

    def _accessor(self, index: int) -> NDArray[np.float64]:
        """(N, C) of an accessor, normalised integers as -1 to 1 or 0 to 1, sparse ones filled in."""
        accessor = self.tree["accessors"][int(index)]
        count, width = int(accessor["count"]), _WIDTHS[accessor["type"]]
        of = np.dtype("<" + _TYPES[accessor["componentType"]])
        values = np.zeros((count, width), of)
        if "bufferView" in accessor:
            start = int(accessor.get("byteOffset", 0))
            values = self._values(accessor["bufferView"], start, of, count, width)
        if sparse := accessor.get("sparse"):
            at, wanted = sparse["indices"], int(sparse["count"])
            where = self._values(
                at["bufferView"],
                int(at.get("byteOffset", 0)),
                np.dtype("<" + _TYPES[at["componentType"]]),
                wanted,
                1,
            )[:, 0]
            other = sparse["values"]
            values = values.copy()
            values[where.astype(np.int64)] = self._values(
                other["bufferView"], int(other.get("byteOffset", 0)), of, wanted, width
            )
        if accessor.get("normalized") and of.kind in "iu":
            return np.maximum(values / float(np.iinfo(of).max), -1.0)
        return values.astype(np.float64)

    def _values(self, view_index: int, offset: int, of: np.dtype, count: int, width: int) -> NDArray:
        view = self.tree["bufferViews"][int(view_index)]
        buffer, start = self._buffer(int(view["buffer"])), int(view.get("byteOffset", 0)) + offset
        step = int(view.get("byteStride", 0)) or of.itemsize * width
        if start < 0 or step < of.itemsize * width or count < 0:
            raise ValueError("a view of nothing")
        if count and start + step * (count - 1) + of.itemsize * width > len(buffer):
            raise ValueError("a view beyond its buffer")
        return (
            np.ndarray((count, width), of, buffer, start, (step, of.itemsize))
            if count
            else np.zeros((0, width), of)
        )


def _triangles(indices: NDArray[np.int64], mode: int) -> NDArray[np.int64]:
    """(M, 3) of a list, a strip or a fan."""
    if mode == _TRIANGLES:
        return indices[: len(indices) // 3 * 3].reshape(-1, 3)
    if len(indices) < 3:
        return np.empty((0, 3), np.int64)
    if mode == _FAN:
        first = np.full(len(indices) - 2, indices[0])
        return np.stack([first, indices[1:-1], indices[2:]], axis=1)
    strip = np.stack([indices[:-2], indices[1:-1], indices[2:]], axis=1)
    strip[1::2] = strip[1::2, ::-1]
    return strip


def _transform(node: Mapping[str, Any]) -> NDArray[np.float64]:
    """(4, 4) of a node: its matrix, column by column, or scale, rotation (a quaternion), translation."""
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T
    x, y, z, w = np.array(node.get("rotation", (0, 0, 0, 1)), np.float64)
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    result = np.eye(4)
    result[:3, :3] = turn * np.array(node.get("scale", (1, 1, 1)), np.float64)
    result[:3, 3] = np.array(node.get("translation", (0, 0, 0)), np.float64)
    return result


def _texture_transform(moved: Mapping[str, Any]) -> NDArray[np.float64]:
    """(3, 3) of KHR_texture_transform: scaled, turned, moved."""
    angle = float(moved.get("rotation", 0))
    cos, sin = np.cos(angle), np.sin(angle)
    scale, offset = moved.get("scale", (1, 1)), moved.get("offset", (0, 0))
    turn = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    grow = np.diag([float(scale[0]), float(scale[1]), 1.0])
    shift = np.array([[1, 0, float(offset[0])], [0, 1, float(offset[1])], [0, 0, 1]])
    return shift @ turn @ grow
