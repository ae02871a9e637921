"""The segmenter that ships: EfficientNet-Lite0 and a feature pyramid, 3.1 million parameters.

Two of them are trained alike from different seeds. `polyps` judges frames on the page and in the figures;
`polyps_guide` stays with ArSDM's refinement, which may not be marked by the network that taught it.
"""

from functools import cache

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn
from torch.nn.functional import interpolate

from models.colonoscopy.data.images import Frame, Mask, squared
from models.colonoscopy.segmentation.base import mask_of
from models.core.checkpoints import load_checkpoint
from models.core.nn.efficientnet import EfficientNetLite

SIZE = 256  # of the square that a frame is scaled to, in pixels
NAMES = ("polyps", "polyps_guide")


class SmallSegmenter(nn.Module, PyTorchModelHubMixin):
    """A feature pyramid (Lin et al., CVPR 2017) on an ImageNet encoder, with separable convolutions."""

    size = SIZE

    def __init__(self, width: int = 96) -> None:
        super().__init__()
        self.encoder = EfficientNetLite("lite0")
        channels = self.encoder.channels[1:]  # strides 4, 8, 16, 32
        self.lateral = nn.ModuleList(nn.Conv2d(c, width, 1) for c in channels)
        self.smooth = nn.ModuleList(Separable(width) for _ in channels)
        self.last = nn.Sequential(Separable(width), nn.Conv2d(width, 1, 1))

    def forward(self, frames: Tensor) -> Tensor:
        """frames: (B, 3, H, W) in 0..1, sides multiples of 32 -> logits (B, 1, H, W), above 0 on a polyp."""
        levels = [lateral(x) for lateral, x in zip(self.lateral, self.encoder(frames)[1:], strict=True)]
        x = self.smooth[-1](levels[-1])
        for level, smooth in zip(levels[-2::-1], self.smooth[-2::-1], strict=True):
            x = smooth(level + interpolate(x, scale_factor=2.0, mode="bilinear"))
        return interpolate(self.last(x), frames.shape[2:], mode="bilinear")

    def likely(self, logits: Tensor) -> Tensor:
        """Probabilities of what `forward` gives, as all segmenters have it."""
        return torch.sigmoid(logits)

    @torch.inference_mode()
    def probabilities(self, frame: Frame) -> Tensor:
        """How sure it is of polyp (SIZE, SIZE), 0 to 1, in a frame of any size."""
        pixels = torch.from_numpy(squared(frame, SIZE)).to(next(self.parameters()).device)
        return torch.sigmoid(self(pixels.permute(2, 0, 1)[None].float() / 255))[0, 0].cpu()

    def find(self, frame: Frame) -> Mask:
        """The mask (H, W) of polyps in a frame (H, W, 3), where it is more sure than not."""
        return mask_of(self.probabilities(frame).numpy(), *frame.shape[:2])


class Separable(nn.Sequential):
    """A 3x3 convolution of each channel by itself, then 1x1 over all, with BatchNorm and ReLU."""

    def __init__(self, width: int) -> None:
        super().__init__(
            nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
            nn.Conv2d(width, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )


@cache
def load(name: str = "polyps") -> SmallSegmenter:
    """A shipped segmenter, one of NAMES, kept in memory. Raises UserError as `load_checkpoint` does."""
    return load_checkpoint(SmallSegmenter, name)
