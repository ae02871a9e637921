"""Binary glTF 2.0 (Khronos) through trimesh, after checks that bound what it copies, allocates and opens."""

import base64
import io
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.core.errors import UserError
from models.core.upload_validation import MAX_JSON, MAX_UNPACKED, check_file, kind, parse_json
from models.scene.data.mesh_io import (
    GREY,
    MAX_FACES,
    MAX_VERTICES,
    Mesh,
    check_counts,
    check_faces,
    check_images,
    sampled,
    to_bytes,
)

MAX_PARTS = 20_000
MAX_DEPTH = 256
_Y_UP_TO_Z_UP = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], np.float64)
_DATA = "data:"
_LISTS = ("nodes", "meshes", "accessors", "bufferViews", "buffers", "materials", "textures", "images")


def read_glb(path: Path) -> Mesh:
    """The meshes and clouds of a GLB in one, its scene graph applied, textures as vertex colours, z up.

    Raises UserError: file_type, mesh_external (a buffer or image lies in another
    file), mesh_compressed, image_broken, image_too_big, scan_empty, scan_too_many,
    scan_faces, mesh_broken.
    """
    check_file(path)
    if kind(path) != "glb":
        raise UserError("file_type", name=path.name, kind="GLB")
    data = path.read_bytes()
    try:
        tree, binary = _chunks(data, path.name)
        _check_gltf(tree, binary, path.name)
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, struct.error):
        raise UserError("mesh_broken", name=path.name) from None
    mesh = _baked(path.name, data)
    return Mesh(mesh.vertices @ _Y_UP_TO_Z_UP.T, mesh.colours, mesh.faces)


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
        if not entry.get("uri", _DATA).startswith(_DATA):
            raise UserError("mesh_external", name=name)
    views = [int(view["byteLength"]) for view in tree.get("bufferViews", ())]
    items = [int(accessor["count"]) for accessor in tree.get("accessors", ())]
    if min([0, *views, *items]) < 0:
        raise ValueError("negative size")
    if sum(views) > MAX_UNPACKED or sum(items) > 4 * (MAX_VERTICES + MAX_FACES):
        raise UserError("scan_too_many", name=name, count=sum(items), limit=MAX_VERTICES)
    required = [str(extension) for extension in tree.get("extensionsRequired", ())]
    if any("compression" in extension for extension in required):
        raise UserError("mesh_compressed", name=name)
    _check_tree(tree.get("nodes", ()))
    check_images([(_embedded(image, tree, binary), name) for image in tree.get("images", ())])


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


def _embedded(image: Mapping[str, Any], tree: Mapping[str, Any], binary: bytes) -> bytes:
    """The bytes of a glTF image: in its data URI, or a view of the file's own binary chunk."""
    if "uri" in image:
        return base64.b64decode(image["uri"].partition(",")[2])
    view = tree["bufferViews"][image["bufferView"]]
    source = tree["buffers"][view["buffer"]].get("uri")
    buffer = binary if source is None else base64.b64decode(source.partition(",")[2])
    start = int(view.get("byteOffset", 0))
    return buffer[start : start + int(view["byteLength"])]


def _baked(name: str, data: bytes) -> Mesh:
    """All meshes and clouds of the file in its world frame, still y up."""
    import trimesh

    try:
        scene = trimesh.load_scene(io.BytesIO(data), file_type="glb", resolver={}, process=False)
        placed = [scene.graph[node] for node in scene.graph.nodes_geometry]
        shapes = [(scene.geometry[mesh], transform) for transform, mesh in placed]
        shapes = [(shape, transform) for shape, transform in shapes if hasattr(shape, "vertices")]
        check_counts(
            name,
            sum(len(shape.vertices) for shape, _ in shapes),
            sum(len(getattr(shape, "faces", ())) for shape, _ in shapes),
        )
        mesh = _merged(shapes)
    except (UserError, MemoryError):
        raise
    except Exception:  # trimesh raises whatever its parsers stumble over
        raise UserError("mesh_broken", name=name) from None
    check_faces(mesh.faces, len(mesh.vertices), name)
    return mesh


def _merged(shapes: Sequence[tuple[Any, NDArray[np.float64]]]) -> Mesh:
    vertices, colours, faces, count = [], [], [], 0
    textures: dict[int, NDArray[np.uint8]] = {}
    for shape, transform in shapes:
        points = np.asarray(shape.vertices, np.float64)
        vertices.append(points @ transform[:3, :3].T + transform[:3, 3])
        colours.append(_colours(shape, len(points), textures))
        faces.append(np.asarray(getattr(shape, "faces", np.empty((0, 3))), np.int64).reshape(-1, 3) + count)
        count += len(points)
    return Mesh(np.concatenate(vertices), np.concatenate(colours), np.concatenate(faces))


def _colours(shape: Any, count: int, textures: dict[int, NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """(N, 3) colours of a trimesh shape: its own, its texture's at each vertex, or its material's.

    textures: decoded images by the id of what trimesh opened; many shapes share one.
    """
    visual = getattr(shape, "visual", None)
    found: Any = None
    if visual is None:  # a cloud
        found = getattr(shape, "colors", None)
    elif visual.kind == "texture":
        image, uv = visual.material.baseColorTexture, visual.uv
        if image is not None and uv is not None and len(uv) == count:
            if id(image) not in textures:
                textures[id(image)] = np.asarray(image.convert("RGB"))
            return sampled(textures[id(image)], np.asarray(uv, np.float64))
        found = np.tile(visual.material.main_color, (count, 1))
    elif visual.kind is not None:
        found = visual.vertex_colors
    if found is None or np.ndim(found) != 2 or len(found) != count:
        return np.full((count, 3), GREY, np.uint8)
    return to_bytes(np.asarray(found)[:, :3])
