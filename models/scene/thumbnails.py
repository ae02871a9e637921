"""Pictures of the scans that ship, assets/thumbnails and assets/stills; `python -m models.scene.thumbnails`
draws them.

As the viewer shows a room at first, from a corner and from above, but in parallel: faces that look away are
left out, so one sees in through the nearer walls and the ceiling.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.scene import pipeline
from models.scene.data.scan import Scan

FOLDER = pipeline.SCANS.parent / "thumbnails"
WIDTH, HEIGHT = 160, 120  # pixels, for 64 x 48 on the page of a fine screen
STILLS = pipeline.SCANS.parent / "stills"
STILL_WIDTH, STILL_HEIGHT = 840, 630  # of what the viewer shows until it has drawn the room itself
FINE = 4  # rays along each side of a pixel
BACK = np.array([0.62, -0.78, 0.82])  # towards the eye: scene_view_camera.js, START
MARGIN = 0.02  # of the picture, at each side

Array = NDArray[np.float32]


def file(scan: str, folder: Path = FOLDER) -> Path | None:
    """The picture of a shipped scan, None where none was drawn. folder: FOLDER or STILLS."""
    drawn = folder / f"{scan}.webp"
    return drawn if scan in pipeline.examples() and drawn.is_file() else None


def picture(scan: Scan, width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """A scan (a mesh) on nothing, RGBA."""
    import open3d as o3d

    back = BACK / np.linalg.norm(BACK)
    points, faces, lit = _facing(scan, back)
    right = np.cross((0, 0, 1), back)
    right /= np.linalg.norm(right)
    rays = _rays(points[faces].reshape(-1, 3), right, np.cross(back, right), back, (width, height))
    scene = o3d.t.geometry.RaycastingScene(nthreads=1)
    scene.add_triangles(o3d.core.Tensor.from_numpy(points), o3d.core.Tensor.from_numpy(faces))
    seen = scene.cast_rays(o3d.core.Tensor.from_numpy(rays), nthreads=1)
    hit = np.isfinite(seen["t_hit"].numpy())
    face, uv = seen["primitive_ids"].numpy()[hit].astype(np.int64), seen["primitive_uvs"].numpy()[hit]
    shares = np.concatenate([1 - uv.sum(1, keepdims=True), uv], 1)
    colours = (scan.colours[faces[face]] * shares[..., None]).sum(1) * lit[face, None]
    # Of a pixel's rays some meet nothing: the others' mean is its colour, their share how much covers it.
    full = np.zeros((height * FINE, width * FINE, 4), np.float32)
    full[hit, :3], full[hit, 3] = colours, 255
    mean = full.reshape(height, FINE, width, FINE, 4).mean((1, 3))
    mean[..., :3] /= np.maximum(mean[..., 3:], 1) / 255
    return Image.fromarray(mean.clip(0, 255).astype(np.uint8), "RGBA")


def _facing(scan: Scan, back: NDArray[np.float64]) -> tuple[Array, NDArray[np.uint32], Array]:
    """Points (N, 3), the faces (M, 3) that look towards the eye, and how bright each is."""
    points = scan.aligned.astype(np.float32)
    a, b, c = (points[scan.faces[:, corner]] for corner in range(3))
    normals = np.cross(b - a, c - a)
    towards = normals @ back / np.maximum(np.linalg.norm(normals, axis=1), 1e-12)
    kept = towards > 0
    return points, scan.faces[kept].astype(np.uint32), (0.85 + 0.35 * towards[kept]).astype(np.float32)


def _rays(
    points: Array,
    right: NDArray[np.float64],
    up: NDArray[np.float64],
    back: NDArray[np.float64],
    size: tuple[int, int],
) -> Array:
    """(rows, columns, 6) parallel rays of a picture that just holds the points, FINE to a pixel's side.

    size: of the picture, (width, height).
    """
    across, along = points @ right, points @ up
    middle = [(side.min() + side.max()) / 2 for side in (across, along)]
    pixel = max(np.ptp(across) / size[0], np.ptp(along) / size[1]) / (1 - 2 * MARGIN) / FINE
    columns, rows = (np.arange(count * FINE) - (count * FINE - 1) / 2 for count in size)
    x, y = np.meshgrid(middle[0] + columns * pixel, middle[1] - rows * pixel)
    origins = x[..., None] * right + y[..., None] * up + (points @ back).max() * back + back
    return np.concatenate([origins, np.broadcast_to(-back, origins.shape)], -1).astype(np.float32)


def main() -> None:
    """Draw every shipped scan."""
    sizes = {FOLDER: (WIDTH, HEIGHT), STILLS: (STILL_WIDTH, STILL_HEIGHT)}
    for folder, size in sizes.items():
        folder.mkdir(exist_ok=True)
        for name in pipeline.examples():
            drawn = folder / f"{name}.webp"
            picture(pipeline.open_example(name), *size).save(drawn, "WEBP", quality=80, method=6)
            print(f"{folder.name}/{drawn.name}: {drawn.stat().st_size} bytes")


if __name__ == "__main__":
    main()
