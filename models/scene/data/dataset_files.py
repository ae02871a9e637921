"""Which of the files that came along is what: ScanNet (also whole), ScanNet++, 3RScan, Replica.

By the names under which those data sets are published; no path is ever taken from inside a file.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.core.errors import UserError
from models.core.notes import Note, note
from models.core.upload_validation import read_json
from models.scene.data.mesh_io import PICTURES
from models.scene.data.proposals import is_prediction_list

MESHES = (".ply", ".obj", ".glb")
AGGREGATION = re.compile(
    r"\.aggregation\.json$|(?:^|_)segments_anno\.json$|semseg(?:\.v\d)?\.json$", re.IGNORECASE
)
SEGMENTS = re.compile(r"\.segs(?:\.v\d)?\.json$|(?:^|_)segments\.json$", re.IGNORECASE)
MOST_NAMES = 4  # that a sentence tells
NAMES = re.compile(r"info_semantic\.json$", re.IGNORECASE)
MAIN = re.compile(r"_vh_clean_2\.ply$|mesh_aligned_[\d.]+\.ply$", re.IGNORECASE)
LABELLED = re.compile(r"labels?\.ply$|labels\.instances.*\.ply$|semantic\.ply$", re.IGNORECASE)


@dataclass(frozen=True)
class DatasetFiles:
    """Which file is what. labelled: a mesh that carries labels; it may be the only one."""

    mesh: Path
    labelled: Path | None
    aggregation: Path | None
    segs: Path | None
    names: Path | None


def find(files: Sequence[Path], foreign: Sequence[str]) -> DatasetFiles:
    """Which file is what. foreign: names of files of kinds that no scan has.

    Raises UserError: scan_no_mesh, scan_many, aggregation_resolution.
    """
    files = _without_finer(files)
    labelled = _pick(
        [path for path in files if LABELLED.search(path.name)], lambda path: "_vh_clean_2" not in path.name
    )
    meshes = [path for path in files if path.suffix.lower() in MESHES and not LABELLED.search(path.name)]
    mesh = _pick(meshes, lambda path: not MAIN.search(path.name)) or labelled
    if mesh is None:
        brought = [path.name for path in files] + list(foreign)
        raise UserError("scan_no_mesh", names=", ".join(brought[:MOST_NAMES]))
    aggregation = _pick(
        [path for path in files if AGGREGATION.search(path.name)], lambda path: "_vh_clean." in path.name
    )
    segs = _pick(
        [path for path in files if SEGMENTS.search(path.name)], lambda path: "_vh_clean_2" not in path.name
    )
    names = _pick([path for path in files if NAMES.search(path.name)], lambda path: False)
    if aggregation and segs:
        _check_resolution(aggregation, segs)
    return DatasetFiles(mesh, labelled, aggregation, segs, names or aggregation)


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


def _pick(files: Sequence[Path], worse: Callable[[Path], bool]) -> Path | None:
    """Of several files of a kind the one that isn't `worse`. Two equals are two scans."""
    found = sorted(files, key=worse)
    if len(found) > 1 and worse(found[0]) == worse(found[1]):
        raise UserError("scan_many", first=found[0].name, second=found[1].name)
    return found[0] if found else None


def text_files(files: Sequence[Path], stem: str) -> tuple[Path | None, Path | None]:
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


def left_over(
    files: Sequence[Path],
    foreign: Sequence[str],
    found: DatasetFiles,
    textured: bool,
    meta: Path | None,
    listing: Path | None,
) -> list[Note]:
    """Files that nothing was read of; nothing is dropped in silence."""
    used = {found.mesh, found.labelled, found.aggregation, found.segs, found.names, meta, listing}
    left = [
        path.name
        for path in files
        if path not in used
        and not (textured and path.suffix.lower() in (*PICTURES, ".mtl"))
        and not (listing and path.suffix.lower() == ".txt")
        and not path.name.endswith(("_vh_clean.ply", "_vh_clean.segs.json", "_vh_clean.aggregation.json"))
        and path.suffix.lower() != ".mtl"
    ]
    left = sorted([*left, *foreign])
    return [note("files_unused", count=len(left), names=", ".join(left[:MOST_NAMES]))] if left else []
