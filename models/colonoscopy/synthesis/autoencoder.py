"""The space that LDM draws in: principal components of patches, and a decoder that repairs.

Eight components of patches of 8 x 8 pixels hold 98 % of the variance of colonoscopy frames, and need no
training: a frame of 256 pixels is 32 x 32 x 8 numbers, folded to 16 x 16 x 32 for the U-Net. Components
are scaled by the root of their deviation, so that noise drowns the fine ones before the coarse ones, as
it does with pixels. The transpose of the projection draws every patch by itself; the network after it
joins the patches and adds what the components lack.
"""

from dataclasses import dataclass

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn
from torch.nn.functional import (
    adaptive_avg_pool2d,
    conv2d,
    conv_transpose2d,
    interpolate,
    pixel_shuffle,
    pixel_unshuffle,
)

from models.colonoscopy.synthesis.sdm import HasDevice, one_hot

PATCH = 8
FOLD = 2
FACTOR = PATCH * FOLD  # how many times smaller the latents are


@dataclass(frozen=True)
class AutoencoderConfig:
    """components: of a patch. widths: of the repair at 1/8, 1/4, 1/2 of the frame. blocks: at each."""

    components: int = 8
    widths: tuple[int, int, int] = (96, 64, 32)
    blocks: int = 2


class Residual(nn.Module):
    """Two 3 x 3 convolutions around a shortcut. Without norms: contrast passes as it is, and it is fast."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) to the same."""
        return torch.relu(x + 0.5 * self.body(x))


class Upsample(nn.Module):
    """Twice the size by the nearest pixel, then a convolution."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, before, H, W) to (B, after, 2 H, 2 W)."""
        return torch.relu(self.conv(interpolate(x, scale_factor=2.0, mode="nearest")))


class Autoencoder(HasDevice, PyTorchModelHubMixin):
    """Frames (B, 3, H, W) in -1..1 to latents (B, 4 x components, H / 16, W / 16), and back."""

    basis: Tensor
    mean: Tensor
    scale: Tensor

    def __init__(self, config: AutoencoderConfig = AutoencoderConfig()) -> None:
        super().__init__()
        deep, middle, shallow = config.widths
        self.register_buffer("basis", torch.zeros(config.components, 3, PATCH, PATCH))  # orthonormal
        self.register_buffer("mean", torch.zeros(3, PATCH, PATCH))
        self.register_buffer("scale", torch.ones(config.components))
        layers: list[nn.Module] = [nn.Conv2d(config.components, deep, 3, padding=1), nn.ReLU()]
        layers += [Residual(deep) for _ in range(config.blocks)]
        layers += [Upsample(deep, middle), *(Residual(middle) for _ in range(config.blocks))]
        layers += [Upsample(middle, shallow), *(Residual(shallow) for _ in range(config.blocks))]
        layers += [nn.Conv2d(shallow, 12, 3, padding=1), nn.PixelShuffle(2)]
        self.repair = nn.Sequential(*layers)
        for parameter in layers[-2].parameters():
            nn.init.zeros_(parameter)  # before it is trained the decoder is the transpose alone

    @torch.no_grad()
    def fit_components(self, frames: Tensor) -> "Autoencoder":
        """Set the projection to the principal components of the patches of frames (B, 3, H, W) in -1..1."""
        patches = pixel_unshuffle(frames, PATCH).movedim(1, -1).reshape(-1, 3 * PATCH * PATCH).double()
        mean = patches.mean(0)
        values, vectors = torch.linalg.eigh((patches - mean).T @ (patches - mean) / len(patches))
        basis = vectors.flip(1)[:, : len(self.scale)].T
        deviation = values.flip(0)[: len(self.scale)].sqrt()
        self.basis.copy_(basis.view_as(self.basis))
        self.mean.copy_(mean.view_as(self.mean))
        self.scale.copy_((deviation * deviation.mean()).rsqrt())  # unit mean square over all channels
        return self

    def encode(self, frames: Tensor) -> Tensor:
        """Frames in -1..1, sides divisible by 16, to latents of unit mean square."""
        found = conv2d(frames - self._tiled_mean(frames), self.basis, stride=PATCH)
        return pixel_unshuffle(found * self.scale[:, None, None], FOLD)

    def draw(self, latents: Tensor) -> Tensor:
        """What the components alone say, patch by patch: (B, 3, H, W)."""
        components = pixel_shuffle(latents, FOLD) / self.scale[:, None, None]
        frames = conv_transpose2d(components, self.basis, stride=PATCH)
        return frames + self._tiled_mean(frames)

    def _tiled_mean(self, frames: Tensor) -> Tensor:
        return self.mean.repeat(1, frames.shape[-2] // PATCH, frames.shape[-1] // PATCH)

    def decode(self, latents: Tensor) -> Tensor:
        """Latents to frames; about -1..1, not clipped, so that gradients pass."""
        return self.draw(latents) + self.repair(pixel_shuffle(latents, FOLD))

    def forward(self, latents: Tensor) -> Tensor:
        """What is trained: `decode`."""
        return self.decode(latents)


def label_maps(masks: Tensor) -> Tensor:
    """What the U-Net reads of masks (B, S, S), 0 to 1: (B, 8, S / 16, S / 16), laid out as the latents are.

    The shares of background and polyp in each patch, folded: the outline is known to less than a patch.
    """
    cover = adaptive_avg_pool2d(masks[:, None], (masks.shape[1] // PATCH, masks.shape[2] // PATCH))
    return pixel_unshuffle(one_hot(cover[:, 0]), FOLD)
