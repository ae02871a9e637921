"""A grey or toned photograph stays one: what networks trained on colour paint is brought to its tones."""

import cv2
import numpy as np
from numpy.typing import NDArray

SPREAD = 6.0  # levels that nearly all pixels of a photograph of one tone lie from it at most
NEARLY_ALL = 99.0  # per cent

Image = NDArray[np.uint8]


def tones_of(image: Image) -> Image | None:
    """The colour (256, 3) of each level of grey in a picture (H, W, 3) of one tone; else None."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    count = np.bincount(grey.ravel(), minlength=256)
    known = np.flatnonzero(count)
    tones = np.empty((256, 3))
    for channel in range(3):
        total = np.bincount(grey.ravel(), image[..., channel].ravel().astype(np.float64), 256)
        tones[:, channel] = np.interp(np.arange(256), known, total[known] / count[known])
    rounded = np.round(tones).astype(np.uint8)
    apart = np.abs(rounded[grey].astype(np.int16) - image).max(axis=2)
    return rounded if np.percentile(apart, NEARLY_ALL) <= SPREAD else None


def toned(frame: Image, source: Image, tones: Image) -> Image:
    """The frame (H, W, 3) in those tones wherever it isn't the source's own."""
    changed = (frame != source).any(axis=2, keepdims=True)
    return np.where(changed, tones[cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)], frame)
