"""Triangle soups with materials: what rooms are built of.

Frames: metres, z up, x to the right, and the front of a piece of furniture looks to -y
(so its back, at +y, can stand against a wall).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import trimesh
from numpy.typing import NDArray

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Material:
    """colour: 0-255, of the whole surface where there is no image. image: (H, W, 3) uint8, wraps around."""

    colour: Colour
    image: NDArray[np.uint8] | None = None

    @property
    def mean(self) -> NDArray[np.float64]:
        """(3,) what it looks like from afar."""
        return np.array(self.colour) if self.image is None else self.image.reshape(-1, 3).mean(0)

    def tinted(self, colour: Colour) -> "Material":
        """In another colour on average; an image keeps its light and dark."""
        if self.image is None:
            return Material(colour)
        light = self.image.mean(2, keepdims=True) / max(float(self.image.mean()), 1.0)
        return Material(colour, np.clip(light * np.array(colour), 0, 255).astype(np.uint8))


@dataclass(frozen=True)
class Shape:
    """triangles: (T, 3, 3) float32. uv: (T, 3, 2) float32. material: (T,) int32, an index into materials."""

    triangles: NDArray[np.float32]
    uv: NDArray[np.float32]
    material: NDArray[np.int32]
    materials: tuple[Material, ...]

    @property
    def bounds(self) -> NDArray[np.float32]:
        """(2, 3): the lowest and the highest corner."""
        points = self.triangles.reshape(-1, 3)
        return np.stack([points.min(0), points.max(0)])

    @property
    def size(self) -> NDArray[np.float32]:
        """(3,) metres."""
        low, high = self.bounds
        return high - low

    @property
    def areas(self) -> NDArray[np.float32]:
        """(T,) square metres."""
        a, b, c = self.triangles.transpose(1, 0, 2)
        return (np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2).astype(np.float32)

    def moved(self, x: float = 0, y: float = 0, z: float = 0, yaw: float = 0) -> "Shape":
        """Turned by yaw (radians, about z, from x to y), then shifted by metres."""
        c, s = np.cos(yaw), np.sin(yaw)
        turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        return self.mapped(turn, (x, y, z))

    def mapped(self, matrix: NDArray[np.float64], shift: Sequence[float] = (0, 0, 0)) -> "Shape":
        """Every point p becomes matrix p + shift."""
        triangles = self.triangles @ matrix.T + np.asarray(shift)
        return replace(self, triangles=triangles.astype(np.float32))

    def settled(self) -> "Shape":
        """Standing on z = 0, centred over the origin."""
        low, high = self.bounds
        middle = (low + high) / 2
        return self.moved(-float(middle[0]), -float(middle[1]), -float(low[2]))

    def tinted(self, colour: Colour) -> "Shape":
        """The same thing in another colour: its material of the largest area takes it, and those like it.

        Patterns stay, as light and dark.
        """
        share = np.bincount(self.material, weights=self.areas, minlength=len(self.materials))
        means = np.array([material.mean for material in self.materials])
        alike = np.linalg.norm(means - means[share.argmax()], axis=1) < 40
        materials = [
            material.tinted(colour) if same else material
            for material, same in zip(self.materials, alike, strict=True)
        ]
        return replace(self, materials=tuple(materials))


def join(shapes: Sequence[Shape]) -> Shape:
    """One shape out of several."""
    starts = np.cumsum([0] + [len(shape.materials) for shape in shapes[:-1]])
    return Shape(
        np.concatenate([shape.triangles for shape in shapes]),
        np.concatenate([shape.uv for shape in shapes]),
        np.concatenate([shape.material + start for shape, start in zip(shapes, starts, strict=True)]).astype(
            np.int32
        ),
        tuple(material for shape in shapes for material in shape.materials),
    )


def colours_at(
    shape: Shape, triangle: NDArray[np.int64], barycentric: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(N, 3) colours, 0-255, of the points u, v (N, 2) on the triangles (N,): p = (1-u-v) a + u b + v c."""
    u, v = barycentric[:, :1], barycentric[:, 1:]
    corners = shape.uv[triangle]
    uv = (1 - u - v) * corners[:, 0] + u * corners[:, 1] + v * corners[:, 2]
    chosen = shape.material[triangle]
    flat = np.array([material.colour for material in shape.materials], np.float32)
    colours = flat[chosen]
    for index in np.unique(chosen):
        image = shape.materials[index].image
        if image is None:
            continue
        here = chosen == index
        height, width = image.shape[:2]
        column = (np.floor(uv[here, 0] * width).astype(np.int64)) % width
        row = (np.floor((1 - uv[here, 1]) * height).astype(np.int64)) % height
        colours[here] = image[row, column]
    return colours


def from_trimesh(mesh: trimesh.Trimesh, material: Material, uv: NDArray[np.float32] | None = None) -> Shape:
    """uv: (V, 2) of the vertices."""
    triangles = np.asarray(mesh.vertices, np.float32)[mesh.faces]
    corners = np.zeros((len(triangles), 3, 2), np.float32) if uv is None else uv[mesh.faces]
    return Shape(triangles, corners.astype(np.float32), np.zeros(len(triangles), np.int32), (material,))


def box(
    size: Sequence[float], at: Sequence[float] = (0, 0, 0), colour: Colour | Material = (200, 200, 200)
) -> Shape:
    """A box of size (x, y, z) whose bottom's middle is `at`."""
    mesh = trimesh.creation.box(size)
    mesh.apply_translation((at[0], at[1], at[2] + size[2] / 2))
    shape = from_trimesh(mesh, _material(colour))
    return _uv_by_direction(shape) if shape.materials[0].image is not None else shape


def cylinder(
    radius: float,
    height: float,
    at: Sequence[float] = (0, 0, 0),
    colour: Colour = (200, 200, 200),
    top: float | None = None,
    open_ended: bool = False,
) -> Shape:
    """An upright cylinder, or a cone's stump where `top` gives another radius up there, standing on `at`."""
    radius_top = radius if top is None else top
    profile = [(radius, 0), (radius_top, height)]
    if not open_ended:
        profile = [(0, 0), *profile, (0, height)]
    return lathe(profile, colour).moved(*at)


def lathe(profile: Sequence[tuple[float, float]], colour: Colour) -> Shape:
    """The surface that (radius, z) points sweep around the z axis."""
    mesh = trimesh.creation.revolve(np.asarray(profile, float), sections=20)
    return from_trimesh(mesh, _material(colour))


def rod(start: Sequence[float], end: Sequence[float], radius: float, colour: Colour) -> Shape:
    """A round bar between two points."""
    mesh = trimesh.creation.cylinder(radius, segment=[start, end], sections=10)
    return from_trimesh(mesh, _material(colour))


def cushion(size: Sequence[float], colour: Colour | Material, power: float = 0.45) -> Shape:
    """A pillow-like super-ellipsoid of size (x, y, z), lying on z = 0; a smaller power is more like a box."""
    mesh = trimesh.creation.icosphere(subdivisions=3)
    points = mesh.vertices
    flat = np.sign(points) * np.abs(points) ** np.array([power, power, 0.8])
    mesh.vertices = flat * np.asarray(size) / 2
    uv = (mesh.vertices[:, :2] / np.asarray(size)[:2] + 0.5).astype(np.float32)
    return from_trimesh(mesh, _material(colour), uv).moved(z=size[2] / 2)


def panel(width: float, height: float, material: Material, tile: float | None = None) -> Shape:
    """An upright rectangle at y = 0 that looks to -y, from x = 0 to width; `tile`: metres an image covers."""
    corners = np.array([[0, 0, 0], [width, 0, 0], [width, 0, height], [0, 0, height]], np.float32)
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    if tile is not None:
        uv = corners[:, [0, 2]] / tile
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    return Shape(corners[faces], uv[faces].astype(np.float32), np.zeros(2, np.int32), (material,))


def _material(colour: Colour | Material) -> Material:
    return colour if isinstance(colour, Material) else Material(colour)


def _uv_by_direction(shape: Shape) -> Shape:
    """Lays the image over each side as metres, seen from the front, the side or above."""
    a, b, c = shape.triangles.transpose(1, 0, 2)
    facing = np.abs(np.cross(b - a, c - a)).argmax(1)
    axes = np.array([[1, 2], [0, 2], [0, 1]])[facing]
    uv = np.take_along_axis(shape.triangles, axes[:, None, :], axis=2)
    return replace(shape, uv=uv.astype(np.float32))
