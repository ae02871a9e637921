"""The skeleton that PVDM's and LVDM's U-Nets share, guided diffusion's (Dhariwal and Nichol, 2021).

Modules are named as in the released weights of both.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from diffusers import DDIMScheduler
from torch import Tensor, nn

from models.colonoscopy.synthesis.sdm import GROUPS, HasDevice, sinusoid, zeroed

STEPS = 1000


@dataclass(frozen=True)
class DenoiserConfig:
    """Sizes of a U-Net over latents.

    channels: of the latents. width: channels at full size, `multiples` of it at each half size. blocks:
    residual blocks at each size (the decoder has one more). attention: how many times smaller the sizes with
    self-attention are. heads: of each attention.
    scale, shift: of each channel, or one for all: the network is given scale x (latents + shift).
    beta_last: of the noise schedule, whose betas' roots grow evenly from that of .0015.
    """

    channels: int
    width: int
    multiples: tuple[int, ...]
    blocks: int
    attention: tuple[int, ...]
    heads: int
    beta_last: float
    scale: tuple[float, ...] = (1.0,)
    shift: tuple[float, ...] = (0.0,)


class Denoiser(HasDevice, ABC):
    """Predicts the noise in latents. given: channels that come in. widths: channels after each input block,
    then after each output block.
    """

    config: DenoiserConfig

    def __init__(self, config: DenoiserConfig, given: int) -> None:
        super().__init__()
        self.config = config
        width, time = config.width, 4 * config.width
        self.time_embed = nn.Sequential(nn.Linear(width, time), nn.SiLU(), nn.Linear(time, time))
        self.input_blocks = nn.ModuleList([nn.ModuleList([self._convolution(given, width)])])
        self.output_blocks = nn.ModuleList()
        self.widths: tuple[list[int], list[int]] = ([width], [])
        channels, smaller = width, 1
        for level, multiple in enumerate(config.multiples):
            for _ in range(config.blocks):
                block = [self._residual(channels, width * multiple)]
                channels = width * multiple
                self.input_blocks.append(nn.ModuleList([*block, *self._attentions(channels, smaller)]))
                self.widths[0].append(channels)
            if level + 1 < len(config.multiples):
                self.input_blocks.append(nn.ModuleList([self._down(channels)]))
                self.widths[0].append(channels)
                smaller *= 2
        self.middle_block = nn.ModuleList(
            [
                self._residual(channels, channels),
                self._attention(channels),
                self._residual(channels, channels),
            ]
        )
        kept = list(self.widths[0])
        for level, multiple in reversed(list(enumerate(config.multiples))):
            for i in range(config.blocks + 1):
                block = [self._residual(channels + kept.pop(), width * multiple)]
                channels = width * multiple
                block += self._attentions(channels, smaller)
                if level and i == config.blocks:
                    block.append(self._up(channels))
                    smaller //= 2
                self.output_blocks.append(nn.ModuleList(block))
                self.widths[1].append(channels)
        self.out = nn.Sequential(
            nn.GroupNorm(GROUPS, channels), nn.SiLU(), zeroed(self._convolution(channels, config.channels))
        )

    @abstractmethod
    def _convolution(self, before: int, after: int) -> nn.Module:
        """Over 3 x 3 places."""

    @abstractmethod
    def _residual(self, before: int, after: int) -> nn.Module:
        """Called with features and the time's embedding (B, 4 x width)."""

    @abstractmethod
    def _attention(self, channels: int) -> nn.Module:
        """Called as `_residual`."""

    @abstractmethod
    def _down(self, channels: int) -> nn.Module:
        """To half the size; called as `_residual`."""

    @abstractmethod
    def _up(self, channels: int) -> nn.Module:
        """To twice the size; called as `_residual`."""

    def _attentions(self, channels: int, smaller: int) -> list[nn.Module]:
        return [self._attention(channels)] if smaller in self.config.attention else []

    def time(self, times: Tensor) -> Tensor:
        """Times (B,), 0 to 999, as (B, 4 x width)."""
        return self.time_embed(sinusoid(times, self.config.width))

    def normalised(self, latents: Tensor) -> Tensor:
        """Latents (B, channels, ...) of the autoencoder as this network knows them."""
        return (latents + self._each(self.config.shift, latents)) * self._each(self.config.scale, latents)

    def restored(self, latents: Tensor) -> Tensor:
        """The way back, for the autoencoder's decoder."""
        return latents / self._each(self.config.scale, latents) - self._each(self.config.shift, latents)

    @staticmethod
    def _each(values: Sequence[float], latents: Tensor) -> Tensor:
        """Of each channel, to broadcast with latents."""
        return torch.tensor(values, device=latents.device).view(-1, *[1] * (latents.dim() - 2))


def schedule(beta_last: float) -> DDIMScheduler:
    """The noise that both releases train under: betas from .0015, "scaled linear"."""
    return DDIMScheduler(
        num_train_timesteps=STEPS,
        beta_start=0.0015,
        beta_end=beta_last,
        beta_schedule="scaled_linear",
        prediction_type="epsilon",
        clip_sample=False,
    )
