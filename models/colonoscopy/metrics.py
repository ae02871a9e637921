"""How alike two masks are, and two sets of frames.

Masks: Dice and IoU at 0.5, and as the field's tables give them (PraNet's eval/main.m, the mean over 256
thresholds). Sets: Frechet distance (Heusel et al., NIPS 2017) and kernel distance (Binkowski et al., ICLR
2018) between features.
"""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.colonoscopy.images import Mask

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


def frechet_distance(one: Tensor, other: Tensor) -> float:
    """Between the Gaussians of two sets of features (N, D) and (M, D).

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)); the last trace is the sum of the singular values of the
    product of the centred sets, so that no root of a matrix is taken and N may be smaller than D.
    """
    one, other = one.double(), other.double()
    means = (one.mean(0) - other.mean(0)).square().sum()
    a, b = ((x - x.mean(0)) / (len(x) - 1) ** 0.5 for x in (one, other))
    return float(means + a.square().sum() + b.square().sum() - 2 * torch.linalg.svdvals(a @ b.T).sum())


def kernel_distance(one: Tensor, other: Tensor) -> float:
    """Squared maximum mean discrepancy, unbiased, with the kernel (x y / D + 1)^3. It may be below 0."""
    one, other = one.double(), other.double()

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def within(x: Tensor) -> Tensor:
        values = kernel(x, x)
        return (values.sum() - values.diagonal().sum()) / (len(x) * (len(x) - 1))

    return float(within(one) + within(other) - 2 * kernel(one, other).mean())
