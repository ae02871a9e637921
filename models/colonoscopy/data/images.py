"""Frames and masks: pairs of a folder, what is tissue in a frame, and the square that the networks see.

A frame is uint8 RGB (H, W, 3), a mask bool (H, W), True on the polyp. Endoscopes
write text beside and over the picture and leave its corners black; neither is
tissue, and a generator that saw them would draw them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from natsort import natsorted
from numpy.typing import NDArray

from models.core.errors import UserError
from models.core.image_io import read_image

Frame = NDArray[np.uint8]
Mask = NDArray[np.bool_]

KINDS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
WORK = 384  # the long side, in pixels, at which a frame's black parts and text are looked for
DARK, COLOURLESS = 26, 12  # brightest channel and spread of channels of what no lamp reached


@dataclass(frozen=True)
class Pair:
    """A frame and its mask of the same size. name: the stem of their files."""

    name: str
    frame: Frame
    mask: Mask


def read_frame(path: Path) -> Frame:
    """A frame of any size. Raises as `read_image` does."""
    return np.asarray(read_image(path, "RGB")).copy()


def read_mask(path: Path) -> Mask:
    """A mask of any size: True where grey is above 127, which cuts soft edges in the middle."""
    return np.asarray(read_image(path, "L")) > 127


def pair_paths(folder: Path) -> list[tuple[Path, Path]]:
    """Files of folder/images and folder/masks (or image, mask) with the same stem, in natural order.

    Raises UserError: pairs_missing where there are no such folders or no pairs in them.
    """
    found = []
    for images, masks in (("images", "masks"), ("image", "mask")):
        if (folder / images).is_dir() and (folder / masks).is_dir():
            frames, drawn = _by_stem(folder / images), _by_stem(folder / masks)
            found = [(frames[stem], drawn[stem]) for stem in natsorted(frames.keys() & drawn.keys())]
            break
    if not found:
        raise UserError("pairs_missing", name=folder.name)
    return found


def read_pairs(folder: Path, limit: int | None = None) -> Iterator[Pair]:
    """The pairs of a folder, one after another. Raises as `pair_paths`, `read_image` and `fitted` do."""
    for image, mask in pair_paths(folder)[:limit]:
        frame = read_frame(image)
        yield Pair(image.stem, frame, fitted(read_mask(mask), frame.shape[0], frame.shape[1]))


def fitted(mask: Mask, height: int, width: int) -> Mask:
    """The mask at another size, by the nearest pixel."""
    if mask.shape == (height, width):
        return mask
    return cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0


def image_files(folder: Path) -> list[Path]:
    """The image files of a folder in natural order; hidden ones are not meant."""
    files = (path for path in folder.iterdir() if path.suffix.lower() in KINDS)
    return natsorted(path for path in files if not path.name.startswith("."))


def _by_stem(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in image_files(folder)}


def outside(frame: Frame) -> Mask:
    """What no tissue is seen in: black or grey borders, corners and insets, (H, W).

    Dark and colourless after a median that swallows text, and joined to the frame's
    border: the lumen is dark too, but not black to the edge and not without colour.
    """
    small = _shrunk(frame)
    calm = cv2.medianBlur(small, 7).astype(np.int16)
    dark = (calm.max(axis=2) < DARK) & (np.ptp(calm, axis=2) < COLOURLESS)
    dark = cv2.copyMakeBorder(dark.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    _, parts = cv2.connectedComponents(dark, connectivity=4)
    joined = (parts == parts[0, 0])[1:-1, 1:-1]
    grown = cv2.dilate(joined.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return fitted(grown, *frame.shape[:2])


def burnt_in(frame: Frame) -> Mask:
    """What a device wrote over the tissue: lines of white letters at the left, green insets, (H, W).

    Letters are thin, bright, colourless and stand in rows of equal height; a highlight
    is alone or lies anyhow. A green that outshines red is no tissue.
    """
    small = _shrunk(frame)
    height, width = small.shape[:2]
    marks: NDArray[Any] = np.zeros((height, width), np.uint8)
    for left, top, right, bottom in _lines_of_text(small):
        marks[max(0, top - 3) : bottom + 3, max(0, left - 4) : right + 4] = 1
    colours = small.astype(np.int16)
    green: NDArray[Any] = (colours[..., 1] > colours[..., 0] + 40) & (colours[..., 1] > colours[..., 2] + 30)
    green = cv2.morphologyEx(green.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    marks = (marks + cv2.dilate(green, np.ones((9, 9), np.uint8))) > 0
    return fitted(marks, *frame.shape[:2])


def _lines_of_text(small: Frame) -> list[tuple[int, int, int, int]]:
    """Boxes (left, top, right, bottom) of rows of three letters and more in the left third of a frame."""
    grey = small.min(axis=2)
    thin = cv2.morphologyEx(grey, cv2.MORPH_TOPHAT, np.ones((9, 9), np.uint8))
    colourless = np.ptp(small.astype(np.int16), axis=2) < 100
    letters = ((thin > 28) & (grey > 100) & colourless).astype(np.uint8)
    letters[:, int(0.35 * small.shape[1]) :] = 0
    count, _, facts, centres = cv2.connectedComponentsWithStats(letters, connectivity=8)
    glyphs = [
        (*facts[i, :4], centres[i, 1])
        for i in range(1, count)
        if 4 <= facts[i, cv2.CC_STAT_HEIGHT] <= 12 and 1 <= facts[i, cv2.CC_STAT_WIDTH] <= 80
    ]
    lines = []
    for x, y, w, h, middle in glyphs:
        row = [g for g in glyphs if abs(g[4] - middle) <= 2 and abs(g[3] - h) <= 2 and abs(g[0] - x) <= 50]
        if len(row) >= 3 or w >= 3 * h:  # letters that touch are one wide piece
            lines.append((int(x), int(y), int(x + w), int(y + h)))
    return lines


def squared(frame: Frame, size: int) -> Frame:
    """A frame as a square of `size` pixels, its sides scaled each by itself."""
    shrinks = size < min(frame.shape[:2])
    scaled = cv2.resize(frame, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.ascontiguousarray(scaled)


def _shrunk(frame: Frame) -> Frame:
    """The frame with WORK pixels on its long side, so that widths of letters mean the same in every file."""
    height, width = frame.shape[:2]
    scale = WORK / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
