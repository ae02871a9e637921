"""The cascade's super-resolution: 32 to 128 pixels under the mask, then to 256, each in one pass.

Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a GAN", CVPR 2017: residual blocks at the
small size, sub-pixel convolutions, an adversary. What a small frame can't tell (vessels, highlights) is drawn
from noise that enters at each size, as in StyleGAN (Karras et al., CVPR 2019).
"""

from dataclasses import dataclass

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate, pixel_shuffle, pixel_unshuffle

from models.colonoscopy.synthesis.autoencoder import Residual
from models.colonoscopy.synthesis.cascade import FOLD, SMALL
from models.colonoscopy.synthesis.sdm import HasDevice

MIDDLE = 128
FACTOR = MIDDLE // SMALL
AUGMENTED = 0.2  # the most noise on the small frame, in its units of -1..1, while super-resolution learns


@dataclass(frozen=True)
class UpscalerConfig:
    """widths: channels at 1, 2 and 4 times the small size. blocks: residual blocks there. noise: its maps."""

    widths: tuple[int, int, int] = (96, 64, 32)
    blocks: tuple[int, int, int] = (8, 4, 2)
    noise: int = 4


class Stage(nn.Module):
    """Residual blocks at one size, told of the mask and given noise."""

    def __init__(self, before: int, width: int, blocks: int, noise: int) -> None:
        super().__init__()
        self.noise = noise
        self.first = nn.Conv2d(before + 1 + noise, width, 3, padding=1)
        self.blocks = nn.Sequential(*(Residual(width) for _ in range(blocks)))

    def forward(self, x: Tensor, polyp: Tensor, generator: torch.Generator | None) -> Tensor:
        """x: (B, C, H, W). polyp: (B, 1, any size)."""
        count, _, height, width = x.shape
        noise = torch.randn((count, self.noise, height, width), generator=generator).to(x)
        polyp = adaptive_avg_pool2d(polyp, (height, width)).to(x)
        return self.blocks(torch.relu(self.first(torch.cat([x, polyp, noise], 1))))


class Upscaler(HasDevice, PyTorchModelHubMixin):
    """Frames (B, 3, H, W) in -1..1 to (B, 3, 4 H, 4 W): what bicubic enlargement lacks is added."""

    def __init__(self, config: UpscalerConfig = UpscalerConfig()) -> None:
        super().__init__()
        small, middle, large = config.widths
        self.small = Stage(4, small, config.blocks[0], config.noise)
        self.middle = Stage(small // 4 * 2, middle, config.blocks[1], config.noise)
        self.large = Stage(middle // 2, large, config.blocks[2], config.noise)
        self.twice = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, 4 * after, 3, padding=1), nn.PixelShuffle(2), nn.ReLU())
            for before, after in ((small, small // 2), (middle, middle // 2))
        )
        self.out = nn.Conv2d(large, 3, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(
        self, small: Tensor, polyp: Tensor, level: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """polyp: (B, 1, 4 H, 4 W), 0 to 1. level: (B,), of the noise on `small`, 0 to AUGMENTED."""
        told = (level / AUGMENTED).view(-1, 1, 1, 1).expand(-1, 1, *small.shape[-2:])
        x = self.small(torch.cat([small, told], 1), polyp, generator)
        x = self.middle(self.twice[0](x), polyp, generator)
        x = self.large(self.twice[1](x), polyp, generator)
        return enlarged(small) + self.out(x)


def enlarged(small: Tensor, factor: int = FACTOR) -> Tensor:
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
