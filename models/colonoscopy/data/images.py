"""Frames and masks: pairs of a folder, what is tissue in a frame, and the square that the networks see.

A frame is uint8 RGB (H, W, 3), a mask bool (H, W), True on the polyp. Endoscopes
write text beside and over the picture and leave its corners black; neither is
tissue, and a generator that saw them would draw them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from natsort import natsorted
from numpy.typing import NDArray

from models.colonoscopy.data.mask_encodings import Mask, decoded
from models.core.errors import UserError
from models.core.image_io import read_picture
from models.core.notes import Note

Frame = NDArray[np.uint8]

KINDS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".heic", ".heif", ".avif")
MASK_MARK = re.compile(
    r"^(?:mask|gt|label)[ _.-]+|[ _.-]+(?:mask|gt|seg|segmentation|ground_?truth|labels?|polyp)$",
    re.IGNORECASE,
)
WORK = 384  # the long side, in pixels, at which a frame's black parts and text are looked for
DARK, COLOURLESS = 26, 12  # brightest channel and spread of channels of what no lamp reached


@dataclass(frozen=True)
class Pair:
    """A frame and its mask of the same size. name: the stem of their files."""

    name: str
    frame: Frame
    mask: Mask


def read_frame(path: Path) -> Frame:
    """A frame of any size. Raises as `read_picture` does."""
    return told_frame(path)[0]


def told_frame(path: Path) -> tuple[Frame, tuple[Note, ...]]:
    """A frame of any size, and what was made of its file. Raises as `read_picture` does."""
    picture = read_picture(path)
    return np.asarray(picture.image).copy(), picture.notes


def read_mask(path: Path) -> Mask:
    """A mask of any size and encoding, as its writer meant it. Raises as `decoded` does."""
    return decoded(path)[0]


def pair_paths(folder: Path) -> list[tuple[Path, Path]]:
    """Files of folder/images and folder/masks (or image, mask) of the same name, in natural order.

    The mask of X may be called X_mask, X_segmentation, X_gt and the like, or mask_X.
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
    """The pairs of a folder, one after another; what cannot be read is passed over (see `passed_over`).

    Raises as `pair_paths` does, and UserError("pairs_missing") where no pair can be read.
    """
    some = False
    for image, mask in pair_paths(folder)[:limit]:
        try:
            frame = read_frame(image)
            pair = Pair(image.stem, frame, fitted(read_mask(mask), frame.shape[0], frame.shape[1]))
        except UserError:
            continue
        some = True
        yield pair
    if not some:
        raise UserError("pairs_missing", name=folder.name)


def passed_over(folder: Path) -> dict[str, UserError | None]:
    """Files of a folder of pairs that no pair is made of, and why; None for one without a partner."""
    paths = pair_paths(folder)
    left: dict[str, UserError | None] = {}
    for inner in {place.parent for pair in paths for place in pair}:
        left |= {f"{inner.name}/{path.name}": None for path in image_files(inner)}
    for pair in paths:
        for path, read in zip(pair, (read_frame, read_mask), strict=True):
            del left[f"{path.parent.name}/{path.name}"]
            try:
                read(path)
            except UserError as error:
                left[f"{path.parent.name}/{path.name}"] = error
    return left


def fitted(mask: Mask, height: int, width: int) -> Mask:
    """The mask at another size, by the nearest pixel."""
    if mask.shape == (height, width):
        return mask
    return cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0


def padded(mask: Mask) -> Mask:
    """The mask in the middle of an empty square, so that a circle stays a circle in a square network."""
    side = max(mask.shape)
    square = np.zeros((side, side), bool)
    square[own_part(mask.shape, side)] = mask
    return square


def letterboxed(frame: Frame) -> Frame:
    """The frame in the middle of a black square."""
    height, width = frame.shape[:2]
    side = max(height, width)
    square = np.zeros((side, side, 3), np.uint8)
    square[own_part((height, width), side)] = frame
    return square


def own_part(shape: tuple[int, ...], side: int) -> tuple[slice, slice]:
    """Rows and columns of a padded square of `side` pixels where what had `shape` (H, W) lies."""
    longer = max(shape[:2])
    rows, columns = (max(1, round(side * length / longer)) for length in shape[:2])
    top, left = (side - rows) // 2, (side - columns) // 2
    return slice(top, top + rows), slice(left, left + columns)


def image_files(folder: Path) -> list[Path]:
    """The image files of a folder in natural order; hidden ones are not meant."""
    files = (path for path in folder.iterdir() if path.suffix.lower() in KINDS)
    return natsorted(path for path in files if not path.name.startswith("."))


def _by_stem(folder: Path) -> dict[str, Path]:
    """Files by the name of what they show: of two with one name, that without a mark of a mask counts."""
    files = sorted(image_files(folder), key=lambda path: len(path.stem), reverse=True)
    return {MASK_MARK.sub("", path.stem) or path.stem: path for path in files}


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
