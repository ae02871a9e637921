"""A portrait from a picture's file."""

from pathlib import Path

import numpy as np
from PIL import Image

from models.core.image_io import read_picture
from models.core.notes import Note

MAX_SIDE = 1280  # what a portrait or clip is scaled to


def read_portrait(path: Path) -> np.ndarray:
    """A portrait (H, W, 3) uint8, as `told_portrait` gives it."""
    return told_portrait(path)[0]


def told_portrait(path: Path) -> tuple[np.ndarray, tuple[Note, ...]]:
    """A portrait (H, W, 3) uint8, turned as its camera says, at most MAX_SIDE on the long side, sides even;
    and what was made of its file.

    Raises as `models.core.image_io.read_picture` does.
    """
    picture = read_picture(path, MAX_SIDE)
    image, size = picture.image, fitted(*picture.image.size)
    image = image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)
    return np.asarray(image).copy(), picture.notes


def fitted(width: int, height: int) -> tuple[int, int]:
    """Width and height scaled to at most MAX_SIDE, and even, as H.264 wants them."""
    scale = min(1.0, MAX_SIDE / max(width, height))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)
