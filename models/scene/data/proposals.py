"""Predicted instances in place of annotated ones: Mask3D's file of boxes, or a ScanNet-benchmark folder."""

import gzip
import re
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.core.errors import UserError
from models.core.upload_validation import MAX_ENTRIES, MAX_TEXT_ENTRY, MEGABYTE, check_file, kind, parse_json
from models.scene.data import nyu40
from models.scene.data.scan import Instance, Scan

MAX_BOXES = 256 * MEGABYTE
_LINE = re.compile(r"(\S+\.txt)\s+(\d{1,9})\s+([0-9.eE+-]+)")


def read_proposals(path: Path) -> dict[str, list[Instance]]:
    """The boxes of each scene in a file of Mask3D's form, json or json.gz.

    {scene: [{"id", "label", "extension": [min xyz, max xyz], "score",
    "median_rgba" or "avg_rgba"}]}, metres, axis-aligned frame; score and colour may
    be absent (1, grey). A file of annotated boxes has the same form.
    Raises UserError("proposals_broken"), json_broken and those of check_file.
    """
    check_file(path)
    tree = parse_json(_inflated(path), path.name)
    try:
        return {str(scene): [_instance(row) for row in rows] for scene, rows in tree.items()}
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise UserError("proposals_broken", name=path.name) from None


def _inflated(path: Path) -> bytes:
    if kind(path) != "gz":
        return path.read_bytes()
    try:
        with gzip.open(path) as file:
            data = file.read(MAX_BOXES + 1)
    except (OSError, EOFError, zlib.error):
        raise UserError("proposals_broken", name=path.name) from None
    if len(data) > MAX_BOXES:
        raise UserError(
            "file_too_big", name=path.name, size=f"> {MAX_BOXES // MEGABYTE}", limit=MAX_BOXES // MEGABYTE
        )
    return data


def _instance(row: Mapping[str, Any]) -> Instance:
    box = np.array(row["extension"], np.float32)
    colour = np.array(row.get("median_rgba") or row.get("avg_rgba") or (128, 128, 128), np.float32)[:3]
    confidence = float(row.get("score", 1.0))
    sane = np.isfinite(box).all() and np.isfinite(colour).all() and 0 <= confidence <= 1
    if box.shape != (6,) or colour.shape != (3,) or not sane or (box[:3] > box[3:]).any():
        raise ValueError(row)
    return Instance(int(row["id"]), row["label"][:100].strip().lower(), box, colour, confidence)


def with_predictions(scan: Scan, folder: Path) -> Scan:
    """The scan with the instances that a benchmark folder predicts: its SCENE.txt, masks beside or below.

    Raises UserError("predictions_missing") when the folder has no list for this scan,
    and those of apply_predictions.
    """
    texts = [*folder.glob("*.txt"), *folder.glob("*/*.txt")]
    for listing in texts:
        if listing.stem == scan.name:
            return apply_predictions(scan, listing, {path.name: path for path in texts})
    raise UserError("predictions_missing", scan=scan.name)


def is_prediction_list(head: str) -> bool:
    """Whether a text begins like a benchmark's list: `predicted_masks/SCENE_000.txt 5 0.97`."""
    return bool(_LINE.match(head.lstrip()))


def apply_predictions(scan: Scan, listing: Path, files: Mapping[str, Path]) -> Scan:
    """The scan with the instances of a benchmark list (kaldir.vc.in.tum.de/scannet_benchmark/documentation).

    Each line is a mask file, an NYU40 class and a score; a mask is one 0 or 1 for
    each vertex. Masks may overlap: every instance has the box of its whole mask, a
    vertex belongs to the best-scored one. ids are line numbers from 0.
    files: the masks by base name; whatever path the list gives, only these are read.
    Raises UserError: predictions_broken, predictions_many, predictions_class,
    predictions_mismatch, mask_missing.
    """
    instances = []
    vertex_instance = np.full(len(scan.vertices), -1, np.int32)
    for rank, mask_file, label, score in sorted(_predictions(listing, files), key=lambda found: found[3]):
        mask = _mask(mask_file, len(scan.vertices))
        if mask.any():
            instances.append(_masked(scan, mask, rank, label, score))
            vertex_instance[mask] = rank
    instances.sort(key=lambda instance: instance.id)
    return replace(scan, vertex_instance=vertex_instance, instances=tuple(instances))


def _predictions(listing: Path, files: Mapping[str, Path]) -> list[tuple[int, Path, str, float]]:
    """(rank, mask file, class, score) of each line."""
    check_file(listing, MAX_TEXT_ENTRY)
    lines = [line.strip() for line in listing.read_text("ascii", "replace").splitlines() if line.strip()]
    if len(lines) > MAX_ENTRIES:
        raise UserError("predictions_many", name=listing.name, count=len(lines), limit=MAX_ENTRIES)
    found = []
    for rank, line in enumerate(lines):
        match = _LINE.fullmatch(line)
        if match is None or not _is_score(match[3]):
            raise UserError("predictions_broken", name=listing.name, line=rank + 1)
        base = match[1].replace("\\", "/").rsplit("/", 1)[-1]
        if base not in files or base == listing.name:
            raise UserError("mask_missing", name=listing.name, mask=base)
        label = nyu40.name(int(match[2]))
        if label is None:
            raise UserError("predictions_class", name=listing.name, number=int(match[2]))
        found.append((rank, files[base], label, float(match[3])))
    return found


def _is_score(word: str) -> bool:
    try:
        return 0 <= float(word) <= 1
    except ValueError:
        return False


def _mask(path: Path, count: int) -> NDArray[np.bool_]:
    """(N,) of a text of 0 and 1, one a line."""
    check_file(path, MAX_TEXT_ENTRY)
    letters = np.frombuffer(path.read_bytes(), np.uint8)
    letters = letters[letters > ord(" ")]
    ones = letters == ord("1")
    if not (ones | (letters == ord("0"))).all() or len(letters) != count:
        raise UserError("predictions_mismatch", name=path.name, found=len(letters), vertices=count)
    return ones


def _masked(scan: Scan, mask: NDArray[np.bool_], rank: int, label: str, score: float) -> Instance:
    points = scan.vertices[mask] @ scan.alignment[:3, :3].T + scan.alignment[:3, 3]
    box = np.concatenate([points.min(0), points.max(0)]).astype(np.float32)
    return Instance(rank, label, box, scan.colours[mask].mean(0).astype(np.float32), score)
