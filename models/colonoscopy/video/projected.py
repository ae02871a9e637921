"""PVDM as it ships: LDM's latents of a clip on three planes, and a U-Net that draws the planes.

Source: Yu et al., "Video Probabilistic Diffusion Models in Projected Latent Space", CVPR 2023, whose
autoencoder sees pixels. Here it sees the latents of every frame, which hold a frame in a sixteenth of its
places, and need not be learned.

Its planes begin as what needs no network: a clip's mean over time and how it drifts from there, the first two
waves of a cosine transform; then the same of what is left over its rows, and over its columns. Their sum is
a clip that is blurred where it moves; the transformers say what it lacks.
"""

from collections.abc import Iterator
from dataclasses import replace

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from models.colonoscopy.synthesis.arsdm import schedule, v_of
from models.colonoscopy.synthesis.autoencoder import FACTOR
from models.colonoscopy.synthesis.latent_diffusion import LDM, SIZE, LatentDiffusion, cosine_transform
from models.colonoscopy.synthesis.sdm import GROUPS, HasDevice, SdmConfig, SdmUNet, fitted, sinusoid, zeroed
from models.colonoscopy.video.base import CLIP
from models.colonoscopy.video.pvdm_autoencoder import (
    PLANES,
    PvdmAutoencoder,
    PvdmAutoencoderConfig,
    joined,
    separate,
)
from models.core.nn.attention import attend

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
# Beside noisy planes: the filter's estimate, the first waves of the clip before, and whether there is one.
OF_PLANES = replace(LDM, channels=OF_LATENTS.channels, beside=OF_LATENTS.channels + LDM.channels + 1)
INNER, HEADS = 24, 3  # of the attention among planes


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
        summed = super().decode(latents)
        planes = separate(latents, self.config.grid, self.config.frames)
        for axis, loud, plane in zip((2, 3, 4), LOUD, planes, strict=True):
            along = plane.unflatten(1, (len(self.waves), -1)) / loud
            summed = summed + self._spread(along, axis)
        return summed

    def _spread(self, along: Tensor, axis: int) -> Tensor:
        """Waves (B, waves, given, ., .) as the clips that they say."""
        return torch.einsum("kt,bkc...->bc...t", self.waves, along).movedim(-1, axis)

    @staticmethod
    def _bounded(pixels: Tensor) -> Tensor:
        return pixels


class PlaneAttention(nn.Module):
    """Self-attention among the places of all planes of a clip."""

    def __init__(self, width: int, side: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, width)
        self.qkv = nn.Linear(width, 3 * INNER)
        # Of queries and of keys, of each plane: where along its rows, and along its columns.
        self.places = nn.Parameter(0.02 * torch.randn(2, len(PLANES), 2, side, INNER))
        self.proj_out = zeroed(nn.Linear(INNER, width))

    def forward(self, x: Tensor) -> Tensor:
        """(B x planes, width, side, side) to the same."""
        rows = self.norm(x).unflatten(0, (-1, len(PLANES))).movedim(2, -1)  # (B, planes, side, side, width)
        along = self.places.to(rows.dtype)
        places = along[:, :, 0, :, None] + along[:, :, 1, None]
        q, k, v = self.qkv(rows).chunk(3, -1)
        q, k, v = (one.flatten(1, 3) for one in (q + places[0], k + places[1], v))
        q, k, v = (one.unflatten(-1, (HEADS, -1)).transpose(-2, -3) for one in (q, k, v))
        found = self.proj_out(attend(q, k, v).transpose(-2, -3).flatten(-2))
        return x + found.transpose(1, 2).reshape(x.shape)


class PlaneUNet(SdmUNet):
    """LDM's U-Net over each plane of a clip; at half size the planes attend to one another."""

    def __init__(self, config: SdmConfig = OF_PLANES) -> None:
        super().__init__(config)
        self.together = nn.ModuleList(
            PlaneAttention(config.width, GRID // 2) for _ in range(2 * config.blocks + 2)
        )
        # LDM's output says what an image lacks; the planes over time are none.
        self.over_time = zeroed(nn.Conv2d(config.width, config.channels, 1))

    def forward(self, image: Tensor, timesteps: Tensor, label: Tensor, also: Tensor | None = None) -> Tensor:
        """As `SdmUNet.forward`, of planes (B x 3, ...): xy, yt and xt of one clip after another."""
        time = self.time_embed(sinusoid(timesteps, self.config.width))
        h = torch.cat([image, fitted(label, image, self.config.labels_by)], 1)
        kept, together = [], iter(self.together)
        for block in self.input_blocks:
            h = self._together(together, self._through(block, h, time, label))
            kept.append(h)
        h = self._together(together, self._through(self.middle_block, h, time, label))
        for block in self.output_blocks:
            h = self._through(block, torch.cat([h, kept.pop()], 1), time, label)
            h = self._together(together, h)
        first = torch.arange(len(h), device=h.device).view(-1, 1, 1, 1) % len(PLANES) == 0
        h = self.out[:2](h)
        return torch.where(first, self.out[2](h), self.over_time(h))

    @staticmethod
    def _together(attentions: Iterator[nn.Module], h: Tensor) -> Tensor:
        return next(attentions)(h) if h.shape[-1] == GRID // 2 else h


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

    def __init__(self, config: SdmConfig = OF_PLANES) -> None:
        super().__init__()
        self.config = config
        self.unet = PlaneUNet(config)
        shape = config.channels, len(PLANES), GRID, GRID
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("power", torch.ones(2, *shape))  # nothing known, and the clip before
        self.register_buffer("foretold", torch.zeros(shape))
        self.register_buffer("kept", schedule().alphas_cumprod.clone(), persistent=False)
        self.register_buffer("cosines", cosine_transform(GRID), persistent=False)

    @torch.no_grad()
    def begin_as(self, frames: LatentDiffusion) -> "PlaneDiffusion":
        """Set what the plane of the image shares with a still to what LDM learned; the rest counts zero."""
        own, image = dict(frames.unet.state_dict()), LDM.channels
        first = own.pop("input_blocks.0.0.weight")
        last = {name: own.pop(name) for name in ("out.2.weight", "out.2.bias")}
        self.unet.load_state_dict(own, strict=False)
        weight = self.unet.get_parameter("input_blocks.0.0.weight")
        weight.zero_()
        weight[:, :image] = first[:, :image]
        weight[:, self.config.channels : self.config.channels + image] = first[:, image : 2 * image]
        weight[:, -LDM.labels :] = first[:, -LDM.labels :]
        for name, given in last.items():
            self.unet.get_parameter(name)[:image] = given
        return self

    @torch.no_grad()
    def fit_power(self, before: Tensor, planes: Tensor) -> "PlaneDiffusion":
        """Set what the filter knows from clean planes (N, channels, tokens), and those before them."""
        own, known = self._images(planes.float()), self._images(before.float())
        self.mean.copy_(own.mean(0))
        own, known = self._frequencies(own - self.mean), self._frequencies(known - self.mean)
        self.foretold.copy_((own * known).mean(0) / known.square().mean(0).clamp(min=1e-8))
        left = own - self.foretold * known
        self.power.copy_(torch.stack([own.square().mean(0), left.square().mean(0)]))
        return self

    def linear_guess(self, noisy: Tensor, kept: Tensor, before: Tensor, told: Tensor) -> Tensor:
        """The best linear estimate of the clean planes, as `noisy`.

        kept: (B,) alpha bar. before: as `noisy`. told: (B,), 1 where there is a clip before, else 0.
        """
        kept, told = (one.view(-1, 1, 1, 1, 1) for one in (kept, told))
        known = self._frequencies(self._images(before.float()) - self.mean)
        expected = told * self.foretold * known
        seen = self._frequencies(self._images(noisy.float()) - kept.sqrt() * self.mean)
        power = told * self.power[1] + (1 - told) * self.power[0]
        gain = kept.sqrt() * power / (kept * power + 1 - kept)
        found = expected + gain * (seen - kept.sqrt() * expected)
        return (self.cosines.T @ found @ self.cosines + self.mean).flatten(2)

    def _images(self, rows: Tensor) -> Tensor:
        """Rows (B, channels, tokens) as squares (B, channels, planes, grid, grid)."""
        return rows.unflatten(2, (len(PLANES), GRID, GRID))

    def _frequencies(self, images: Tensor) -> Tensor:
        return self.cosines @ images @ self.cosines.T

    def forward(self, noisy: Tensor, times: Tensor, before: Tensor, told: Tensor) -> Tensor:
        """noisy: (B, channels, tokens). times: (B,). before, told: see `linear_guess`."""
        kept = self.kept[times]
        with torch.autocast(noisy.device.type, enabled=False):  # the filter is exact or it is of no use
            guess = self.linear_guess(noisy, kept, before, told)
            kept = kept.view(-1, 1, 1)
            v = v_of(noisy.float(), guess, kept)
        known = told.view(-1, 1, 1).to(noisy.dtype)
        flag = known.expand(-1, 1, noisy.shape[2])
        seen = torch.cat([noisy, guess, known * before[:, : LDM.channels], flag], 1)
        # (B, C, planes, grid, grid) as an image for each plane
        images = self._images(seen).transpose(1, 2).flatten(0, 1)
        silent = images.new_zeros(len(images), self.config.labels, GRID, GRID)
        found = self.unet(images, times.repeat_interleave(len(PLANES)), silent)
        return v + found.unflatten(0, (-1, len(PLANES))).transpose(1, 2).flatten(2)


def ending(planes: Tensor, last: Tensor) -> Tensor:
    """Planes (B, channels, tokens) of a clip whose mean gives way to its last frame (B, given, h, w)."""
    told = planes.clone()
    told[:, : last.shape[1], : last[0, 0].numel()] = last.flatten(2)
    return told
