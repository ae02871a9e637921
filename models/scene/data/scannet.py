"""Files of a scan -> Scan: ScanNet's own, benchmark predictions, any coloured PLY, OBJ, GLB, or a zip.

`load` is the one door for the page and the command line; it trusts nothing in
the files. Which file is what goes by ScanNet's names (Dai et al., CVPR 2017),
what is in it by its bytes; no path is ever taken from inside a file.
"""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.core.errors import UserError
from models.core.notes import note
from models.core.upload_validation import MAX_ENTRIES, MAX_UNPACKED, check_file, kind, megabytes, unpack
from models.scene.data.annotations import Labels, annotated, carried, components, identified, segment_count
from models.scene.data.coordinates import Placed
from models.scene.data.dataset_files import MESHES, DatasetFiles, find, left_over, text_files
from models.scene.data.glb import read_glb
from models.scene.data.mesh_io import GREY, PICTURES, Mesh, check_counts, refined
from models.scene.data.obj import read_obj
from models.scene.data.ply import read_ply
from models.scene.data.proposals import apply_predictions
from models.scene.data.scan import Scan, instances_of
from models.scene.segmentation.gravity_alignment import QUARTER_TURN, levelled, y_is_up

SUFFIXES = (*MESHES, ".json", ".txt", ".mtl", *PICTURES)
COARSE, FINE = 0.5, 0.05  # metres: edges of a modelled room's triangles, and of those that they are cut to
ROOM = 2.0  # metres that a room measures at least
MOST_POINTS = 300_000  # that cutting may add


def load(paths: Sequence[Path], name: str | None = None, workdir: Path | None = None) -> Scan:
    """The scan whose files `paths` are, or are zipped in; files of no use are told.

    Labels come from the first that is there: aggregation with segs, labels.ply,
    a benchmark prediction; else the scan has no instances. name: of the scan, the
    mesh file's by default. workdir: where zips are unpacked for as long as the call
    lasts, the system's place for such by default. A scan without any ScanNet file is
    taken to be z-up (PLY), y-up (GLB) or as its floor shows (OBJ, which may be either),
    and its unit is guessed from its extent.
    Raises UserError with the fault of the first bad file.
    """
    if not paths:
        raise UserError("no_file")
    if len(paths) > MAX_ENTRIES:
        raise UserError("files_many", count=len(paths), limit=MAX_ENTRIES)
    with tempfile.TemporaryDirectory(prefix="trilab-scan-", dir=workdir) as private:
        files: list[Path] = []
        foreign: list[str] = []
        for number, path in enumerate(paths):
            if path.suffix.lower() == ".zip":
                check_file(path)
                if kind(path) != "zip":
                    raise UserError("file_type", name=path.name, kind="ZIP")
                folder = Path(private) / str(number)
                folder.mkdir()
                packed, others = unpack(path, folder, SUFFIXES)
                files += packed
                foreign += others
            elif path.suffix.lower() in SUFFIXES:
                files.append(path)
            else:
                foreign.append(path.name)
        size = sum(check_file(path) for path in files)
        if size > MAX_UNPACKED:
            raise UserError("files_too_big", size=megabytes(size), limit=megabytes(MAX_UNPACKED))
        return _assemble(files, foreign, name)


def load_folder(path: Path) -> Scan:
    """The scan in a folder (and its predicted_masks/), or in one file, as it lies on disk."""
    if not path.exists():
        raise UserError("file_missing", name=path.name)
    if not path.is_dir():
        return load([path])
    files = [*path.iterdir(), *path.glob("predicted_masks/*.txt")]
    return load(sorted(file for file in files if file.is_file() and file.suffix.lower() in SUFFIXES))


def _assemble(files: Sequence[Path], foreign: Sequence[str], name: str | None) -> Scan:
    found = find(files, foreign)
    mesh = found.mesh
    stem = re.sub(r"(_vh_clean(_2)?)?(\.labels)?\.(ply|obj|glb)$", "", mesh.name, flags=re.IGNORECASE)
    meta, listing = text_files(files, stem)
    geometry = _geometry(mesh, files)
    check_counts(mesh.name, len(geometry.vertices), len(geometry.faces))
    owners, labels, notes = _labelled(found, geometry, listing)
    known = bool(labels or listing or meta)
    placed = Placed.of(replace(geometry, instances=owners), mesh.name, meta, metres=known)
    whole, more = placed.mesh, []
    if not known and _is_modelled(whole):
        whole = refined(whole, FINE, MOST_POINTS)
        more.append(note("modelled", points=len(whole.vertices), vertices=len(placed.mesh.vertices)))
    if whole.colours is None:
        more.append(note("colourless"))
    more += left_over(files, foreign, found, geometry.paint is not None, meta, listing)
    assert whole.instances is not None
    scan = Scan(
        name=(name or stem)[:80],
        vertices=whole.vertices.astype(np.float32),
        colours=np.ascontiguousarray(_known_colours(whole)),
        faces=whole.faces.astype(np.int32),
        vertex_instance=whole.instances.astype(np.int32),
        alignment=placed.alignment,
        unit=placed.unit,
        notes=(*geometry.notes, *notes, *placed.notes, *more),
        labels_from="file" if labels or listing else "none",
    )
    if geometry.tilted and not known:
        scan, _ = levelled(scan)
    elif not known and mesh.suffix.lower() == ".obj" and y_is_up(scan.vertices):
        alignment = np.eye(4)
        alignment[:3, :3] = QUARTER_TURN
        scan = replace(scan, alignment=alignment, notes=(*scan.notes, note("y_up")))
    if labels:
        return replace(scan, instances=instances_of(scan.aligned, scan.colours, scan.vertex_instance, labels))
    if listing:
        return apply_predictions(scan, listing, {path.name: path for path in files})
    return scan


def _labelled(found: DatasetFiles, geometry: Mesh, listing: Path | None) -> Labels:
    """The objects of a mesh by the first of its files that names some."""
    if found.aggregation and found.segs and not _of_another_mesh(found, len(geometry.vertices)):
        return annotated(found.aggregation, found.segs, len(geometry.vertices))
    if found.labelled and found.labelled != found.mesh:
        return carried(found, geometry)
    if geometry.instances is not None:
        return identified(geometry, found)
    if geometry.labels is not None:
        return components(geometry, len(geometry.vertices), found.mesh.name)
    if (found.aggregation or found.segs) and not listing:
        raise UserError("scan_incomplete", missing=".segs.json" if found.aggregation else ".aggregation.json")
    return Labels(np.full(len(geometry.vertices), -1, np.int64), {}, ())


def _of_another_mesh(found: DatasetFiles, count: int) -> bool:
    """Whether segments are of 3RScan's labelled mesh, which has other vertices than its textured one."""
    return found.labelled is not None and found.segs is not None and segment_count(found.segs) != count


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


def _is_modelled(mesh: Mesh) -> bool:
    """Whether this is a room, and most of its surface is of triangles too large for a scan's."""
    if not len(mesh.faces) or np.ptp(mesh.vertices, axis=0).max() < ROOM:
        return False
    corners = mesh.vertices[mesh.faces]
    edges = corners[:, 1:] - corners[:, :1]
    areas = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1)
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    return bool(areas[longest > COARSE].sum() > 0.5 * areas.sum())
