"""Masks that a person draws or brings: what is no mask is refused, in words that say what to do."""

from pathlib import Path

import numpy as np

from models.colonoscopy.data.images import Mask, image_files, read_image
from models.core.errors import UserError

LEAST, MOST = 0.001, 0.9  # share of the frame that a polyp may cover
SHORTEST, LONGEST = 32, 3.0  # shorter side in pixels, and how often it may fit into the longer one
COLOUR, GREY = 48, (64, 191)  # spread of channels, and levels of grey, that a mask has only at its edges
EDGES = 0.2  # share of such pixels that a mask with soft edges may have


def read_drawn(path: Path) -> Mask:
    """A mask file of any size, True where it is white; soft edges are cut in the middle.

    Raises UserError: mask_not_one for a photograph, and as `read_image` and `check_mask` do.
    """
    pixels = np.asarray(read_image(path, "RGB")).astype(np.int16)
    grey = pixels.mean(axis=2)
    between = (np.ptp(pixels, axis=2) > COLOUR) | ((grey > GREY[0]) & (grey < GREY[1]))
    if between.mean() > EDGES:
        raise UserError("mask_not_one", name=path.name)
    return check_mask(grey > 127)


def check_mask(mask: Mask) -> Mask:
    """A mask (H, W) that a frame can be drawn for, as it came.

    Raises UserError: mask_empty, mask_small, mask_full, mask_shape.
    """
    height, width = mask.shape
    if min(height, width) < SHORTEST or max(height, width) > LONGEST * min(height, width):
        raise UserError("mask_shape", width=width, height=height, least=SHORTEST, most=int(LONGEST))
    share = float(mask.mean())
    if share == 0:
        raise UserError("mask_empty")
    if share < LEAST:
        raise UserError("mask_small", share=f"{share:.3%}", least=f"{LEAST:.1%}")
    if share > MOST:
        raise UserError("mask_full", share=f"{share:.0%}", most=f"{MOST:.0%}")
    return mask


def mask_files(folder: Path) -> list[Path]:
    """The image files of a folder, or of its masks/. Raises UserError("masks_missing") for none."""
    inner = folder / "masks"
    inner = inner if inner.is_dir() else folder
    found = image_files(inner) if inner.is_dir() else []
    if not found:
        raise UserError("masks_missing", name=folder.name)
    return found
