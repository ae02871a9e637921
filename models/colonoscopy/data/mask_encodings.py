"""How data sets write a mask into an image file -> bool (H, W), True on the polyp.

0/255 of Kvasir, 0/1 and 0/2 label maps, palettes (VOC, LabelMe), coloured classes on black (BKAI), 16 bit
and float with soft edges, a shape in the alpha channel. A mask is told from a photograph by its few levels.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from models.core.errors import UserError
from models.core.image_io import ANIMATED, opened
from models.core.notes import Note, note

Mask = NDArray[np.bool_]

MOST_PIXELS = 20_000_000  # a frame of 4K has 8
EDGES = 0.2  # share of pixels between two levels that a mask with soft edges may have
COLOUR = 24  # spread of channels from which a pixel is coloured
FEW = 64  # exact values or colours up to which an image was drawn rather than compressed or blurred
CLASS = 0.003  # share of the frame that a class has at least
FLAT = 0.3  # share of a value's pixels that lie inside of an area, and not on an edge
BLACK = 40  # brightest channel of a background
VOID, LABELS = 255, 32  # what label maps leave open, and below which number their classes lie
NOISE = 4.0  # levels that compression moves a class's colour by

Values = NDArray[np.float64]


def decoded(path: Path) -> tuple[Mask, tuple[Note, ...]]:
    """The mask in an image file as its writer meant it, and what had to be understood for that.

    Raises UserError: mask_not_one for a photograph, image_too_large, and as `opened` does.
    """
    with opened(path) as image:
        if image.width * image.height > MOST_PIXELS:
            size = {"width": image.width, "height": image.height}
            raise UserError("image_too_large", name=path.name, limit=MOST_PIXELS // 1_000_000, **size)
        notes = []
        if image.format in ANIMATED and (count := getattr(image, "n_frames", 1)) > 1:
            notes.append(note("first_of", name=path.name, count=count))
        upright = ImageOps.exif_transpose(image)
        channels, alpha = _channels(upright)
    by_alpha = alpha is not None and _says_nothing(channels, alpha)
    if alpha is not None and by_alpha:
        notes.append(note("mask_alpha", name=path.name))
        channels = alpha[..., None]
    elif alpha is not None:
        channels = channels * (alpha[..., None] / 255)  # what can't be seen is background
    grey = channels.shape[2] == 1 or float((np.ptp(channels, axis=2) > COLOUR).mean()) < 0.001
    levels = channels.mean(axis=2) if grey else _from_background(channels)
    left_open = _void_area(levels) if grey else None
    if left_open is not None:
        notes.append(note("mask_void", name=path.name))
        levels = np.where(left_open, 0, levels)
    mask, classes = _drawn(levels, channels, grey) or _soft(levels, channels, grey, path.name)
    if classes > 1:
        notes.append(note("mask_classes", name=path.name, count=classes))
    return mask, tuple(notes)


def _channels(image: Image.Image) -> tuple[Values, NDArray | None]:
    """(H, W, C) values, C of 1 or 3, and alpha (H, W) from 0 to 255 where something is transparent."""
    alpha = None
    if image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = np.asarray(image.getchannel("A"))
        alpha = alpha if np.ptp(alpha) else None
        image = image.convert("RGB")
    elif image.mode not in ("1", "L", "I", "F", "RGB") and not image.mode.startswith("I;"):
        image = image.convert("RGB")
    values = np.nan_to_num(np.asarray(image).astype(np.float64), posinf=0, neginf=0)
    return values if values.ndim == 3 else values[..., None], alpha


def _says_nothing(channels: Values, alpha: NDArray) -> bool:
    """Whether all that can be seen has one colour, or is a photograph: then the shape is in the alpha."""
    seen = channels[alpha > 127]
    if not len(seen):
        return True
    spread = np.ptp(seen, axis=0).max() if len(seen) else 0
    if spread <= COLOUR:
        return True
    low, high = seen.min(), seen.max()
    share = (seen.mean(axis=1) - low) / max(high - low, 1e-9)
    two_valued = float(((alpha > 63) & (alpha < 192)).mean()) < EDGES
    return two_valued and float(((share > 0.25) & (share < 0.75)).mean()) > EDGES


def _from_background(channels: Values) -> Values:
    """(H, W) distance of each colour from the background: black where there is some, else the border's."""
    black = channels.max(axis=2) < BLACK
    if black.mean() > 0.05:
        return channels.max(axis=2)
    border = np.concatenate([channels[0], channels[-1], channels[:, 0], channels[:, -1]])
    return np.abs(channels - np.median(border, axis=0)).max(axis=2)


def _void_area(levels: Values) -> Mask | None:
    """What a label map of small numbers leaves open as an area of 255, such as the frame's black corners.

    None where there is none, or only as the thin line that VOC draws around an object.
    """
    void, named = levels == VOID, (levels > 0) & (levels < LABELS)
    numbers = bool((levels == levels.round()).all() and (void | named | (levels == 0)).all())
    areas = (void, named)
    there = numbers and all(one.mean() >= CLASS and _inner_share(one) > FLAT for one in areas)
    return void if there else None


def _drawn(levels: Values, channels: Values, grey: bool) -> tuple[Mask, int] | None:
    """The mask and its number of classes in an image of few exact values; None where it has many.

    Whatever covers an area, and not only edges, is a class; the darkest (the background) isn't polyp.
    """
    keys = (levels if grey else channels @ (1.0, 256.0, 65536.0)).ravel()
    some = np.unique(keys[:: max(1, keys.size // 4096)])
    if len(some) > FEW:
        return None
    # Looked up among those that were met: sorting millions of pixels takes a minute and gigabytes.
    place = np.searchsorted(some, keys).clip(max=len(some) - 1)
    values = np.union1d(some, keys[some[place] != keys])
    if len(values) > FEW:
        return None
    place = np.searchsorted(values, keys)
    counts, inverse = np.bincount(place), place.reshape(levels.shape)
    one_of_each = np.zeros(len(values), np.int64)
    one_of_each[place] = np.arange(len(place))
    level = levels.ravel()[one_of_each]
    if len(values) == 1:
        return np.full(levels.shape, level[0] > 0), 1
    ground = level.min()
    classes = [
        i
        for i in np.flatnonzero(level > ground)
        if counts[i] >= CLASS * levels.size and _inner_share(inverse == i) > FLAT
    ]
    if len(classes) > FEW // 4:
        return None  # bands of a gradient
    top = min((level[i] for i in classes), default=level.max())
    return levels > (ground + top) / 2, max(1, len(classes))


def _inner_share(mask: Mask) -> float:
    """How much of a mask is left by an opening of 5 pixels: little of an edge, most of an area."""
    opened_ = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    return float(opened_.sum() / mask.sum())


def _soft(levels: Values, channels: Values, grey: bool, name: str) -> tuple[Mask, int]:
    """The mask and its number of classes in an image with noise or soft edges, cut in the middle."""
    low, high = levels.min(), levels.max()
    if high - low < 1e-9:
        return np.full(levels.shape, high > 0), 1
    if grey:
        share = (levels - low) / (high - low)
        if float(((share > 0.25) & (share < 0.75)).mean()) > EDGES:
            raise UserError("mask_not_one", name=name)
        return share > 0.5, 1
    tones = _tones(channels)
    if not tones:
        raise UserError("mask_not_one", name=name)
    bright = [tone for tone in tones if tone > BLACK]
    if not bright:
        return levels > (low + high) / 2, 1
    return levels > min(bright) / 2, len(bright)


def _tones(channels: Values) -> list[float]:
    """Levels of the few colours that an image is made of; [] where it is made of many, as a photograph is."""
    bins = ((channels + 32) // 64).astype(np.int64) @ (1, 8, 64)
    found, counts = np.unique(bins, return_counts=True)
    main = found[counts >= CLASS * bins.size]
    if len(main) > 8 or counts[counts >= CLASS * bins.size].sum() < 0.9 * bins.size:
        return []
    areas = [tone for tone in main if _inner_share(bins == tone) > FLAT]
    if any(_noise(channels[bins == tone]) > NOISE for tone in areas):
        return []  # no colour that is one colour
    ground = _from_background(channels)
    return [float(np.median(ground[bins == tone])) for tone in areas]


def _noise(colours: Values) -> float:
    """How far colours (N, 3) lie from their middle, in half of the cases."""
    return float(np.median(np.abs(colours - np.median(colours, axis=0)).max(axis=1)))
