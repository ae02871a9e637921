"""Frames enlarged: bicubic, or from 128 to 256 pixels by a network that adds what that lacks, in one pass."""

from dataclasses import dataclass

from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_shuffle, pixel_unshuffle

from models.colonoscopy.synthesis.autoencoder import Residual
from models.colonoscopy.synthesis.cascade import FOLD
from models.colonoscopy.synthesis.sdm import HasDevice

MIDDLE = 128


def enlarged(small: Tensor, factor: int) -> Tensor:
    """Frames (B, 3, h, w) so many times larger, bicubic."""
    return interpolate(small, scale_factor=float(factor), mode="bicubic", align_corners=False)


@dataclass(frozen=True)
class SharpenerConfig:
    """width: channels at half the small side. blocks: residual blocks there."""

    width: int = 64
    blocks: int = 5


class Sharpener(HasDevice, PyTorchModelHubMixin):
    """Frames (B, 3, H, W) in -1..1 twice as large, by one pass: what bicubic enlargement lacks is added."""

    def __init__(self, config: SharpenerConfig = SharpenerConfig()) -> None:
        super().__init__()
        width = config.width
        self.body = nn.Sequential(
            nn.Conv2d(3 * FOLD**2, width, 3, padding=1),
            *(Residual(width) for _ in range(config.blocks)),
            nn.Conv2d(width, 2 * width, 3, padding=1),
            nn.PixelShuffle(2),
            nn.ReLU(),
        )
        self.out = nn.Conv2d(width // 2, 12, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, frames: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, 3, 2 H, 2 W); H and W are even."""
        detail = pixel_shuffle(self.out(self.body(pixel_unshuffle(frames, FOLD))), 2)
        return enlarged(frames, 2) + detail
