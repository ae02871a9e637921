"""Scans as people bring them, of a shipped room: a splat, an OBJ of a phone, and a modelled room."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from models.scene import pipeline
from models.scene.data.scan import thin
from tests.app.test_scene_view import furnished_room, roofed
from tests.scene.scan_makers import ply
from tests.scene.test_scan_kinds import splat

ROOM = "room_living_01"


def splat_with_floaters(folder: Path) -> list[Path]:
    """Gaussians on the room's surfaces, tilted as a camera's first picture was, and faint ones around."""
    scan, rng = pipeline.open_example(ROOM), np.random.default_rng(0)
    turn = np.radians(25)
    tilt = np.array([[1, 0, 0], [0, np.cos(turn), -np.sin(turn)], [0, np.sin(turn), np.cos(turn)]])
    points = np.concatenate([scan.aligned, rng.uniform(-30, 30, (3000, 3))]) @ tilt.T
    colours = np.concatenate([scan.colours, np.full((3000, 3), 240)])
    opacity = np.concatenate([np.full(len(scan.vertices), 4.0), rng.uniform(-6, 2, 3000)])
    path = folder / "point_cloud.ply"
    path.write_bytes(splat(colours, opacity, points, np.full(len(points), 0.02)))
    return [path]


def renamed_texture(folder: Path) -> list[Path]:
    """An OBJ whose material names a picture that isn't there, beside the picture that is meant."""
    scan = thin(pipeline.open_example(ROOM), 60_000)
    side = int(np.ceil(np.sqrt(len(scan.vertices))))
    pixels = np.zeros((side * side, 3), np.uint8)
    pixels[: len(scan.vertices)] = scan.colours
    Image.fromarray(pixels.reshape(side, side, 3)).save(folder / "my scan 0_9oW80UhV.png")
    number = np.arange(len(scan.vertices))
    uv = np.stack([(number % side + 0.5) / side, 1 - (number // side + 0.5) / side], axis=1)
    rows = ["mtllib textured.mtl", "usemtl m", *(f"v {x:.4f} {y:.4f} {z:.4f}" for x, y, z in scan.aligned)]
    rows += [f"vt {u:.6f} {v:.6f}" for u, v in uv]
    rows += [f"f {a}/{a} {b}/{b} {c}/{c}" for a, b, c in scan.faces + 1]
    (folder / "textured.obj").write_text("\n".join(rows))
    (folder / "textured.mtl").write_text("newmtl m\nmap_Kd not_found\n")
    return sorted(folder.iterdir())


def modelled(folder: Path) -> list[Path]:
    """A room of a few large triangles under a roof of two slopes."""
    room = roofed(furnished_room(step=10), ridge=1.4, step=10)
    path = folder / "modelled room.ply"
    path.write_bytes(ply(room.vertices, room.colours, room.faces))
    return [path]


ODD: dict[str, Callable[[Path], list[Path]]] = {
    "scan-splat": splat_with_floaters,
    "scan-texture": renamed_texture,
    "scan-modelled": modelled,
}
