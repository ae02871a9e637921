"""OBJ and GLB files through trimesh, after checks that keep it from reading or allocating what it should not.

A file may name only files that came with it; glTF 2.0 (Khronos) is y-up and is
turned to z-up, OBJ has no convention and is taken as it stands.
"""

import base64
import io
import struct
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.core.errors import UserError
from models.core.guards import MAX_JSON, MAX_UNPACKED, check_file, kind, parse_json
from models.scene.ply import MAX_FACES, MAX_VERTICES, Geometry, check_faces, to_bytes

MAX_PIXELS = 8192 * 8192
MAX_NODES = 20_000
MAX_DEPTH = 256
_Y_UP_TO_Z_UP = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], np.float64)
_DATA = "data:"


def read_obj(path: Path, companions: Sequence[Path]) -> Geometry:
    """The mesh of an OBJ file, its textures as vertex colours.

    companions: the .mtl and image files that came with it; nothing else is opened.
    Raises UserError: file_type, scan_empty, scan_too_many, image_broken, image_too_big,
    scan_faces, mesh_broken. A material or image that did not come along is no error: the mesh is grey.
    """
    check_file(path)
    data = path.read_bytes()
    if kind(path) != "text" or b"v" not in data:
        raise UserError("file_type", name=path.name, kind="OBJ")
    vertices = data.count(b"\nv ") + data.count(b"\nv\t") + data.startswith((b"v ", b"v\t"))
    faces = data.count(b"\nf ") + data.count(b"\nf\t")
    _check_counts(path.name, vertices, faces)
    # A face may list any number of corners: bound what the triangles could be by the slashes and blanks.
    if faces and data.count(b" ") > 8 * (MAX_FACES + MAX_VERTICES):
        raise UserError("scan_too_many", name=path.name, count=faces, limit=MAX_FACES)
    _check_images([(path.read_bytes(), path.name) for path in companions if path.suffix.lower() != ".mtl"])
    return Geometry(*_baked(path.name, data, "obj", companions))


def read_glb(path: Path) -> Geometry:
    """The meshes of a binary glTF in one, its scene graph applied, its textures as vertex colours, z up.

    Raises UserError: file_type, mesh_external (a buffer or image lies in another
    file), mesh_compressed, image_broken, image_too_big, scan_empty, scan_too_many,
    scan_faces, mesh_broken.
    """
    check_file(path)
    if kind(path) != "glb":
        raise UserError("file_type", name=path.name, kind="GLB")
    data = path.read_bytes()
    try:
        _check_gltf(*_gltf(data, path.name), path.name)
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, struct.error):
        raise UserError("mesh_broken", name=path.name) from None
    vertices, colours, faces = _baked(path.name, data, "glb", ())
    return Geometry(vertices @ _Y_UP_TO_Z_UP.T, colours, faces)


def _check_counts(name: str, vertices: int, faces: int) -> None:
    if vertices == 0:
        raise UserError("scan_empty", name=name)
    for count, limit in ((vertices, MAX_VERTICES), (faces, MAX_FACES)):
        if count > limit:
            raise UserError("scan_too_many", name=name, count=count, limit=limit)


def _gltf(data: bytes, name: str) -> tuple[dict[str, Any], bytes]:
    """The JSON and the binary chunk of a GLB; struct.error where it is too short."""
    length, tag = struct.unpack_from("<I4s", data, 12)
    if tag != b"JSON" or length > MAX_JSON or 20 + length > len(data):
        raise ValueError("no JSON chunk")
    tree = parse_json(data[20 : 20 + length], name)
    if not isinstance(tree, dict):
        raise TypeError("not an object")
    return tree, data[28 + length :]


def _check_gltf(tree: Mapping[str, Any], binary: bytes, name: str) -> None:
    """Bounds on what the JSON makes a reader copy or allocate; no reference to another file."""
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
    _check_images([(_embedded(image, tree, binary), name) for image in tree.get("images", ())])


def _check_tree(nodes: Sequence[Mapping[str, Any]]) -> None:
    """Every node has one parent at most and none is its own ancestor (glTF 2.0, 3.5.1): readers trust it."""
    if len(nodes) > MAX_NODES:
        raise ValueError("too many nodes")
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


def _check_images(images: Sequence[tuple[bytes, str]]) -> None:
    """Kind and size of images by their headers alone; their pixels count together."""
    from PIL import Image

    pixels = 0
    for data, name in images:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            try:
                width, height = Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP")).size
            except Image.DecompressionBombError:
                width = height = MAX_PIXELS
            except (OSError, ValueError, SyntaxError):
                raise UserError("image_broken", name=name) from None
        pixels += width * height
        if pixels > MAX_PIXELS:
            raise UserError("image_too_big", name=name, limit=MAX_PIXELS // 1_000_000)


class _Companions(Mapping[str, bytes]):
    """What trimesh may open while it reads an OBJ: the files that came along, by base name, nothing else."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = {path.name.lower(): path for path in paths}

    def __getitem__(self, name: str) -> bytes:
        return self.paths[name.strip().replace("\\", "/").rsplit("/", 1)[-1].lower()].read_bytes()

    def __iter__(self) -> Iterator[str]:
        return iter(self.paths)

    def __len__(self) -> int:
        return len(self.paths)


def _baked(
    name: str, data: bytes, file_type: str, companions: Sequence[Path]
) -> tuple[NDArray[np.float64], NDArray[np.uint8] | None, NDArray[np.int64]]:
    """Vertices, colours and faces of all meshes and clouds of a file in its world frame."""
    import trimesh

    try:
        scene = trimesh.load_scene(
            io.BytesIO(data), file_type=file_type, resolver=_Companions(companions), process=False
        )
        placed = [scene.graph[node] for node in scene.graph.nodes_geometry]
        shapes = [(scene.geometry[mesh], transform) for transform, mesh in placed]
        shapes = [(shape, transform) for shape, transform in shapes if hasattr(shape, "vertices")]
        _check_counts(
            name,
            sum(len(shape.vertices) for shape, _ in shapes),
            sum(len(getattr(shape, "faces", ())) for shape, _ in shapes),
        )
        vertices, colours, faces = _merged(shapes)
    except (UserError, MemoryError):
        raise
    except Exception:  # trimesh raises whatever its parsers stumble over
        raise UserError("mesh_broken", name=name) from None
    check_faces(faces, len(vertices), name)
    return vertices, colours, faces


def _merged(
    shapes: Sequence[tuple[Any, NDArray[np.float64]]],
) -> tuple[NDArray[np.float64], NDArray[np.uint8] | None, NDArray[np.int64]]:
    vertices, colours, faces, count = [], [], [], 0
    for shape, transform in shapes:
        points = np.asarray(shape.vertices, np.float64)
        vertices.append(points @ transform[:3, :3].T + transform[:3, 3])
        colours.append(_colours(shape, len(points)))
        faces.append(np.asarray(getattr(shape, "faces", np.empty((0, 3))), np.int64).reshape(-1, 3) + count)
        count += len(points)
    known = [colour for colour in colours if colour is not None]
    grey = [
        np.full((len(p), 3), 160, np.uint8) if c is None else c
        for p, c in zip(vertices, colours, strict=True)
    ]
    return np.concatenate(vertices), np.concatenate(grey) if known else None, np.concatenate(faces)


def _painted(visual: Any, count: int) -> NDArray[np.uint8]:
    """(N, 4) colours of the texture at each vertex, or of the plain material."""
    sampled = visual.material.to_color(visual.uv) if visual.uv is not None else None
    if sampled is None or np.shape(sampled) != (count, 4):
        return np.tile(visual.material.main_color, (count, 1))
    return np.asarray(sampled)


def _colours(shape: Any, count: int) -> NDArray[np.uint8] | None:
    """(N, 3) colours of a trimesh shape, sampled from its texture at each vertex; None where it has none."""
    if hasattr(shape, "colors"):  # a cloud
        found = np.asarray(shape.colors)
    elif getattr(shape.visual, "kind", None) == "texture":
        found = _painted(shape.visual, count)
    elif getattr(shape.visual, "kind", None) in ("vertex", "face"):
        found = np.asarray(shape.visual.vertex_colors)
    else:
        return None
    return to_bytes(found[:, :3]) if found.ndim == 2 and len(found) == count else None
