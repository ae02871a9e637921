"""PVDM's U-Net: one for all three planes of a clip, which meet in attention over their places together.

Source: Yu et al., "Video Probabilistic Diffusion Models in Projected Latent Space", CVPR 2023, section 3.2.
A clip's continuation is drawn by giving the latents of the clip before as further channels.
Modules are named as in the released weights.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from models.colonoscopy.synthesis.sdm import AttentionBlock, ResBlock
from models.colonoscopy.video.denoiser import Denoiser, DenoiserConfig
from models.colonoscopy.video.pvdm_autoencoder import joined, separate
from models.core.pretrained import load_published

AROUND = "diffusion_model."  # before the released names


@dataclass(frozen=True)
class LatentVideoConfig(DenoiserConfig):
    """The defaults are the published sizes. grid: places along a frame's side. frames: of a clip."""

    channels: int = 4
    width: int = 256
    multiples: tuple[int, ...] = (1, 2, 4, 4)
    blocks: int = 2
    attention: tuple[int, ...] = (1, 2, 4)
    heads: int = 8
    beta_last: float = 0.0195
    grid: int = 32
    frames: int = 16

    @property
    def tokens(self) -> int:
        """Of the three planes together."""
        return self.grid * (self.grid + 2 * self.frames)


PUBLISHED = LatentVideoConfig()


class LatentVideoUNet(Denoiser, PyTorchModelHubMixin):
    """Predicts the noise in the latents of a clip, given or not given those of the clip before."""

    config: LatentVideoConfig
    zeros: Tensor

    def __init__(self, config: LatentVideoConfig = PUBLISHED) -> None:
        super().__init__(config, 2 * config.channels)
        before, after = self.widths
        # The first is the release's identity, which keeps the numbers of the others.
        self.input_attns = nn.ModuleList([nn.Identity(), *(self._attention(one) for one in before[1:])])
        self.mid_attn = self._attention(before[-1])
        self.output_attns = nn.ModuleList(self._attention(one) for one in after)
        self.register_buffer("zeros", torch.zeros(1, config.channels, config.tokens))

    @classmethod
    def from_published(cls, path: str | Path, config: LatentVideoConfig = PUBLISHED) -> "LatentVideoUNet":
        """The network with released weights, a plain state dictionary. Raises as `load_published` does."""
        network = cls(config)
        load_published(network, path, lambda name: name.removeprefix(AROUND))
        return network.eval()

    def _convolution(self, before: int, after: int) -> nn.Module:
        return nn.Conv2d(before, after, 3, padding=1)

    def _residual(self, before: int, after: int) -> nn.Module:
        return ResBlock(before, 4 * self.config.width, after)

    def _attention(self, channels: int) -> nn.Module:
        return AttentionBlock(channels, channels // self.config.heads)

    def _down(self, channels: int) -> nn.Module:
        return ResBlock(channels, 4 * self.config.width, channels, "down")

    def _up(self, channels: int) -> nn.Module:
        return ResBlock(channels, 4 * self.config.width, channels, "up")

    def forward(self, noisy: Tensor, times: Tensor, condition: Tensor | None = None) -> Tensor:
        """noisy: (B, channels, tokens). times: (B,), 0 to 999. condition: of the clip before, as `noisy`;
        zeros where there is none. Returns the noise, as `noisy`.
        """
        time = self.time(times)
        before = self.zeros.expand_as(noisy) if condition is None else condition
        row, grid, frames = torch.cat([noisy, before], 1), self.config.grid, self.config.frames
        kept = []
        for block, attention in zip(self.input_blocks, self.input_attns, strict=True):
            row, grid, frames = self._through(block, attention, row, grid, frames, time)
            kept.append(row)
        row, grid, frames = self._through(self.middle_block, self.mid_attn, row, grid, frames, time)
        for block, attention in zip(self.output_blocks, self.output_attns, strict=True):
            row = torch.cat([row, kept.pop()], 1)
            row, grid, frames = self._through(block, attention, row, grid, frames, time)
        return joined(*(self.out(plane) for plane in separate(row, grid, frames)))

    def _through(
        self, block: nn.Module, attention: nn.Module, row: Tensor, grid: int, frames: int, time: Tensor
    ) -> tuple[Tensor, int, int]:
        """A row of all planes through a block, each plane alone, and through the attention together.

        Returns it with the grid's side and the frames, which the block may halve or double.
        """
        planes = list(separate(row, grid, frames))
        for layer in block.children():
            convolution = isinstance(layer, nn.Conv2d)
            # The blocks are SDM's, whose last argument is a mask that these don't look at.
            planes = [layer(plane) if convolution else layer(plane, time, time) for plane in planes]
        row, (frames, grid) = joined(*planes), planes[1].shape[2:]
        return row if isinstance(attention, nn.Identity) else attention(row, time, time), grid, frames
