"""A simulated depth camera walks through a room; Open3D's TSDF fuses its frames into a coloured mesh."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import open3d as o3d
from numpy.typing import NDArray

from models.scene.synthetic_rooms.layout import FLOOR, Placed, Plan, ray_scene
from models.scene.synthetic_rooms.shapes import Shape, colours_at, join

WIDTH, HEIGHT = 240, 180
FOCAL = 200.0
EYE = 1.5
LOOKS = 12
STATIONS_PER_AREA = 0.6
ARM = 0.45
MOST_CLOSE = 26
MAX_DEPTH = 5.0
# How far around a surface its distance is kept, in voxels.
TRUNCATION = 2.5
# Standard deviation of a structured-light camera's depth, metres at z metres: NOISE[0] + NOISE[1] z^2.
NOISE = (0.0008, 0.0008)
LIGHT_RAYS = 24
# How far white is lifted off black while the mesh is simplified, metres.
RELIEF = 0.02


@dataclass(frozen=True)
class Fused:
    """vertices: (N, 3) metres. colours: (N, 3) uint8. faces: (M, 3). owner: (N,) index of the plan's item."""

    vertices: NDArray[np.float32]
    colours: NDArray[np.uint8]
    faces: NDArray[np.int32]
    owner: NDArray[np.int32]


def scan(plan: Plan, rng: np.random.Generator, voxel: float, vertices: int) -> Fused:
    """Walks, fuses and simplifies to about so many vertices. voxel: metres."""
    shape = join([item.shape for item in plan.items])
    owner = np.repeat(np.arange(len(plan.items)), [len(item.shape.triangles) for item in plan.items])
    scene = ray_scene(shape)
    mesh = _fuse(shape, scene, _walk(plan, rng), rng, voxel)
    mesh = _simplified(mesh, vertices)
    points = np.asarray(mesh.vertices, np.float32)
    nearest = scene.compute_closest_points(_tensor(points), nthreads=1)
    triangle = nearest["primitive_ids"].numpy().astype(np.int64)
    colours = (
        255 * np.asarray(mesh.vertex_colors) * _light(scene, points, np.asarray(mesh.vertex_normals), rng)
    )
    return Fused(
        points,
        np.clip(colours, 0, 255).astype(np.uint8),
        np.asarray(mesh.triangles, np.int32),
        owner[triangle].astype(np.int32),
    )


def _walk(plan: Plan, rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """Camera to world, (4, 4), x right, y down, z forward: someone walks round the room and looks about."""
    xs = np.arange(-plan.width / 2 + 0.35, plan.width / 2 - 0.3, 0.15)
    ys = np.arange(-plan.depth / 2 + 0.35, plan.depth / 2 - 0.3, 0.15)
    grid = np.stack(np.meshgrid(xs, ys), -1).reshape(-1, 2)
    clear = np.full(len(grid), np.inf)
    for item in plan.items:
        if item.support == FLOOR and not item.flat:
            low, high = item.box[:, :2]
            clear = np.minimum(
                clear, np.linalg.norm(np.maximum(np.maximum(low - grid, grid - high), 0), axis=1)
            )
    free = grid[clear > min(0.18, float(clear.max()) * 0.8)]
    poses = []
    stations = int(np.clip(STATIONS_PER_AREA * plan.width * plan.depth, 10, 22))
    for point in _spread(free, stations, rng):
        first = rng.uniform(0, 2 * np.pi)
        for look in range(LOOKS):
            yaw = first + 2 * np.pi * look / LOOKS + rng.normal(0, 0.1)
            pitch = (-0.65, -0.08)[look % 2] + rng.normal(0, 0.04)
            poses.append(camera_pose(_eye(point, rng), yaw, pitch))
    standing = [item for item in plan.items if item.support == FLOOR and not item.flat]
    for index in rng.permutation(len(standing))[:MOST_CLOSE]:
        poses += _close_looks(standing[index], free, rng)
    return poses


def _spread(free: NDArray[np.float64], count: int, rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """So many (2,) points, each as far as can be from those before it, in the order of a walk round."""
    chosen = [free[rng.integers(len(free))]]
    while len(chosen) < min(count, len(free)):
        gaps = np.min([np.linalg.norm(free - point, axis=1) for point in chosen], axis=0)
        chosen.append(free[gaps.argmax()])
    return sorted(chosen, key=lambda point: float(np.arctan2(point[1], point[0])))


def _close_looks(
    item: Placed, free: NDArray[np.float64], rng: np.random.Generator
) -> list[NDArray[np.float64]]:
    """Looks down at a piece of furniture, with a stretched arm: from its front and half from each side."""
    low, high = item.box
    middle = (low + high) / 2
    wanted = float(np.linalg.norm(high[:2] - low[:2])) / 2 + 0.6
    front = item.yaw - np.pi / 2
    poses = []
    for direction in front + np.array([0.0, -1.1, 1.1]) + rng.normal(0, 0.1, 3):
        spot = middle[:2] + wanted * np.array([np.cos(direction), np.sin(direction)])
        stand = free[np.linalg.norm(free - spot, axis=1).argmin()]
        gap = middle[:2] - stand
        arm = min(ARM, 0.6 * float(np.linalg.norm(gap))) if high[2] < EYE - 0.2 else 0.0
        eye = _eye(stand + arm * gap / np.linalg.norm(gap), rng)
        eye[2] += 0.2
        forward = middle - eye
        level = np.linalg.norm(forward[:2])
        poses.append(
            camera_pose(eye, float(np.arctan2(forward[1], forward[0])), float(np.arctan2(forward[2], level)))
        )
    return poses


def _eye(point: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    return np.array([*(point + rng.normal(0, 0.04, 2)), EYE + rng.normal(0, 0.08)])


def camera_pose(eye: NDArray[np.float64], yaw: float, pitch: float) -> NDArray[np.float64]:
    """(4, 4) camera to world of an eye (3,) that looks along yaw and pitch, radians; the camera's x is right,
    y down, z forward.
    """
    forward = np.array([np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), np.sin(pitch)])
    right = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
    pose = np.eye(4)
    pose[:3] = np.column_stack([right, np.cross(forward, right), forward, eye])
    return pose


def _fuse(
    shape: Shape,
    scene: o3d.t.geometry.RaycastingScene,
    poses: list[NDArray[np.float64]],
    rng: np.random.Generator,
    voxel: float,
) -> o3d.geometry.TriangleMesh:
    grid = o3d.t.geometry.VoxelBlockGrid(
        ("tsdf", "weight", "color"),
        (o3d.core.float32, o3d.core.float32, o3d.core.float32),
        ((1,), (1,), (3,)),  # type: ignore[arg-type]
        voxel_size=voxel,
        block_resolution=16,
        block_count=4000,
    )
    lens = np.array([[FOCAL, 0, WIDTH / 2 - 0.5], [0, FOCAL, HEIGHT / 2 - 0.5], [0, 0, 1]])
    v, u = np.mgrid[0:HEIGHT, 0:WIDTH]
    rays = np.stack([(u - lens[0, 2]) / FOCAL, (v - lens[1, 2]) / FOCAL, np.ones(u.shape)], -1)
    intrinsic, exposure = _tensor(lens), 1.0
    for pose in poses:
        exposure = float(np.clip(exposure + rng.normal(0, 0.03), 0.88, 1.1))
        seen, colour = _frame(shape, scene, rays, pose, rng)
        depth = o3d.t.geometry.Image(seen)
        image = o3d.t.geometry.Image(np.clip(colour * exposure, 0, 255).astype(np.float32))
        extrinsic = _tensor(np.linalg.inv(pose))
        blocks = grid.compute_unique_block_coordinates(
            depth, intrinsic, extrinsic, 1.0, MAX_DEPTH, TRUNCATION
        )
        grid.integrate(blocks, depth, image, intrinsic, intrinsic, extrinsic, 1.0, MAX_DEPTH, TRUNCATION)
    mesh = grid.extract_triangle_mesh(weight_threshold=2.0)
    mesh.vertex.colors = mesh.vertex.colors / 255.0
    return mesh.to_legacy()


def _frame(
    shape: Shape,
    scene: o3d.t.geometry.RaycastingScene,
    rays: NDArray[np.float64],
    pose: NDArray[np.float64],
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Depth (H, W) in metres, 0 where the camera saw nothing, and colour (H, W, 3), 0-255."""
    directions = (rays @ pose[:3, :3].T).astype(np.float32)
    origins = np.broadcast_to(pose[:3, 3].astype(np.float32), directions.shape)
    seen = scene.cast_rays(_tensor(np.concatenate([origins, directions], -1)), nthreads=1)
    depth = seen["t_hit"].numpy()  # the rays' z is 1, so their length is the depth
    hit = np.isfinite(depth) & (depth < MAX_DEPTH)
    colour = np.zeros((*depth.shape, 3), np.float32)
    triangle = seen["primitive_ids"].numpy()[hit].astype(np.int64)
    colour[hit] = colours_at(shape, triangle, seen["primitive_uvs"].numpy()[hit])
    normals = seen["primitive_normals"].numpy()
    slope = np.abs((normals * directions).sum(-1)) / np.maximum(np.linalg.norm(directions, axis=-1), 1e-6)
    noise = NOISE[0] + NOISE[1] * np.where(hit, depth, 0) ** 2
    depth = np.where(hit, depth, 0) + rng.normal(size=depth.shape) * noise
    lost = (slope < rng.uniform(0.05, 0.22, depth.shape)) | (rng.random(depth.shape) < 0.02)
    return np.where(hit & ~lost, depth, 0).astype(np.float32), colour


def _simplified(mesh: o3d.geometry.TriangleMesh, vertices: int) -> o3d.geometry.TriangleMesh:
    """Crumbs taken away, then edges collapsed until about so many vertices are left.

    The collapse looks at shapes only and would smear pictures and patterns. So bright places are lifted off
    the surface while it runs, which makes colour edges shape edges, and lowered again afterwards.
    """
    cluster, sizes, _ = mesh.cluster_connected_triangles()
    mesh.remove_triangles_by_mask(np.asarray(sizes)[np.asarray(cluster)] < 150)
    mesh.remove_unreferenced_vertices()
    if len(mesh.vertices) > vertices:
        points, colours = (
            _tensor(np.asarray(mesh.vertices)),
            np.asarray(mesh.vertex_colors).copy(),
        )
        search = o3d.core.nns.NearestNeighborSearch(points)
        search.knn_index()
        _lift(mesh, RELIEF)
        ratio = len(mesh.triangles) / len(mesh.vertices)
        mesh = mesh.simplify_quadric_decimation(int(vertices * ratio), boundary_weight=0.5)
        mesh.remove_unreferenced_vertices()
        _lift(mesh, -RELIEF)
        # An edge's collapse averages colours, over and over: take them from the full mesh again.
        nearest = search.knn_search(_tensor(np.asarray(mesh.vertices)), 1)[0].numpy().reshape(-1)
        mesh.vertex_colors = o3d.utility.Vector3dVector(colours[nearest])
    mesh.compute_vertex_normals()
    return mesh


def _lift(mesh: o3d.geometry.TriangleMesh, metres: float) -> None:
    """Moves every vertex along its normal in proportion to its brightness."""
    mesh.compute_vertex_normals()
    brightness = np.asarray(mesh.vertex_colors) @ [[0.35], [0.55], [0.1]]
    moved = np.asarray(mesh.vertices) + metres * brightness * np.asarray(mesh.vertex_normals)
    mesh.vertices = o3d.utility.Vector3dVector(moved)


def _light(
    scene: o3d.t.geometry.RaycastingScene,
    points: NDArray[np.float32],
    normals: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """(N, 1) brightness: the share of the sky above the open room that a point sees, and a constant part."""
    directions = rng.normal(size=(LIGHT_RAYS, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    total = np.zeros(len(points))
    for direction in directions:
        ways = normals + direction * 0.98  # cosine-weighted about each normal
        ways /= np.maximum(np.linalg.norm(ways, axis=1, keepdims=True), 1e-6)
        starts = points + 0.02 * normals
        rays = np.concatenate([starts, ways], 1).astype(np.float32)
        distance = scene.cast_rays(_tensor(rays), nthreads=1)["t_hit"].numpy()
        total += np.where(np.isfinite(distance), 0.55 * np.clip(distance / 1.5, 0, 1), 1.0)
    return (0.42 + 0.62 * total / LIGHT_RAYS)[:, None]


def _tensor(array: NDArray[Any]) -> o3d.core.Tensor:
    return o3d.core.Tensor.from_numpy(np.ascontiguousarray(array))
