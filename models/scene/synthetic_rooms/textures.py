"""Procedural images for floors, walls and cloth: (H, W, 3) uint8 that tile."""

import numpy as np
from numpy.typing import NDArray

from models.scene.synthetic_rooms.shapes import Colour

Image = NDArray[np.uint8]


def _grain(rng: np.random.Generator, size: int, spread: float) -> NDArray[np.float64]:
    """(size, size, 1) of smooth noise around 1 that tiles, made of a few octaves."""
    total = np.zeros((size, size))
    for cells in (4, 8, 32, size):
        total += np.kron(rng.normal(size=(cells, cells)), np.ones((size // cells, size // cells)))
    return (1 + spread * total / 2)[..., None]


def _picture(values: NDArray[np.float64]) -> Image:
    return np.clip(values, 0, 255).astype(np.uint8)


def plain(rng: np.random.Generator, colour: Colour, spread: float = 0.02) -> Image:
    """Paint, carpet or cloth of one colour that is not quite even."""
    return _picture(np.array(colour) * _grain(rng, 128, spread))


def planks(rng: np.random.Generator, colour: Colour) -> Image:
    """A wooden floor; the image covers 2 m, with boards 12.5 cm wide."""
    size, board = 256, 16
    rows = np.arange(size) // board
    shift = rng.integers(0, size, size // board)[rows]
    column = (np.arange(size)[None, :] + shift[:, None]) % size
    tone = rng.normal(1, 0.1, (size // board, 2))[rows[:, None], column // (size // 2)]
    streaks = np.repeat(rng.normal(0, 0.035, (size, size // 16)), 16, axis=1)
    seam = (np.arange(size)[:, None] % board == 0) | (column % (size // 2) == 0)
    return _picture(np.array(colour) * ((tone + streaks) * np.where(seam, 0.62, 1))[..., None])


def tiles(rng: np.random.Generator, colour: Colour, joint: Colour, checker: Colour | None = None) -> Image:
    """Tiles, 4 x 4 on the image, every other one in the `checker` colour if given."""
    size, side = 256, 64
    cell = np.arange(size) // side
    tone = rng.normal(1, 0.03, (4, 4))[cell[:, None], cell[None, :]][..., None]
    colours = np.broadcast_to(np.array(colour, float), (size, size, 3)).copy()
    if checker is not None:
        colours[(cell[:, None] + cell[None, :]) % 2 == 1] = checker
    inside = np.arange(size) % side >= 3
    wall = (inside[:, None] & inside[None, :])[..., None]
    return _picture(np.where(wall, colours * tone, np.array(joint, float)))


def stripes(rng: np.random.Generator, first: Colour, second: Colour, count: int = 6) -> Image:
    """Cloth of two colours in stripes of uneven widths."""
    edges = np.sort(rng.choice(np.arange(4, 124), 2 * count, replace=False))
    band = np.searchsorted(edges, np.arange(128)) % 2
    row = np.array([first, second])[band]
    return _picture(np.repeat(row[:, None], 128, axis=1) * _grain(rng, 128, 0.03))


def rug(rng: np.random.Generator, field: Colour, border: Colour, figure: Colour) -> Image:
    """A carpet with two borders and a lozenge in its middle."""
    size = 256
    v, u = np.mgrid[0:size, 0:size] / size
    edge = np.minimum(np.minimum(u, 1 - u), np.minimum(v, 1 - v))
    colours = np.where(
        ((np.abs(u - 0.5) + np.abs(v - 0.5)) < 0.24)[..., None], np.array(figure), np.array(field)
    )
    colours = np.where((np.abs(edge - 0.19) < 0.025)[..., None], np.array(figure), colours)
    colours = np.where(((edge < 0.1) & (edge > 0.03))[..., None], np.array(border), colours)
    return _picture(colours * _grain(rng, size, 0.04))


def landscape(rng: np.random.Generator) -> Image:
    """Sky, a sun, and a few ranges of hills."""
    size = 128
    v, u = np.mgrid[0:size, 0:size] / size
    warm = rng.random()
    sky = np.array([150 + 90 * warm, 185, 235 - 80 * warm])
    colours = sky * (0.75 + 0.4 * v[..., None])
    sun = np.hypot(u - rng.uniform(0.2, 0.8), v - 0.3) < 0.09
    colours[sun] = (250, 235, 170)
    for layer in range(3):
        horizon = 0.45 + 0.17 * layer
        horizon = horizon + 0.06 * np.sin(2 * np.pi * (u * rng.uniform(1, 3) + rng.random()))
        hill = rng.uniform((30, 70, 40), (110, 140, 110)) * (1.1 - 0.25 * layer)
        colours = np.where((v > horizon)[..., None], hill, colours)
    return _picture(colours)


def abstract(rng: np.random.Generator) -> Image:
    """A few coloured rectangles on a light ground."""
    colours = np.full((128, 128, 3), 235.0)
    for _ in range(9):
        x, y = rng.integers(0, 100, 2)
        w, h = rng.integers(15, 60, 2)
        colours[y : y + h, x : x + w] = rng.uniform(30, 240, 3)
    return _picture(colours)


def print_lines(rng: np.random.Generator, paper: Colour, ink: Colour, rows: int = 9) -> Image:
    """Handwriting from afar: broken lines on a plain ground."""
    image = np.broadcast_to(np.array(paper, float), (128, 256, 3)).copy()
    for row in np.linspace(14, 112, rows).astype(int):
        x = int(rng.integers(8, 40))
        while x < rng.integers(120, 240):
            width = int(rng.integers(6, 22))
            image[row : row + 3, x : x + width] = ink
            x += width + 5
    return _picture(image)
