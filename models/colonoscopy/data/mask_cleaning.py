"""What annotation tools leave in a mask and a polyp has not: lines at the border, outlines, specks."""

from dataclasses import dataclass

import cv2
import numpy as np

from models.colonoscopy.data.images import Mask
from models.core.notes import Note, note

BORDER = 0.02  # of a side: how far a line at the border reaches in
ALONG = 0.5  # of a side: how much of it a line covers
AROUND = 0.9  # of the border that is white in an inverted mask
SPECK = 0.0003  # share of the frame below which a region is a speck, if there is a larger one
BESIDE = 0.02  # and how small it is in parts of the largest
LINE = 0.03  # of the shorter side: how thick a line or an outline is at most
SEAM = 0.005  # of the polyp: holes that JPEG leaves between two classes
GAP = 0.02  # of the shorter side: what is closed in an outline


@dataclass(frozen=True)
class CleanedMask:
    """mask: as it is used. given: as the file has it. notes: what lies between the two."""

    mask: Mask
    given: Mask
    notes: tuple[Note, ...] = ()


def cleaned(given: Mask) -> CleanedMask:
    """A mask without lines at its border, outlines filled, specks dropped, and turned over where inverted."""
    notes: list[Note] = []
    mask = _without_border(given)
    if not np.array_equal(mask, given):
        notes.append(note("mask_border"))
    if mask.any() and _is_inverted(mask):
        mask = _without_border(~mask)
        notes.append(note("mask_inverted"))
    filled = _filled(mask)
    if (filled != mask).any():
        if _was_outline(mask, filled):
            notes.append(note("mask_outline"))
        elif (filled != mask).sum() > SEAM * filled.sum():
            notes.append(note("mask_holes"))
        mask = filled
    elif _is_open_line(mask):
        notes.append(note("mask_line"))
    mask, specks = _without_specks(mask)
    if specks:
        notes.append(note("mask_specks", count=specks))
    return CleanedMask(mask, given, tuple(notes))


def regions(mask: Mask) -> list[float]:
    """Shares of the frame that the connected regions of a mask cover, largest first."""
    if not mask.any():
        return []
    _, _, facts, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    return sorted((float(area) / mask.size for area in facts[1:, cv2.CC_STAT_AREA]), reverse=True)


def _without_border(mask: Mask) -> Mask:
    """The mask without thin lines that run along a side, at it or within BORDER of it, and without frames."""
    result = mask.copy()
    for turn in range(4):
        side = np.rot90(result, turn)  # a view: what is cleared in it is cleared in the result
        depth = min(max(3, round(BORDER * side.shape[0])), side.shape[0] // 4)
        strip = side[: depth + 1]
        run = np.where(strip.all(axis=0), depth + 1, (~strip).argmax(axis=0))
        if ((run > 0) & (run <= depth)).mean() >= ALONG:
            for column in np.flatnonzero((run > 0) & (run <= depth)):
                side[: run[column], column] = False
    count, parts, facts, _ = cv2.connectedComponentsWithStats(result.astype(np.uint8), connectivity=8)
    height, width = mask.shape
    thick = max(3.0, LINE * min(mask.shape))
    for part in range(1, count):
        left, top, wide, tall, _ = facts[part]
        spans = wide >= AROUND * width, tall >= AROUND * height
        depth = max(3, BORDER * max(height, width)) + thick
        at_side = min(left, top, width - left - wide, height - top - tall) <= depth
        if (all(spans) or (any(spans) and at_side)) and _thickness(parts == part) <= thick:
            result[parts == part] = False
    return result


def _thickness(mask: Mask) -> float:
    """Pixels across the thickest place of a mask."""
    padded = np.pad(mask.astype(np.uint8), 1)
    return 2 * float(cv2.distanceTransform(padded, cv2.DIST_L2, 5).max()) - 1


def _is_inverted(mask: Mask) -> bool:
    """Whether the polyp is black: white goes nearly all around the frame and encloses something."""
    border = np.concatenate([mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]])
    return float(border.mean()) >= AROUND and not mask.all()


def _filled(mask: Mask) -> Mask:
    """The mask with its holes filled; the small gaps of a thin outline are closed first."""
    filled = _holes_filled(mask)
    if not mask.any() or (filled != mask).any():
        return filled
    thick = max(3.0, LINE * min(mask.shape))
    if _thickness(mask) > thick:
        return filled
    size = 2 * max(2, round(GAP * min(mask.shape))) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    swollen = cv2.morphologyEx(np.pad(mask, size).astype(np.uint8), cv2.MORPH_CLOSE, kernel)
    joined: Mask = swollen[size:-size, size:-size] > 0
    closed = _holes_filled(joined)
    return closed if closed.sum() > 1.5 * joined.sum() else filled


def _holes_filled(mask: Mask) -> Mask:
    from scipy.ndimage import binary_fill_holes

    return np.asarray(binary_fill_holes(mask), bool)


def _is_open_line(mask: Mask) -> bool:
    """Whether a thin line goes around something without closing: its box is ten times as large."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows) or _thickness(mask) > max(3.0, LINE * min(mask.shape)):
        return False
    box = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return len(regions(mask)) == 1 and float(box.mean()) < 0.1


def _was_outline(mask: Mask, filled: Mask) -> bool:
    return float((mask & filled).sum()) < 0.5 * float(filled.sum())


def _without_specks(mask: Mask) -> tuple[Mask, int]:
    """The mask without regions that are tiny beside its largest, and how many those were."""
    count, parts, facts, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = facts[:, cv2.CC_STAT_AREA]
    if count < 3:
        return mask, 0
    least = min(max(4.0, SPECK * mask.size), BESIDE * float(areas[1:].max()))
    specks = [part for part in range(1, count) if areas[part] < least]
    return mask & ~np.isin(parts, specks), len(specks)
