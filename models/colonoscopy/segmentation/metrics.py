"""How alike two masks are: Dice and IoU at 0.5, and as the field's tables give them (eval/main.m)."""

import cv2
import numpy as np
from numpy.typing import NDArray

from models.colonoscopy.data.images import Mask

THRESHOLDS = 256


def dice(found: Mask, true: Mask) -> float:
    """2 TP / (found + true) of two masks of one size, 1 where both are empty."""
    both = int(found.sum()) + int(true.sum())
    return 2 * int((found & true).sum()) / both if both else 1.0


def iou(found: Mask, true: Mask) -> float:
    """TP / (found or true) of two masks of one size, 1 where both are empty."""
    either = int((found | true).sum())
    return int((found & true).sum()) / either if either else 1.0


def over_thresholds(sure: NDArray[np.float32], true: Mask) -> tuple[float, float]:
    """Dice and IoU, each the mean over the thresholds 1, 254/255 ... 0 of eval/main.m.

    sure: how sure a segmenter is (h, w) of any size. It becomes 8 bits, takes the mask's size and is
    stretched to 0..1, as there; a threshold at which nothing is found right counts 0, an empty mask too.
    """
    levels = np.round(255 * sure.clip(0, 1)).astype(np.uint8)
    size = (true.shape[1], true.shape[0])
    scaled = cv2.resize(levels, size, interpolation=cv2.INTER_LINEAR).astype(np.float64)
    scaled = (scaled - scaled.min()) / max(float(np.ptp(scaled)), 1e-9)
    bins = np.floor(scaled * (THRESHOLDS - 1) + 1e-6).astype(int)
    hits = np.bincount(bins[true], minlength=THRESHOLDS)[::-1].cumsum()  # found right at 1, at 254/255, ...
    found = np.bincount(bins.ravel(), minlength=THRESHOLDS)[::-1].cumsum()
    both = np.maximum(found + int(true.sum()), 1)
    return float((2 * hits / both).mean()), float((hits / (both - hits)).mean())
