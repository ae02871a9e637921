"""Files of a scan -> Scan: ScanNet's own, benchmark predictions, any coloured PLY, OBJ, GLB, or a zip.

`load` is the one door for the page and the command line; it trusts nothing in
the files. Which file is what goes by ScanNet's names (Dai et al., CVPR 2017),
what is in it by its bytes; no path is ever taken from inside a file.
"""

import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.core.errors import UserError
from models.core.upload_validation import (
    MAX_ENTRIES,
    MAX_UNPACKED,
    check_file,
    kind,
    megabytes,
    read_json,
    unpack,
)
from models.scene.data import nyu40
from models.scene.data.glb import read_glb
from models.scene.data.mesh_io import GREY, Mesh
from models.scene.data.obj import read_obj
from models.scene.data.ply import read_ply
from models.scene.data.proposals import apply_predictions, is_prediction_list
from models.scene.data.scan import Scan, instances_of
from models.scene.segmentation.gravity_alignment import UNITS, unit_of

MESHES = (".ply", ".obj", ".glb")
SUFFIXES = (*MESHES, ".json", ".txt", ".mtl", ".png", ".jpg", ".jpeg")
MIN_VERTICES = 4
MAX_LOST = 0.01
MAX_EXTENT = 200.0
MAX_COORDINATE = 10_000.0
MIN_COMPONENT = 50
MAX_OBJECTS = 2000


def load(paths: Sequence[Path], name: str | None = None, workdir: Path | None = None) -> Scan:
    """The scan whose files `paths` are, or are zipped in; files of no use are passed over.

    Labels come from the first that is there: aggregation with segs, labels.ply,
    a benchmark prediction; else the scan has no instances. name: of the scan, the
    mesh file's by default. workdir: where zips are unpacked for as long as the call
    lasts, the system's place for such by default. A scan without any ScanNet file is
    taken to be z-up (PLY, OBJ) or y-up (GLB), and its unit is guessed from its extent.
    Raises UserError with the fault of the first bad file.
    """
    if not paths:
        raise UserError("no_file")
    if len(paths) > MAX_ENTRIES:
        raise UserError("files_many", count=len(paths), limit=MAX_ENTRIES)
    with tempfile.TemporaryDirectory(prefix="trilab-scan-", dir=workdir) as private:
        files: list[Path] = []
        for number, path in enumerate(paths):
            if path.suffix.lower() == ".zip":
                check_file(path)
                if kind(path) != "zip":
                    raise UserError("file_type", name=path.name, kind="ZIP")
                folder = Path(private) / str(number)
                folder.mkdir()
                files += unpack(path, folder, SUFFIXES)
            elif path.suffix.lower() in SUFFIXES:
                files.append(path)
        size = sum(check_file(path) for path in files)
        if size > MAX_UNPACKED:
            raise UserError("files_too_big", size=megabytes(size), limit=megabytes(MAX_UNPACKED))
        return _assemble(files, name)


def load_folder(path: Path) -> Scan:
    """The scan in a folder (and its predicted_masks/), or in one file, as it lies on disk."""
    if not path.exists():
        raise UserError("file_missing", name=path.name)
    if not path.is_dir():
        return load([path])
    files = [*path.iterdir(), *path.glob("predicted_masks/*.txt")]
    return load(sorted(file for file in files if file.is_file() and file.suffix.lower() in SUFFIXES))


def _assemble(files: Sequence[Path], name: str | None) -> Scan:
    labelled = _pick(files, "labels.ply", lambda path: "_vh_clean_2" not in path.name)
    mesh = _pick_mesh(files) or labelled
    if mesh is None:
        raise UserError("scan_no_mesh")
    stem = re.sub(r"(_vh_clean(_2)?)?(\.labels)?\.(ply|obj|glb)$", "", mesh.name, flags=re.IGNORECASE)
    aggregation = _pick(files, ".aggregation.json", lambda path: "_vh_clean" in path.name)
    segs = _pick(files, ".segs.json", lambda path: "_vh_clean_2" not in path.name)
    meta, listing = _text_files(files, stem)
    annotated = bool(aggregation or segs or labelled or listing)
    if annotated and mesh.suffix.lower() != ".ply":
        raise UserError("labels_need_ply", name=mesh.name)

    geometry = _geometry(mesh, files)
    count = len(geometry.vertices)
    labels: Mapping[int, str] = {}
    vertex_instance = np.full(count, -1, np.int32)
    if aggregation and segs:
        vertex_instance, labels = _annotated(aggregation, segs, count)
    elif labelled and labelled != mesh:
        vertex_instance, labels = _components(read_ply(labelled), count, labelled.name)
    elif geometry.labels is not None:
        vertex_instance, labels = _components(geometry, count, mesh.name)
    elif (aggregation or segs) and not listing:
        raise UserError("scan_incomplete", missing=".segs.json" if aggregation else ".aggregation.json")

    vertices, keep = _sane(geometry.vertices, mesh.name)
    unit = "m" if annotated or meta else unit_of(float(np.ptp(vertices, axis=0).max()))
    vertices = vertices * UNITS[unit]
    _check_extent(vertices, mesh.name)
    colours = geometry.colours if geometry.colours is not None else np.full((count, 3), GREY, np.uint8)
    scan = Scan(
        name=(name or stem)[:80],
        vertices=vertices.astype(np.float32),
        colours=np.ascontiguousarray(colours[keep]),
        faces=_kept(geometry.faces, keep),
        vertex_instance=vertex_instance[keep],
        alignment=_alignment(meta) if meta else np.eye(4),
        unit=unit,
    )
    if labels:
        return replace(scan, instances=instances_of(scan.aligned, scan.colours, scan.vertex_instance, labels))
    if listing:
        return apply_predictions(scan, listing, {path.name: path for path in files})
    return scan


def _pick(files: Sequence[Path], ending: str, worse: Callable[[Path], bool]) -> Path | None:
    """The file of that ending; of several the one that isn't `worse`. Two equals are two scans."""
    found = sorted((path for path in files if path.name.lower().endswith(ending)), key=worse)
    if len(found) > 1 and worse(found[0]) == worse(found[1]):
        raise UserError("scan_many", first=found[0].name, second=found[1].name)
    return found[0] if found else None


def _pick_mesh(files: Sequence[Path]) -> Path | None:
    meshes = [
        path for path in files if path.suffix.lower() in MESHES and not path.name.endswith("labels.ply")
    ]
    return _pick(meshes, "", lambda path: not path.name.endswith("_vh_clean_2.ply"))


def _text_files(files: Sequence[Path], stem: str) -> tuple[Path | None, Path | None]:
    """The scan's .txt with its alignment, and its list of predicted masks; both may be called SCENE.txt."""
    metas, listings = [], []
    for path in files:
        if path.suffix.lower() == ".txt":
            with path.open("rb") as file:
                head = file.read(2**16).decode("ascii", "replace")
            if "axisAlignment" in head:
                metas.append(path)
            elif is_prediction_list(head):
                listings.append(path)

    def of_another_scan(path: Path) -> bool:
        return path.stem != stem

    return _pick(metas, "", of_another_scan), _pick(listings, "", of_another_scan)


def _geometry(mesh: Path, files: Sequence[Path]) -> Mesh:
    match mesh.suffix.lower():
        case ".ply":
            return read_ply(mesh)
        case ".glb":
            return read_glb(mesh)
        case _:
            return read_obj(
                mesh, [path for path in files if path.suffix.lower() not in (*MESHES, ".json", ".txt")]
            )


def _annotated(aggregation: Path, segs: Path, count: int) -> tuple[NDArray[np.int32], dict[int, str]]:
    """Each vertex's objectId, and the label of each object: an object is a list of segments of vertices."""
    segments = _segment_indices(read_json(segs), segs.name)
    if len(segments) != count:
        raise UserError("segs_mismatch", name=segs.name, found=len(segments), vertices=count)
    known, segment_of_vertex = np.unique(segments, return_inverse=True)
    owner = np.full(len(known), -1, np.int32)
    labels: dict[int, str] = {}
    for identity, label, listed in _groups(read_json(aggregation), aggregation.name):
        at = np.searchsorted(known, listed)
        at = at[(at < len(known)) & (known[np.minimum(at, len(known) - 1)] == listed)]
        owner[at] = identity
        labels.setdefault(identity, label)
    if not (owner >= 0).any():
        raise UserError("aggregation_mismatch", name=aggregation.name, segs=segs.name)
    return owner[segment_of_vertex], labels


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
            identity, label, listed = group["objectId"], group["label"], _whole_numbers(group["segments"])
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


def _components(classes: Mesh, count: int, name: str) -> tuple[NDArray[np.int32], dict[int, str]]:
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
    vertex_instance = np.full(len(pieces), -1, np.int32)
    labels: dict[int, str] = {}
    largest = np.argsort(-sizes, kind="stable")[:MAX_OBJECTS]
    for index in np.sort(largest[sizes[largest] >= MIN_COMPONENT]):
        if label := nyu40.name(int(classes.labels[first[index]])):
            vertex_instance[index] = len(labels)
            labels[len(labels)] = label
    return vertex_instance[piece], labels


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


def _sane(vertices: NDArray[np.float64], name: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Vertices that are numbers and near enough, and which; refused where more than MAX_LOST aren't."""
    finite = np.isfinite(vertices).all(1)
    near = (np.abs(vertices) < MAX_COORDINATE * 1000).all(1)  # the unit may be a millimetre
    limit = MAX_LOST * len(vertices)
    if (~finite).sum() > limit:
        raise UserError("scan_not_finite", name=name, bad=int((~finite).sum()), count=len(vertices))
    if (finite & ~near).sum() > limit:
        raise UserError("scan_far", name=name, limit=int(MAX_COORDINATE), extent=int(MAX_EXTENT))
    keep = np.logical_and(finite, near)
    if keep.sum() < MIN_VERTICES:
        raise UserError("scan_too_few", name=name, count=int(keep.sum()), minimum=MIN_VERTICES)
    return vertices[keep], keep


def _check_extent(vertices: NDArray[np.float64], name: str) -> None:
    extent = np.ptp(vertices, axis=0).max()
    if extent > MAX_EXTENT or np.abs(vertices).max() > MAX_COORDINATE:
        raise UserError("scan_far", name=name, limit=int(MAX_COORDINATE), extent=int(MAX_EXTENT))
    if extent < 0.01:
        raise UserError("scan_no_extent", name=name, count=len(vertices))


def _kept(faces: NDArray[np.int64], keep: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Faces whose three vertices are kept, in the new numbers."""
    if keep.all():
        return faces.astype(np.int32)
    renumbered = np.cumsum(keep) - 1
    return renumbered[faces[keep[faces].all(1)]].astype(np.int32)


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
