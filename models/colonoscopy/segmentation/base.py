"""The contract of polyp segmentation: a frame gives how likely each pixel is polyp, by whatever method."""

from typing import Any, Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.colonoscopy.data.images import Frame, Mask, squared
from models.core import device
from models.core.checkpoints import load_checkpoint


class PolypSegmenter(Protocol):
    """A loaded method."""

    def __call__(self, frame: Frame) -> NDArray[np.float32]:
        """How likely polyp is, 0 to 1, (S, S) for a frame of any size scaled to a square."""
        ...


class NetworkSegmenter:
    """A network as a `PolypSegmenter`.

    network: has `size`, the side of the square that it wants, and `likely`, which makes probabilities
    (B, 1, S, S) of what it gives for frames (B, 3, S, S) in 0..1.
    """

    def __init__(self, network: Any) -> None:
        self.network = network.eval()

    @torch.inference_mode()
    def __call__(self, frame: Frame) -> NDArray[np.float32]:
        """See `PolypSegmenter`."""
        frames = as_tensor(squared(frame, self.network.size), next(self.network.parameters()))
        return self.network.likely(self.network(frames))[0, 0].float().cpu().numpy()


def as_tensor(frame: Frame, like: Tensor) -> Tensor:
    """A frame as (1, 3, H, W) in 0..1, on another tensor's device."""
    return torch.from_numpy(frame).to(like.device).permute(2, 0, 1)[None].float() / 255


def enlarged(likely: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Probabilities at a frame's own size, so that the outline of a mask has no steps."""
    return np.asarray(cv2.resize(likely, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def mask_of(likely: NDArray[np.float32], height: int, width: int) -> Mask:
    """The mask (H, W): where polyp is likelier than not."""
    return enlarged(likely, height, width) > 0.5


def load(kind: type[nn.Module], name: str) -> NetworkSegmenter:
    """The segmenter of checkpoints/NAME. Raises as `load_checkpoint`."""
    return NetworkSegmenter(load_checkpoint(kind, name).to(device.best()))
