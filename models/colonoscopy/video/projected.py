"""PVDM as it ships: LDM's latents of a clip on three planes, and a U-Net that draws the planes.

Source: Yu et al., "Video Probabilistic Diffusion Models in Projected Latent Space", CVPR 2023, whose
autoencoder sees pixels. Here it sees the latents of every frame, which hold a frame in a sixteenth of its
places, and need not be learned.

Its planes begin as what needs no network: a clip's mean over time and how it drifts from there, the first two
waves of a cosine transform; then the same of what is left over its rows, and over its columns. Their sum is
a clip that is blurred where it moves; the transformers say what it lacks.
"""

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor

from models.colonoscopy.synthesis.arsdm import schedule
from models.colonoscopy.synthesis.autoencoder import FACTOR
from models.colonoscopy.synthesis.latent_diffusion import LDM, SIZE, cosine_transform
from models.colonoscopy.synthesis.sdm import HasDevice, zeroed
from models.colonoscopy.video.base import CLIP
from models.colonoscopy.video.pvdm import LatentVideoConfig, LatentVideoUNet
from models.colonoscopy.video.pvdm_autoencoder import (
    PLANES,
    PvdmAutoencoder,
    PvdmAutoencoderConfig,
    joined,
    separate,
)

GRID = SIZE // FACTOR
WAVES = 2  # along each axis
LOUD = (1 / 4, 1, 1)  # times an orthonormal transform: the planes' numbers are about of one size
OF_LATENTS = PvdmAutoencoderConfig(
    size=GRID,
    frames=CLIP,
    patch=1,
    given=LDM.channels,
    channels=WAVES * LDM.channels,
    width=128,
    depth=2,
    heads=4,
    head=32,
    widening=2,
    projection_depth=1,
    projection_head=32,
    projection_hidden=256,
)
OF_PLANES = LatentVideoConfig(
    channels=OF_LATENTS.channels,
    told=2 * OF_LATENTS.channels + 1,  # the filter's estimate, the clip before, and whether there is one
    width=96,
    multiples=(1, 2),
    blocks=1,
    attention=(),  # within a plane; after each block the planes attend together
    heads=2,
    grid=GRID,
    frames=CLIP,
)


class ProjectedAutoencoder(PvdmAutoencoder):
    """Latents of clips (B, given, T, h, w) to rows of planes, and back. A clip is as long as it is wide."""

    waves: Tensor

    def __init__(self, config: PvdmAutoencoderConfig = OF_LATENTS) -> None:
        super().__init__(config)
        count = config.channels // config.given
        self.register_buffer("waves", cosine_transform(config.grid)[:count], persistent=False)
        for plane in PLANES:  # before it is trained the planes are the waves, and the clip is their sum
            zeroed(getattr(self, f"pre_{plane}"))
        zeroed(self.to_pixel[1])

    def encode(self, clips: Tensor) -> Tensor:
        """(B, given, T, h, w) to (B, channels, tokens): xy, then yt, then xt."""
        rest, found = clips, []
        for axis, loud in zip((2, 3, 4), LOUD, strict=True):
            along = torch.einsum("kt,bc...t->bkc...", self.waves, rest.movedim(axis, -1))
            rest = rest - self._spread(along, axis)
            found.append(loud * along.flatten(1, 2))
        return joined(*found) + super().encode(clips)

    def decode(self, latents: Tensor) -> Tensor:
        """(B, channels, tokens) to (B, given, T, h, w)."""
        summed = torch.zeros(())
        planes = separate(latents, self.config.grid, self.config.frames)
        for axis, loud, plane in zip((2, 3, 4), LOUD, planes, strict=True):
            along = plane.unflatten(1, (len(self.waves), -1)) / loud
            summed = summed.to(along.device) + self._spread(along, axis)
        return summed + super().decode(latents)

    def _spread(self, along: Tensor, axis: int) -> Tensor:
        """Waves (B, waves, given, ., .) as the clips that they say."""
        return torch.einsum("kt,bkc...->bc...t", self.waves, along).movedim(-1, axis)

    @staticmethod
    def _bounded(pixels: Tensor) -> Tensor:
        return pixels


class PlaneDiffusion(HasDevice, PyTorchModelHubMixin):
    """Predicts v of noisy planes (B, channels, tokens), given or not given the clip before.

    As in LDM the network adds to the best linear estimate, here of each frequency of each plane by itself. A
    clip before is told as its planes, of which `ending` has put its last frame in its mean's place; then the
    estimate begins at what its frequencies foretell.
    """

    mean: Tensor
    power: Tensor
    foretold: Tensor
    kept: Tensor
    cosines: Tensor

    def __init__(self, config: LatentVideoConfig = OF_PLANES) -> None:
        super().__init__()
        self.config = config
        self.unet = LatentVideoUNet(config)
        shape = config.channels, len(PLANES), config.grid, config.grid
        self.register_buffer("mean", torch.zeros(2, *shape))  # of the planes, and of the clip before
        self.register_buffer("power", torch.ones(2, *shape))  # nothing known, and the clip before
        self.register_buffer("foretold", torch.zeros(shape))
        self.register_buffer("kept", schedule().alphas_cumprod.clone(), persistent=False)
        self.register_buffer("cosines", cosine_transform(config.grid), persistent=False)

    @torch.no_grad()
    def fit_power(self, before: Tensor, planes: Tensor) -> "PlaneDiffusion":
        """Set what the filter knows from clean planes (N, channels, tokens), and those before them."""
        own, known = self._images(planes.float()), self._images(before.float())
        self.mean.copy_(torch.stack([own.mean(0), known.mean(0)]))
        own, known = self._frequencies(own - self.mean[0]), self._frequencies(known - self.mean[1])
        self.foretold.copy_((own * known).mean(0) / known.square().mean(0).clamp(min=1e-8))
        left = own - self.foretold * known
        self.power.copy_(torch.stack([own.square().mean(0), left.square().mean(0)]))
        return self

    def linear_guess(self, noisy: Tensor, kept: Tensor, before: Tensor, told: Tensor) -> Tensor:
        """The best linear estimate of the clean planes, as `noisy`.

        kept: (B,) alpha bar. before: as `noisy`. told: (B,), 1 where there is a clip before, else 0.
        """
        kept, told = (one.view(-1, 1, 1, 1, 1) for one in (kept, told))
        known = self._frequencies(self._images(before.float()) - self.mean[1])
        expected = told * self.foretold * known
        seen = self._frequencies(self._images(noisy.float()) - kept.sqrt() * self.mean[0])
        power = told * self.power[1] + (1 - told) * self.power[0]
        gain = kept.sqrt() * power / (kept * power + 1 - kept)
        found = expected + gain * (seen - kept.sqrt() * expected)
        return (self.cosines.T @ found @ self.cosines + self.mean[0]).flatten(2)

    def _images(self, rows: Tensor) -> Tensor:
        """Rows (B, channels, tokens) as squares (B, channels, planes, grid, grid)."""
        return rows.unflatten(2, (len(PLANES), self.config.grid, self.config.grid))

    def _frequencies(self, images: Tensor) -> Tensor:
        return self.cosines @ images @ self.cosines.T

    def forward(self, noisy: Tensor, times: Tensor, before: Tensor, told: Tensor) -> Tensor:
        """noisy: (B, channels, tokens). times: (B,). before, told: see `linear_guess`."""
        kept = self.kept[times]
        with torch.autocast(noisy.device.type, enabled=False):  # the filter is exact or it is of no use
            guess = self.linear_guess(noisy, kept, before, told)
            kept = kept.view(-1, 1, 1)
            v = (kept.sqrt() * noisy.float() - guess) / (1 - kept).sqrt()
        known = told.view(-1, 1, 1).to(noisy.dtype)
        flag = known.expand(-1, 1, noisy.shape[2])
        return v + self.unet(noisy, times, torch.cat([guess, known * before, flag], 1))


def ending(planes: Tensor, last: Tensor) -> Tensor:
    """Planes (B, channels, tokens) of a clip whose mean gives way to its last frame (B, given, h, w)."""
    told = planes.clone()
    told[:, : last.shape[1], : last[0, 0].numel()] = last.flatten(2)
    return told
