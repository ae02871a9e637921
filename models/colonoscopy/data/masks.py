"""Masks that a person draws or brings: what is no mask is refused, in words that say what to do."""

from dataclasses import replace
from pathlib import Path

from models.colonoscopy.data.images import Mask, image_files
from models.colonoscopy.data.mask_cleaning import CleanedMask, cleaned, regions
from models.colonoscopy.data.mask_encodings import decoded
from models.core.errors import UserError
from models.core.notes import note

LEAST, MOST = 0.001, 0.9  # share of the frame that a polyp may cover
SHORTEST, LONGEST = 32, 3.0  # shorter side in pixels, and how often it may fit into the longer one
TINY = 0.002  # share of the frame below which a region is told to be too small for the network


def read_drawn(path: Path) -> Mask:
    """A mask file of any size and encoding, cleaned. Raises as `read_cleaned` does."""
    return read_cleaned(path).mask


def read_cleaned(path: Path) -> CleanedMask:
    """A mask file as it is used and as it came, with notes on what was understood and cleaned.

    Raises UserError: mask_not_one for a photograph, mask_border where there was nothing but a line along the
    border, and as `opened` and `check_mask` do.
    """
    given, understood = decoded(path)
    check_shape(given)
    found = cleaned(given)
    if given.any() and not found.mask.any():
        raise UserError("mask_border", name=path.name)
    check_mask(found.mask)
    notes = [*understood, *found.notes]
    tiny = sum(share < TINY for share in regions(found.mask))
    if tiny:
        notes.append(note("mask_tiny", count=tiny, least=f"{TINY:.1%}"))
    return replace(found, notes=tuple(notes))


def check_mask(mask: Mask) -> Mask:
    """A mask (H, W) that a frame can be drawn for, as it came.

    Raises UserError: mask_empty, mask_small, mask_full, mask_shape.
    """
    check_shape(mask)
    share = float(mask.mean())
    if share == 0:
        raise UserError("mask_empty")
    if share < LEAST:
        raise UserError("mask_small", share=f"{share:.3%}", least=f"{LEAST:.1%}")
    if share > MOST:
        raise UserError("mask_full", share=f"{share:.0%}", most=f"{MOST:.0%}")
    return mask


def check_shape(mask: Mask) -> None:
    """Raises UserError("mask_shape") for a mask that is too small or too long."""
    height, width = mask.shape
    if min(height, width) < SHORTEST or max(height, width) > LONGEST * min(height, width):
        raise UserError("mask_shape", width=width, height=height, least=SHORTEST, most=int(LONGEST))


def mask_files(folder: Path) -> list[Path]:
    """The image files of a folder, or of its masks/. Raises UserError("masks_missing") for none."""
    inner = folder / "masks"
    inner = inner if inner.is_dir() else folder
    found = image_files(inner) if inner.is_dir() else []
    if not found:
        raise UserError("masks_missing", name=folder.name)
    return found
