"""LDM (Rombach et al., CVPR 2022), the talk's third baseline: diffusion of latents, the mask beside them.

The U-Net has no spatially-adaptive decoder: it reads the mask's maps as further channels of its input. It
adds to the best guess that needs no network.

Were frames Gaussian, with the power that training frames have at each spatial frequency, the best estimate
of the clean image would be a Wiener filter. It is known in closed form, removes noise in smooth tissue
from the first step of training on, and leaves to the U-Net what is not Gaussian: folds, lumen, polyps,
highlights. The U-Net sees the filter's estimate beside the noisy image and predicts what v lacks.
"""

import math

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from models.colonoscopy.synthesis.arsdm import schedule, v_of
from models.colonoscopy.synthesis.autoencoder import FACTOR, FOLD, PATCH
from models.colonoscopy.synthesis.sdm import HasDevice, SdmConfig, SdmUNet

SIZE = 256  # of frames, in pixels
LDM = SdmConfig(
    channels=32,
    beside=32,
    labels=8,
    width=128,
    multiples=(1, 1),
    attention=(2,),
    head=32,
    hidden=8,
    labels_by="area",
    checkpoints=False,
    spade=False,
)


class LatentDiffusion(HasDevice, PyTorchModelHubMixin):
    """Predicts v of noisy latents (B, channels, 16, 16), with the U-Net's arguments."""

    mean: Tensor
    power: Tensor
    kept: Tensor
    cosines: Tensor

    def __init__(self, config: SdmConfig = LDM) -> None:
        super().__init__()
        self.config = config
        self.unet = SdmUNet(config)
        side, components = SIZE // PATCH, config.channels // FOLD**2
        self.register_buffer("mean", torch.zeros(components, side, side))
        self.register_buffer("power", torch.ones(components, side, side))  # at each frequency of the cosines
        self.register_buffer("kept", schedule().alphas_cumprod.clone(), persistent=False)
        self.register_buffer("cosines", cosine_transform(side), persistent=False)

    @torch.no_grad()
    def fit_power(self, latents: Tensor) -> "LatentDiffusion":
        """Set mean and power to those of clean latents (N, channels, 16, 16)."""
        clean = pixel_shuffle(latents, FOLD)
        self.mean.copy_(clean.mean(0))
        self.power.copy_(self._frequencies(clean - self.mean).square().mean(0))
        return self

    def linear_guess(self, noisy: Tensor, kept: Tensor) -> Tensor:
        """The Wiener filter's estimate of the clean latents. kept: (B, 1, 1, 1) alpha bar."""
        image = pixel_shuffle(noisy.float(), FOLD) - kept.sqrt() * self.mean
        gain = kept.sqrt() * self.power / (kept * self.power + 1 - kept)
        clean = self.cosines.T @ (gain * self._frequencies(image)) @ self.cosines + self.mean
        return pixel_unshuffle(clean, FOLD)

    def _frequencies(self, image: Tensor) -> Tensor:
        return self.cosines @ image @ self.cosines.T

    def forward(self, image: Tensor, timesteps: Tensor, label: Tensor) -> Tensor:
        """image: (B, channels, 16, 16). timesteps: (B,). label: (B, labels, 16, 16), see `label_maps`."""
        kept = self.kept[timesteps].view(-1, 1, 1, 1)
        with torch.autocast(image.device.type, enabled=False):  # the filter is exact or it is of no use
            guess = self.linear_guess(image, kept)
            v = v_of(image.float(), guess, kept)
        return v + self.unet(torch.cat([image, guess], 1), timesteps, label)


def latent_shape(count: int, channels: int) -> tuple[int, int, int, int]:
    """Of the latents of `count` frames."""
    return count, channels, SIZE // FACTOR, SIZE // FACTOR


def cosine_transform(side: int) -> Tensor:
    """The orthonormal matrix of the discrete cosine transform (DCT-II), (side, side)."""
    places, waves = torch.arange(side, dtype=torch.float64), torch.arange(side, dtype=torch.float64)[:, None]
    matrix = torch.cos(math.pi / side * (places + 0.5) * waves) * math.sqrt(2 / side)
    matrix[0] /= math.sqrt(2)
    return matrix.float()
