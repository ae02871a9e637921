"""The contract of polyp detection: a frame gives boxes with confidences, by whatever method."""

from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from models.colonoscopy.data.images import Frame, squared
from models.colonoscopy.detection.boxes import from_mask
from models.colonoscopy.segmentation.base import PolypSegmenter, as_tensor, enlarged
from models.colonoscopy.types import Box
from models.core import device
from models.core.checkpoints import load_checkpoint


class PolypDetector(Protocol):
    """A loaded method. threshold: the confidence from which on a box is meant to be seen."""

    threshold: float

    def __call__(self, frame: Frame) -> list[Box]:
        """All boxes of a frame of any size, also unlikely ones, the surest first."""
        ...


class NetworkDetector:
    """A network as a `PolypDetector`.

    network: has `size`, the side of the square that it wants, `threshold`, and `boxes`, which makes corners
    (B, N, 4) in 0..1 and confidences (B, N) of what it gives for frames (B, 3, S, S) in 0..1.
    """

    def __init__(self, network: Any) -> None:
        self.network = network.eval()
        self.threshold = float(self.network.threshold)

    @torch.inference_mode()
    def __call__(self, frame: Frame) -> list[Box]:
        """See `PolypDetector`."""
        frames = as_tensor(squared(frame, self.network.size), next(self.network.parameters()))
        corners, sure = (x[0].float().cpu().numpy() for x in self.network.boxes(self.network(frames)))
        scaled = corners * np.tile(frame.shape[1::-1], 2)
        rows = np.column_stack([scaled, sure]).tolist()
        return [Box(left, top, right, bottom, c) for left, top, right, bottom, c in rows]


class MaskDetector:
    """Boxes around what a segmenter finds, as sure as it is inside: what a detector has to beat."""

    threshold = 0.5

    def __init__(self, segmenter: PolypSegmenter) -> None:
        self.segmenter = segmenter

    def __call__(self, frame: Frame) -> list[Box]:
        """See `PolypDetector`; it has no boxes below its threshold."""
        sure = enlarged(self.segmenter(frame), *frame.shape[:2])
        mask = sure > 0.5
        found = []
        for left, top, right, bottom in from_mask(mask).tolist():
            cut = np.s_[int(top) : int(bottom), int(left) : int(right)]
            found.append(Box(left, top, right, bottom, float(sure[cut][mask[cut]].mean())))
        return sorted(found, key=lambda box: -box.confidence)


def load(kind: type[nn.Module], name: str) -> NetworkDetector:
    """The detector of checkpoints/NAME. Raises as `load_checkpoint`."""
    return NetworkDetector(load_checkpoint(kind, name).to(device.best()))
