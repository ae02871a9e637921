"""LVDM's 2D variant as it ships: LDM's latents of every frame, its U-Net, and attention over time.

Source: He et al., "Latent Video Diffusion Models for High-Fidelity Long Video Generation", 2022, whose 2D
variant, the talk's, draws the latents of an autoencoder of stills; a U-Net of stills that learns to film is
Blattmann et al.'s, CVPR 2023. Frames go through the U-Net each by itself, and between its blocks they look at
one another at each place. What is known of a clip, frames of the one before, is told beside the noise, as in
LVDM's long variant.

As in LDM the network adds to what needs no network. Here the Wiener filter knows time too: by how much a
clip's latents change from frame to frame at each spatial frequency.
"""

from dataclasses import replace

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from models.colonoscopy.synthesis.arsdm import schedule, v_of
from models.colonoscopy.synthesis.autoencoder import FOLD, PATCH
from models.colonoscopy.synthesis.latent_diffusion import LDM, SIZE, LatentDiffusion, cosine_transform
from models.colonoscopy.synthesis.sdm import GROUPS, HasDevice, SdmConfig, SdmUNet, fitted, sinusoid, zeroed
from models.colonoscopy.video.base import CLIP
from models.core.nn.attention import attend

TOLD = LDM.channels + 1  # the latents of known frames, and which they are
LVDM_2D = replace(LDM, beside=LDM.beside + TOLD)
INNER, HEADS = 40, 4  # of the attention over time
CERTAIN = 1e3  # how much a known frame weighs, where a noisy one has what is kept over what is noise


class TimeAttention(nn.Module):
    """Self-attention among the frames of a clip at each place; how far they are apart counts."""

    def __init__(self, width: int, frames: int = CLIP) -> None:
        super().__init__()
        self.frames = frames
        self.norm = nn.GroupNorm(GROUPS, width)
        self.qkv = nn.Linear(width, 3 * INNER)
        self.places = nn.Parameter(0.02 * torch.randn(2, frames, INNER))  # of queries and of keys
        self.proj_out = zeroed(nn.Linear(INNER, width))

    def forward(self, x: Tensor) -> Tensor:
        """(B x frames, width, H, W) to the same."""
        rows = self.norm(x).unflatten(0, (-1, self.frames)).flatten(3).permute(0, 3, 1, 2)
        q, k, v = self.qkv(rows).chunk(3, -1)  # (B, H W, frames, INNER)
        q, k = q + self.places[0].to(q.dtype), k + self.places[1].to(k.dtype)
        q, k, v = (one.unflatten(-1, (HEADS, -1)).transpose(-2, -3) for one in (q, k, v))
        found = self.proj_out(attend(q, k, v).transpose(-2, -3).flatten(-2))
        return x + found.permute(0, 2, 3, 1).reshape(x.shape)


class ClipUNet(SdmUNet):
    """LDM's U-Net over the frames of clips, with attention over time after each block."""

    def __init__(self, config: SdmConfig = LVDM_2D) -> None:
        super().__init__(config)
        # The first convolution has none, the middle has one.
        count = len(self.input_blocks) + len(self.output_blocks)
        self.over_time = nn.ModuleList([TimeAttention(config.width) for _ in range(count)])

    def forward(self, image: Tensor, timesteps: Tensor, label: Tensor, also: Tensor | None = None) -> Tensor:
        """As `SdmUNet.forward`, of frames (B x CLIP, ...) clip by clip."""
        time = self.time_embed(sinusoid(timesteps, self.config.width))
        h = torch.cat([image, fitted(label, image, self.config.labels_by)], 1)
        h = self._through(self.input_blocks[0], h, time, label)
        kept, over_time = [h], iter(self.over_time)
        for block in self.input_blocks[1:]:
            h = next(over_time)(self._through(block, h, time, label))
            kept.append(h)
        h = next(over_time)(self._through(self.middle_block, h, time, label))
        for block in self.output_blocks:
            h = self._through(block, torch.cat([h, kept.pop()], 1), time, label)
            h = next(over_time)(h)
        return self.out(h)


class ClipDiffusion(HasDevice, PyTorchModelHubMixin):
    """Predicts v of noisy latents of clips (B, CLIP, channels, 16, 16)."""

    mean: Tensor
    power: Tensor
    kept: Tensor
    cosines: Tensor
    in_time: Tensor

    def __init__(self, config: SdmConfig = LVDM_2D) -> None:
        super().__init__()
        self.config = config
        self.unet = ClipUNet(config)
        side, components = SIZE // PATCH, config.channels // FOLD**2
        self.register_buffer("mean", torch.zeros(components, side, side))
        self.register_buffer("power", torch.ones(CLIP, components, side, side))
        self.register_buffer("kept", schedule().alphas_cumprod.clone(), persistent=False)
        self.register_buffer("cosines", cosine_transform(side), persistent=False)
        self.register_buffer("in_time", cosine_transform(CLIP), persistent=False)

    @torch.no_grad()
    def begin_as(self, frames: LatentDiffusion) -> "ClipDiffusion":
        """Set all but the attention over time to what LDM has learned; what it was never told counts zero."""
        own = dict(frames.unet.state_dict())
        first = own["input_blocks.0.0.weight"]
        image, label = first.split([LDM.channels + LDM.beside, LDM.labels], 1)
        silent = first.new_zeros(len(first), TOLD, *first.shape[2:])
        own["input_blocks.0.0.weight"] = torch.cat([image, silent, label], 1)
        self.unet.load_state_dict(own, strict=False)
        return self

    @torch.no_grad()
    def fit_power(self, latents: Tensor) -> "ClipDiffusion":
        """Set mean and power to those of clean latents (N, CLIP, channels, 16, 16)."""
        self.mean.copy_(torch.stack([pixel_shuffle(one.float(), FOLD).mean(0) for one in latents]).mean(0))
        self.power.zero_()
        for one in latents:
            flat = self.cosines @ (pixel_shuffle(one.float(), FOLD) - self.mean) @ self.cosines.T
            self.power += self._over_time(flat).square() / len(latents)
        return self

    def linear_guess(self, noisy: Tensor, kept: Tensor, told: Tensor) -> Tensor:
        """The best linear estimate of the clean latents, from noisy and known frames.

        kept: (B,) alpha bar. told: see `known`. The power over time and space says how frames go together;
        each frame weighs as much as it is free of noise, a known one more than all noisy ones.
        """
        sure = told[:, :, -1:, :1, :1]
        kept = kept.view(-1, 1, 1, 1, 1).expand_as(sure)
        weights = torch.where(sure > 0, torch.tensor(CERTAIN, device=kept.device), kept / (1 - kept))
        clean = pixel_shuffle(told[:, :, : self.config.channels].float(), FOLD)
        seen = pixel_shuffle(noisy.float(), FOLD)
        # What is observed, times its weight: a noisy frame over the root of what is kept of it.
        heard = torch.where(sure > 0, CERTAIN * clean, kept.sqrt() / (1 - kept) * seen) - weights * self.mean
        flat = self.cosines @ heard @ self.cosines.T
        if sure.any():
            found = self._among_known(flat, weights[:, :, 0, 0, 0])
        else:  # every frame weighs the same: each frequency by itself
            shrunk = self._over_time(flat) * self.power / (1 + weights[:, :1] * self.power)
            found = torch.einsum("ft,bf...->bt...", self.in_time, shrunk)
        return pixel_unshuffle(self.cosines.T @ found @ self.cosines + self.mean, FOLD)

    def _among_known(self, heard: Tensor, weights: Tensor) -> Tensor:
        """(B, CLIP, components, side, side) frequencies, whose frames weigh (B, CLIP): one system each."""
        precision = torch.einsum(
            "ft,f...,fs->...ts", self.in_time, 1 / self.power.clamp(min=1e-5), self.in_time
        )
        systems = precision + torch.diag_embed(weights)[:, None, None, None]
        wanted = heard.movedim(1, -1)[..., None]
        return torch.cholesky_solve(wanted, torch.linalg.cholesky(systems))[..., 0].movedim(-1, 1)

    def _over_time(self, flat: Tensor) -> Tensor:
        return torch.einsum("ft,...tchw->...fchw", self.in_time, flat)

    def forward(self, noisy: Tensor, times: Tensor, label: Tensor, told: Tensor) -> Tensor:
        """noisy: (B, CLIP, channels, 16, 16). times: (B,). told: (B, CLIP, TOLD, 16, 16), see `known`.

        label: (B, CLIP, labels, 16, 16), see `label_maps`; zeros where no mask is told.
        """
        kept = self.kept[times].view(-1, 1, 1, 1, 1)
        with torch.autocast(noisy.device.type, enabled=False):  # the filter is exact or it is of no use
            guess = self.linear_guess(noisy, self.kept[times], told)
            v = v_of(noisy.float(), guess, kept)
        seen = torch.cat([noisy, guess, told], 2).flatten(0, 1)
        found = self.unet(seen, times.repeat_interleave(CLIP), label.flatten(0, 1))
        return v + found.unflatten(0, (-1, CLIP))


def known(latents: Tensor, count: Tensor) -> Tensor:
    """What a network is told of clips (B, CLIP, channels, h, w) whose first count (B,) frames are known."""
    sure = torch.arange(CLIP, device=latents.device) < count[:, None]
    maps = sure.to(latents.dtype).view(-1, CLIP, 1, 1, 1).expand(-1, -1, 1, *latents.shape[-2:])
    return torch.cat([maps * latents, maps], 2)
