"""What a camera sees of a scan: rays meet a mesh, and the points of a cloud are splatted into a z-buffer."""

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_closing, distance_transform_edt
from scipy.spatial import cKDTree

from models.scene.data.scan import Scan
from models.scene.grounding.rendered_views import standpoints
from models.scene.grounding.rendered_views.views import (
    FOCAL,
    HEIGHT,
    NOTHING,
    WIDTH,
    AnnotatedView,
    View,
    directions,
    projected,
)

if TYPE_CHECKING:
    from open3d.t.geometry import RaycastingScene

SPLAT = 0.75  # a splat's half side, in distances between a point and its fourth neighbour
LARGEST_SPLAT = 9  # pixels from a splat's middle to its side
GAP = 4  # pixels across which a hole between splats is closed
NEAR = 0.15  # metres: points nearer to the eye are behind the lens

Array = NDArray[np.float32]
Pose = NDArray[np.float64]


class Surface(Protocol):
    """Something to be seen."""

    def seen(self, pose: Pose) -> AnnotatedView:
        """From a camera's pose (4, 4)."""
        ...


def views(scan: Scan) -> list[View]:
    """The views of a scan that a prediction looks at: colour and depth, none of its instances."""
    return [one.view for one in annotated_views(scan)]


def annotated_views(scan: Scan) -> list[AnnotatedView]:
    """The same views with their instance maps."""
    surface = ScanMesh(scan) if len(scan.faces) else ScanPoints(scan)
    return looked_at(surface, standpoints.poses(scan.aligned))


def looked_at(surface: Surface, poses: Sequence[Pose]) -> list[AnnotatedView]:
    """A surface from each pose."""
    return [surface.seen(pose) for pose in poses]


class ScanMesh:
    """A scan with faces."""

    def __init__(self, scan: Scan) -> None:
        import open3d as o3d

        self.scan = scan
        self.scene = o3d.t.geometry.RaycastingScene(nthreads=1)
        points, faces = scan.aligned, scan.faces.astype(np.uint32)
        self.scene.add_triangles(o3d.core.Tensor.from_numpy(points), o3d.core.Tensor.from_numpy(faces))

    def seen(self, pose: Pose) -> AnnotatedView:
        """As `Surface` says; a pixel belongs to the instance of the nearest corner of its face."""
        depth, face, uv, _ = cast(self.scene, pose)
        hit = depth > 0
        corners = self.scan.faces[face]
        shares = np.concatenate([1 - uv.sum(1, keepdims=True), uv], 1)
        nearest = np.take_along_axis(corners, shares.argmax(1)[:, None], 1)[:, 0]
        colours = (self.scan.colours[corners] * shares[..., None]).sum(1)
        return painted(pose, depth, hit, colours, self.scan.vertex_instance[nearest])


def cast(scene: "RaycastingScene", pose: Pose) -> tuple[Array, NDArray[np.int64], Array, Array]:
    """Depth (H, W), 0 where a ray meets nothing; of the P that meet something the triangle (P,), the place on
    it (P, 2) and the cosine (P,) between ray and normal.
    """
    import open3d as o3d

    rays = (directions() @ pose[:3, :3].T).astype(np.float32)
    origins = np.broadcast_to(pose[:3, 3].astype(np.float32), rays.shape)
    both = np.ascontiguousarray(np.concatenate([origins, rays], -1))
    found = scene.cast_rays(o3d.core.Tensor.from_numpy(both), nthreads=1)
    depth = found["t_hit"].numpy()
    hit = np.isfinite(depth)
    cosine = np.abs((found["primitive_normals"].numpy() * rays).sum(-1)) / np.linalg.norm(rays, axis=-1)
    triangle = found["primitive_ids"].numpy()[hit].astype(np.int64)
    return np.where(hit, depth, 0), triangle, found["primitive_uvs"].numpy()[hit], cosine[hit]


def painted(
    pose: Pose, depth: Array, hit: NDArray[np.bool_], colours: NDArray[np.number], owners: NDArray[np.int32]
) -> AnnotatedView:
    """A view whose pixels `hit` have these colours (P, 3), 0-255, and owners (P,)."""
    colour = np.full((HEIGHT, WIDTH, 3), NOTHING, np.uint8)
    colour[hit] = np.clip(colours, 0, 255).astype(np.uint8)
    owner = np.full((HEIGHT, WIDTH), -1, np.int32)
    owner[hit] = owners
    return AnnotatedView(View(colour, depth.astype(np.float32), pose), owner)


class ScanPoints:
    """A scan without faces: each point is a square that faces the camera, as wide as points lie apart."""

    def __init__(self, scan: Scan) -> None:
        self.scan, self.points = scan, scan.aligned
        near, _ = cKDTree(self.points).query(self.points[:: max(1, len(self.points) // 4000)], 5)
        self.reach = float(np.median(near[:, -1]))

    def seen(self, pose: Pose) -> AnnotatedView:
        """As `Surface` says; small holes between the squares are closed from their rim."""
        pixels, depth = projected(self.points, pose)
        drawn = self._splatted(pixels, depth)
        # Closed and not widened: the outline of what is seen stays where it is.
        closed = binary_closing(drawn >= 0, iterations=GAP, border_value=1)
        rim = distance_transform_edt(drawn < 0, return_distances=False, return_indices=True)
        drawn = np.where(closed, drawn[tuple(rim)], drawn)
        hit = drawn >= 0
        found = drawn[hit]
        shown = np.zeros((HEIGHT, WIDTH), np.float32)
        shown[hit] = depth[found]
        return painted(pose, shown, hit, self.scan.colours[found], self.scan.vertex_instance[found])

    def _splatted(self, pixels: Array, depth: Array) -> NDArray[np.int64]:
        """(H, W) the nearest point whose square covers each pixel, -1 for none."""
        there = np.flatnonzero(depth > NEAR)
        there = there[np.argsort(-depth[there], kind="stable")]  # a higher place is nearer
        half = np.clip(np.round(SPLAT * self.reach * FOCAL / depth[there]), 0, LARGEST_SPLAT).astype(np.int64)
        column, row = np.floor(pixels[there]).astype(np.int64).T
        nearest = np.zeros((HEIGHT, WIDTH), np.int64)
        for reach in np.unique(half):
            some = np.flatnonzero(half == reach)
            for dy, dx in product(range(-reach, reach + 1), repeat=2):
                y, x = row[some] + dy, column[some] + dx
                inside = (y >= 0) & (y < HEIGHT) & (x >= 0) & (x < WIDTH)
                np.maximum.at(nearest, (y[inside], x[inside]), some[inside] + 1)
        return np.concatenate([[-1], there])[nearest]
