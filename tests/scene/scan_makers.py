"""Small scans written by the tests themselves: a floor with a table and a chair on it."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.scene.data import nyu40

FLOOR, TABLE, CHAIR = 0, 1, 2
NAMES = ("floor", "table", "chair")
ALIGNMENT = (0.0, -1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 2.0, 0.0, 0.0, 1.0, -0.5, 0.0, 0.0, 0.0, 1.0)


def grid(count: int, low: tuple[float, float, float], size: float) -> tuple[NDArray, NDArray]:
    """A horizontal square of count x count vertices: (N, 3) vertices, (M, 3) faces."""
    u, v = np.meshgrid(np.arange(count), np.arange(count), indexing="ij")
    vertices = np.stack([u, v, 0 * u], axis=-1).reshape(-1, 3) * size / (count - 1) + low
    a = (u * count + v)[:-1, :-1].ravel()
    quads = np.stack([a, a + count, a + count + 1, a + 1], axis=1)
    return vertices, np.concatenate([quads[:, :3], quads[:, [0, 2, 3]]])


def room() -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """(N, 3) vertices, (N, 3) uint8 colours, (M, 3) faces, (N,) object: pieces that don't touch."""
    pieces = [grid(20, (0, 0, 0), 4), grid(10, (1, 1, 0.7), 1), grid(8, (2.5, 1, 0.4), 0.5)]
    starts = np.cumsum([0, *(len(vertices) for vertices, _ in pieces)])
    objects = np.repeat(np.arange(3), np.diff(starts))
    colours = np.array([[200, 190, 180], [120, 80, 40], [20, 60, 200]], np.uint8)[objects]
    faces = np.concatenate([faces + start for (_, faces), start in zip(pieces, starts[:-1], strict=True)])
    return np.concatenate([vertices for vertices, _ in pieces]), colours, faces, objects


def ply(
    vertices: NDArray,
    colours: NDArray | None = None,
    faces: NDArray | None = None,
    labels: NDArray | None = None,
    form: str = "binary_little_endian",
    claim: int | None = None,
) -> bytes:
    """A PLY file. faces: (M, C). claim: the number of vertices that the header says."""
    order = ">" if form == "binary_big_endian" else "<"
    fields = [(axis, order + "f4", "float") for axis in "xyz"]
    columns = list(np.asarray(vertices, np.float32).T)
    if colours is not None:
        fields += [(name, "u1", "uchar") for name in ("red", "green", "blue", "alpha")]
        columns += [*colours.T, np.full(len(colours), 255)]
    if labels is not None:
        fields.append(("label", order + "u2", "ushort"))
        columns.append(labels)
    lines = ["ply", f"format {form} 1.0", "comment made by a test"]
    lines.append(f"element vertex {len(vertices) if claim is None else claim}")
    lines += [f"property {kind} {name}" for name, _, kind in fields]
    if faces is not None:
        lines += [f"element face {len(faces)}", "property list uchar int vertex_indices"]
    head = "\n".join([*lines, "end_header\n"]).encode()
    if form == "ascii":
        rows = [" ".join(f"{value:.9g}" for value in row) for row in zip(*columns, strict=True)]
        rows += [f"{len(face)} " + " ".join(map(str, face)) for face in (() if faces is None else faces)]
        return head + "\n".join([*rows, ""]).encode()
    table = np.empty(len(vertices), [(name, kind) for name, kind, _ in fields])
    for (name, _, _), column in zip(fields, columns, strict=True):
        table[name] = column
    body = table.tobytes()
    if faces is not None:
        corners = np.empty(len(faces), [("count", "u1"), ("list", order + "i4", (faces.shape[1],))])
        corners["count"], corners["list"] = faces.shape[1], faces
        body += corners.tobytes()
    return head + body


def scannet(folder: Path, name: str = "scene0000_00", labels: tuple[str, ...] = NAMES) -> dict[str, Path]:
    """The five files of a ScanNet scene: {mesh, labels, aggregation, segs, meta}. Two segments an object."""
    vertices, colours, faces, objects = room()
    classes = np.array([nyu40.NAMES.index(label) + 1 for label in NAMES])[objects]
    segments = objects * 10 + (np.arange(len(objects)) % 2) + 100
    groups = [
        {"id": i, "objectId": i + 5, "label": label, "segments": [100 + 10 * i, 101 + 10 * i]}
        for i, label in enumerate(labels)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "mesh": folder / f"{name}_vh_clean_2.ply",
        "labels": folder / f"{name}_vh_clean_2.labels.ply",
        "aggregation": folder / f"{name}.aggregation.json",
        "segs": folder / f"{name}_vh_clean_2.0.010000.segs.json",
        "meta": folder / f"{name}.txt",
    }
    files["mesh"].write_bytes(ply(vertices, colours, faces))
    files["labels"].write_bytes(ply(vertices, colours // 2, faces, classes))
    files["aggregation"].write_text(json.dumps({"sceneId": name, "segGroups": groups}))
    files["segs"].write_text(json.dumps({"segIndices": segments.tolist()}))
    files["meta"].write_text(f"axisAlignment = {' '.join(map(str, ALIGNMENT))} \ncolorHeight = 968\n")
    return files


def predictions(folder: Path, name: str = "scene0000_00") -> Path:
    """A benchmark folder: the table at 0.9, the chair at 0.8, and a mask of all that at 0.1."""
    objects = room()[3]
    (folder / "predicted_masks").mkdir(parents=True)
    masks = [(objects == TABLE, 7, 0.9), (objects == CHAIR, 5, 0.8), (objects != FLOOR, 39, 0.1)]
    lines = []
    for i, (mask, number, score) in enumerate(masks):
        np.savetxt(folder / "predicted_masks" / f"{name}_{i:03d}.txt", mask, fmt="%d")
        lines.append(f"predicted_masks/{name}_{i:03d}.txt {number} {score:.4f}\n")
    (folder / f"{name}.txt").write_text("".join(lines))
    return folder


def packed(path: Path, entries: Mapping[str, bytes]) -> Path:
    """A zip with these entries, named as they are said to be."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return path
