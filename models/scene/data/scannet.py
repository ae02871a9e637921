"""Files of a scan -> Scan: ScanNet's own, benchmark predictions, any coloured PLY, OBJ, GLB, or a zip.

`load` is the one door for the page and the command line; it trusts nothing in
the files. Which file is what goes by ScanNet's names (Dai et al., CVPR 2017),
what is in it by its bytes; no path is ever taken from inside a file.
"""

import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.core.errors import UserError
from models.core.notes import Note, note
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
from models.scene.data.mesh_io import GREY, PICTURES, Mesh, Paint, check_counts, refined
from models.scene.data.obj import read_obj
from models.scene.data.ply import read_ply
from models.scene.data.proposals import apply_predictions, is_prediction_list
from models.scene.data.scan import Scan, instances_of
from models.scene.segmentation.gravity_alignment import UNITS, levelled, unit_of

MESHES = (".ply", ".obj", ".glb")
SUFFIXES = (*MESHES, ".json", ".txt", ".mtl", *PICTURES)
MIN_VERTICES = 4
MAX_LOST = 0.01
MAX_EXTENT = 200.0
MAX_COORDINATE = 10_000.0
FARTHEST = 1e7 + MAX_EXTENT  # metres from the origin, as far as UTM's coordinates reach
STEP = 0.02  # metres between coordinates from which a scan is told to be coarse
MIN_COMPONENT = 50
MAX_OBJECTS = 2000
COARSE, FINE = 0.5, 0.05  # metres: edges of a modelled room's triangles, and of those that they are cut to
ROOM = 2.0  # metres that a room measures at least
MOST_POINTS = 300_000  # that cutting may add
SAME_PLACE = 0.05  # metres between a vertex and that of another mesh whose object it is

# What the files of known data sets are called: ScanNet (also whole), ScanNet++, 3RScan, Replica.
AGGREGATION = re.compile(
    r"\.aggregation\.json$|(?:^|_)segments_anno\.json$|semseg(?:\.v\d)?\.json$", re.IGNORECASE
)
SEGMENTS = re.compile(r"\.segs(?:\.v\d)?\.json$|(?:^|_)segments\.json$", re.IGNORECASE)
NAMES = re.compile(r"info_semantic\.json$", re.IGNORECASE)
LABELLED = re.compile(r"labels?\.ply$|labels\.instances.*\.ply$|semantic\.ply$", re.IGNORECASE)


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
    found = _found(files)
    mesh = found.mesh
    stem = re.sub(r"(_vh_clean(_2)?)?(\.labels)?\.(ply|obj|glb)$", "", mesh.name, flags=re.IGNORECASE)
    meta, listing = _text_files(files, stem)
    geometry = _geometry(mesh, files)
    count = len(geometry.vertices)
    check_counts(mesh.name, count, len(geometry.faces))
    labels: Mapping[int, str] = {}
    vertex_instance = np.full(count, -1, np.int32)
    notes = [*geometry.notes]
    if found.aggregation and found.segs:
        vertex_instance, labels = _annotated(found.aggregation, found.segs, count)
    elif found.labelled and found.labelled != mesh:
        vertex_instance, labels, told = _carried(found, geometry)
        notes += told
    elif geometry.instances is not None:
        vertex_instance, labels, told = _identified(geometry, found)
        notes += told
    elif geometry.labels is not None:
        vertex_instance, labels = _components(geometry, count, mesh.name)
    elif (found.aggregation or found.segs) and not listing:
        raise UserError("scan_incomplete", missing=".segs.json" if found.aggregation else ".aggregation.json")

    annotated = bool(labels or listing or meta)
    vertices, keep = _sane(geometry.vertices, mesh.name)
    unit = "m" if annotated else unit_of(float(np.ptp(vertices, axis=0).max()))
    vertices = vertices * UNITS[unit]
    alignment = _alignment(meta) if meta else np.eye(4)
    vertices, shift = _near_origin(vertices)
    if shift.any():
        alignment[:3, 3] += alignment[:3, :3] @ shift
        notes.append(note("scan_moved", shift=", ".join(f"{value:.0f}" for value in shift)))
        if (step := _step(vertices)) > STEP:
            notes.append(note("scan_rounded", step=f"{step:.2g}"))
        if not meta:
            alignment = np.eye(4)
    _check_extent(vertices, mesh.name)
    whole = replace(
        geometry,
        vertices=vertices,
        colours=None if geometry.colours is None else geometry.colours[keep],
        faces=_kept(geometry.faces, keep),
        instances=vertex_instance[keep].astype(np.int64),
        paint=_kept_paint(geometry, keep),
    )
    if not annotated and _is_modelled(whole):
        before, whole = len(whole.vertices), refined(whole, FINE, MOST_POINTS)
        notes.append(note("modelled", points=len(whole.vertices), vertices=before))
    if whole.colours is None:
        notes.append(note("colourless"))
    notes += _left_over(files, found, geometry, meta, listing)
    assert whole.instances is not None
    scan = Scan(
        name=(name or stem)[:80],
        vertices=whole.vertices.astype(np.float32),
        colours=np.ascontiguousarray(_known_colours(whole)),
        faces=whole.faces.astype(np.int32),
        vertex_instance=whole.instances.astype(np.int32),
        alignment=alignment,
        unit=unit,
        notes=tuple(notes),
        labels_from="file" if labels or listing else "none",
    )
    if geometry.tilted and not annotated:
        scan, _ = levelled(scan)
    if labels:
        return replace(scan, instances=instances_of(scan.aligned, scan.colours, scan.vertex_instance, labels))
    if listing:
        return apply_predictions(scan, listing, {path.name: path for path in files})
    return scan


@dataclass(frozen=True)
class _Found:
    """Which file is what. labelled: a mesh that carries labels; it may be the only one."""

    mesh: Path
    labelled: Path | None
    aggregation: Path | None
    segs: Path | None
    names: Path | None


def _found(files: Sequence[Path]) -> _Found:
    """Raises UserError: scan_no_mesh, scan_many, aggregation_resolution."""
    files = _without_finer(files)
    labelled = _pick(
        [path for path in files if LABELLED.search(path.name)], lambda path: "_vh_clean_2" not in path.name
    )
    meshes = [path for path in files if path.suffix.lower() in MESHES and not LABELLED.search(path.name)]
    mesh = _pick(meshes, lambda path: not path.name.endswith("_vh_clean_2.ply")) or labelled
    if mesh is None:
        raise UserError("scan_no_mesh")
    aggregation = _pick(
        [path for path in files if AGGREGATION.search(path.name)], lambda path: "_vh_clean." in path.name
    )
    segs = _pick(
        [path for path in files if SEGMENTS.search(path.name)], lambda path: "_vh_clean_2" not in path.name
    )
    names = _pick([path for path in files if NAMES.search(path.name)], lambda path: False)
    if aggregation and segs:
        _check_resolution(aggregation, segs)
    return _Found(mesh, labelled, aggregation, segs, names or (aggregation if not segs else None))


def _without_finer(files: Sequence[Path]) -> list[Path]:
    """A whole ScanNet scene has its mesh twice; the labels and the benchmark are of the decimated one."""
    if any(path.name.endswith("_vh_clean_2.ply") for path in files):
        return [path for path in files if not path.name.endswith(("_vh_clean.ply", "_vh_clean.segs.json"))]
    return list(files)


def _check_resolution(aggregation: Path, segs: Path) -> None:
    """Raises UserError where an aggregation is of other segments than those that lie beside it.

    ScanNet has two meshes a scene, each with segments of its own, and the numbers of both begin with 0.
    """
    tree = read_json(aggregation)
    wanted = str(tree.get("segmentsFile", "")) if isinstance(tree, dict) else ""
    kinds = [
        "low" if "_vh_clean_2" in one else "high" if "_vh_clean" in one else ""
        for one in (wanted or aggregation.name, segs.name)
    ]
    if all(kinds) and kinds[0] != kinds[1]:
        named = wanted.rsplit("/", 1)[-1][:100] or "_vh_clean.segs.json"
        raise UserError("aggregation_resolution", name=aggregation.name, wanted=named, found=segs.name)


def _carried(found: _Found, geometry: Mesh) -> tuple[NDArray[np.int32], dict[int, str], list[Note]]:
    """Instances of a mesh from another of the same scan that carries the labels."""
    assert found.labelled is not None
    other = read_ply(found.labelled)
    if other.instances is None:
        if len(other.vertices) != len(geometry.vertices) and other.labels is None:
            return (
                np.full(len(geometry.vertices), -1, np.int32),
                {},
                [note("labels_none", name=found.labelled.name)],
            )
        return *_components(other, len(geometry.vertices), found.labelled.name), []
    instances, labels, notes = _identified(other, found)
    same = len(other.vertices) == len(geometry.vertices) and np.allclose(
        other.vertices, geometry.vertices, atol=SAME_PLACE, equal_nan=True
    )
    if same:
        return instances, labels, notes
    from scipy.spatial import cKDTree

    far, nearest = cKDTree(np.nan_to_num(other.vertices, nan=1e9, posinf=1e9, neginf=1e9)).query(
        np.nan_to_num(geometry.vertices, nan=-1e9, posinf=-1e9, neginf=-1e9), distance_upper_bound=SAME_PLACE
    )
    there = np.isfinite(far)
    if there.mean() < 0.5:
        raise UserError(
            "labels_mismatch", name=found.labelled.name, found=len(other.vertices), vertices=len(far)
        )
    return np.where(there, instances[np.minimum(nearest, len(instances) - 1)], -1), labels, notes


def _identified(classes: Mesh, found: _Found) -> tuple[NDArray[np.int32], dict[int, str], list[Note]]:
    """Instances by the ids that a mesh carries; named by the JSON beside it, else by its classes."""
    assert classes.instances is not None
    ids = np.where((classes.instances >= 0) & (classes.instances < 2**31), classes.instances, -1)
    named = _names(found.names) if found.names else {}
    known, first = np.unique(ids, return_index=True)
    labels, unnamed = {}, 0
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
    notes = [note("labels_unnamed", count=unnamed)] if unnamed else []
    return np.where(np.isin(ids, list(labels)), ids, -1).astype(np.int32), labels, notes


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


def _left_over(
    files: Sequence[Path], found: _Found, geometry: Mesh, meta: Path | None, listing: Path | None
) -> list[Note]:
    """Files that nothing was read of; nothing is dropped in silence."""
    used = {found.mesh, found.labelled, found.aggregation, found.segs, found.names, meta, listing}
    textured = geometry.paint is not None
    left = [
        path.name
        for path in files
        if path not in used
        and not (textured and path.suffix.lower() in (*PICTURES, ".mtl"))
        and not (listing and path.suffix.lower() == ".txt")
        and not path.name.endswith(("_vh_clean.ply", "_vh_clean.segs.json", "_vh_clean.aggregation.json"))
        and path.suffix.lower() != ".mtl"
    ]
    return [note("files_unused", count=len(left), names=", ".join(sorted(left)[:4]))] if left else []


def _pick(files: Sequence[Path], worse: Callable[[Path], bool]) -> Path | None:
    """Of several files of a kind the one that isn't `worse`. Two equals are two scans."""
    found = sorted(files, key=worse)
    if len(found) > 1 and worse(found[0]) == worse(found[1]):
        raise UserError("scan_many", first=found[0].name, second=found[1].name)
    return found[0] if found else None


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

    return _pick(metas, of_another_scan), _pick(listings, of_another_scan)


def _geometry(mesh: Path, files: Sequence[Path]) -> Mesh:
    beside = [path for path in files if path.suffix.lower() in (".mtl", *PICTURES)]
    match mesh.suffix.lower():
        case ".ply":
            return read_ply(mesh, [path for path in beside if path.suffix.lower() != ".mtl"])
        case ".glb":
            return read_glb(mesh)
        case _:
            return read_obj(mesh, beside)


def _known_colours(mesh: Mesh) -> NDArray[np.uint8]:
    return mesh.colours if mesh.colours is not None else np.full((len(mesh.vertices), 3), GREY, np.uint8)


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


def _step(vertices: NDArray[np.float64]) -> float:
    """The smallest difference of two coordinates: of single precision far from the origin it is large."""
    return min(float(np.diff(np.unique(axis)).min(initial=np.inf)) for axis in vertices.T)


def _is_modelled(mesh: Mesh) -> bool:
    """Whether this is a room, and most of its surface is of triangles too large for a scan's."""
    if not len(mesh.faces) or np.ptp(mesh.vertices, axis=0).max() < ROOM:
        return False
    corners = mesh.vertices[mesh.faces]
    edges = corners[:, 1:] - corners[:, :1]
    areas = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1)
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    return bool(areas[longest > COARSE].sum() > 0.5 * areas.sum())


def _near_origin(vertices: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Vertices of map coordinates (UTM) moved to the origin, and by how much; others as they are.

    Single precision, in which scans are kept, has steps of half a metre at five million metres.
    """
    middle = np.median(vertices, axis=0)
    if np.abs(middle).max() > FARTHEST:
        return vertices, np.zeros(3)  # no place on earth
    shift = np.where(np.abs(middle) > MAX_COORDINATE / 10, np.round(middle), 0.0)
    return vertices - shift, shift


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


def _check_extent(vertices: NDArray[np.float64], name: str) -> None:
    extent = np.ptp(vertices, axis=0).max()
    if extent > MAX_EXTENT or np.abs(vertices).max() > MAX_COORDINATE:
        raise UserError("scan_far", name=name, limit=int(MAX_COORDINATE), extent=int(MAX_EXTENT))
    if extent < 0.01:
        raise UserError("scan_no_extent", name=name, count=len(vertices))


def _kept(faces: NDArray[np.int64], keep: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Faces whose three vertices are kept, in the new numbers."""
    if keep.all():
        return faces
    renumbered = np.cumsum(keep) - 1
    return renumbered[faces[keep[faces].all(1)]]


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
