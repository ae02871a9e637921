"""Rooms on disk, in ScanNet's own format."""

import json
from pathlib import Path

import numpy as np

from models.scene.data.scan import Scan
from models.scene.synthetic_rooms.furniture import catalogue
from models.scene.synthetic_rooms.generate import make_room
from models.scene.synthetic_rooms.kinds import KINDS

# The side of the cubes that cut an instance into segments, metres.
SEGMENT = 1.0


def write_room(scan: Scan, folder: Path) -> Path:
    """Writes the four files of a scan into folder/NAME and returns that folder."""
    place = folder / scan.name
    place.mkdir(parents=True, exist_ok=True)
    segments = _segments(scan)
    (place / f"{scan.name}_vh_clean_2.ply").write_bytes(_ply(scan))
    (place / f"{scan.name}_vh_clean_2.0.010000.segs.json").write_text(
        _compact({"params": {}, "sceneId": scan.name, "segIndices": segments.tolist()})
    )
    groups = [
        {
            "id": instance.id,
            "objectId": instance.id,
            "segments": np.unique(segments[scan.vertex_instance == instance.id]).tolist(),
            "label": instance.label,
        }
        for instance in scan.instances
    ]
    about = {"sceneId": f"scannet.{scan.name}", "appId": "rooms", "segGroups": groups}
    (place / f"{scan.name}.aggregation.json").write_text(
        _compact({**about, "segmentsFile": f"scannet.{scan.name}_vh_clean_2.0.010000.segs.json"})
    )
    numbers = " ".join(f"{value:.6f}" for value in scan.alignment.reshape(16))
    (place / f"{scan.name}.txt").write_text(
        f"axisAlignment = {numbers}\nsceneType = {scan.name.split('_')[1]}\n"
    )
    return place


def rooms_command(count: int, out: Path, seed: int) -> None:
    """`python -m models.scene rooms`: so many rooms, kinds in turn, with a line for each."""
    catalogue()  # says at once when the furniture is missing
    kinds = list(KINDS)
    for number in range(count):
        scan = make_room(kinds[number % len(kinds)], seed + number // len(kinds))
        place = write_room(scan, out)
        print(f"{place}: {len(scan.vertices)} vertices, {len(scan.instances)} objects", flush=True)


def _segments(scan: Scan) -> np.ndarray:
    """(N,) segment of each vertex; a segment belongs to one instance and to one cube of space."""
    cubes = np.floor(scan.aligned / SEGMENT).astype(np.int64)
    keys = np.column_stack([scan.vertex_instance, cubes])
    return np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1)


def _ply(scan: Scan) -> bytes:
    header = (
        "ply\nformat binary_little_endian 1.0\n"
        f"element vertex {len(scan.vertices)}\n"
        "property float x\nproperty float y\nproperty float z\n"
        "property uchar red\nproperty uchar green\nproperty uchar blue\nproperty uchar alpha\n"
        f"element face {len(scan.faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    points = np.zeros(len(scan.vertices), [("xyz", "<f4", 3), ("rgba", "u1", 4)])
    points["xyz"], points["rgba"][:, :3], points["rgba"][:, 3] = scan.vertices, scan.colours, 255
    faces = np.zeros(len(scan.faces), [("count", "u1"), ("corners", "<i4", 3)])
    faces["count"], faces["corners"] = 3, scan.faces
    return header.encode("ascii") + points.tobytes() + faces.tobytes()


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":")) + "\n"
