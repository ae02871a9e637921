"""The film under a mask: video diffusion at 32 pixels beside the first frame as the camera would see it.

The talk's next step, which nobody has shown. As in the cascade of frames a small diffusion model says what is
to be seen and where, here for 16 frames at once: convolutions within a frame, then along time (Make-A-Video,
Singer et al., 2022). It sees beside the noise the first frame carried to each pose, where that is known, and
the polyp's mask in each frame. A second network draws the detail in one pass: what the first frame knows it
takes from there, what came into view it makes up, from noise that moves with the tissue.
"""

from dataclasses import dataclass
from typing import Any

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn
from torch.nn.functional import (
    adaptive_avg_pool2d,
    group_norm,
    interpolate,
    pixel_shuffle,
    pixel_unshuffle,
    silu,
)

from models.colonoscopy.synthesis.arsdm import v_of
from models.colonoscopy.synthesis.autoencoder import Residual
from models.colonoscopy.synthesis.cascade import FOLD, SMALL, cosine_schedule
from models.colonoscopy.synthesis.sdm import HasDevice, sinusoid, zeroed
from models.colonoscopy.synthesis.super_resolution import MIDDLE, enlarged
from models.colonoscopy.video.base import CLIP

GROUPS = 16
KNOWN, UNKNOWN = 0.004, 0.06  # variance of small frames around the carried one, where it is known and not
NOISE = 2  # maps of it that the detail is made up from


@dataclass(frozen=True)
class FilmBaseConfig:
    """width: channels at 16 x 16, `multiples` of it there and at each half size. blocks: at each size."""

    width: int = 64
    multiples: tuple[int, ...] = (1, 2, 3)
    blocks: int = 2
    head: int = 32


@dataclass
class Condition:
    """What is known of clips before they are drawn, at one size S.

    carried: (B, T, 3, S, S) in -1..1, the first frame as seen from each pose. known: (B, T, 1, S, S), where
    that is true, 0 to 1. polyp: (B, T, 1, S, S), 0 to 1.
    """

    carried: Tensor
    known: Tensor
    polyp: Tensor

    def to(self, device: torch.device | str) -> "Condition":
        """The same elsewhere."""
        return Condition(*(one.to(device) for one in (self.carried, self.known, self.polyp)))

    def at(self, size: int) -> "Condition":
        """The same at a smaller size."""
        return Condition(*(_pooled(one, size) for one in (self.carried, self.known, self.polyp)))


def _pooled(clips: Tensor, size: int) -> Tensor:
    return adaptive_avg_pool2d(clips.flatten(0, 1), size).unflatten(0, clips.shape[:2])


class SpaceTimeBlock(nn.Module):
    """A residual block within each frame, told of the diffusion's time, and one along the film's."""

    def __init__(self, before: int, after: int, time: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(GROUPS, before), nn.Conv2d(before, after, 3, padding=1)
        self.told = nn.Linear(time, 2 * after)
        self.conv2 = zeroed(nn.Conv2d(after, after, 3, padding=1))
        self.short = nn.Conv2d(before, after, 1) if before != after else nn.Identity()
        self.along = nn.Sequential(
            nn.GroupNorm(GROUPS, after), nn.SiLU(), zeroed(nn.Conv1d(after, after, 3, padding=1))
        )

    def forward(self, x: Tensor, time: Tensor, frames: int) -> Tensor:
        """x: (B T, C, H, W). time: (B T, E)."""
        h = self.conv1(silu(self.norm1(x)))
        scale, shift = self.told(time)[..., None, None].chunk(2, 1)
        h = self.short(x) + self.conv2(silu(group_norm(h, GROUPS) * (1 + scale) + shift))
        return h + _along(h, frames, self.along)


def _along(x: Tensor, frames: int, layer: nn.Module) -> Tensor:
    """A layer over (N, C, T) at each place of x (B T, C, H, W)."""
    both = x.unflatten(0, (-1, frames))  # (B, T, C, H, W)
    rows = both.permute(0, 3, 4, 2, 1)
    found = layer(rows.flatten(0, 2)).view(rows.shape)
    return found.permute(0, 4, 3, 1, 2).flatten(0, 1)


class TimeAttention(nn.Module):
    """Each place asks the same place in all frames. x: (N, C, T), and it knows the order of the frames."""

    def __init__(self, width: int, head: int, frames: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, width)
        self.order = nn.Parameter(0.02 * torch.randn(width, frames))
        self.attention = nn.MultiheadAttention(width, width // head, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T) to the same."""
        rows = (self.norm(x) + self.order[:, : x.shape[-1]]).transpose(1, 2)
        return self.attention(rows, rows, rows, need_weights=False)[0].transpose(1, 2)


class FilmBase(HasDevice, PyTorchModelHubMixin):
    """Predicts v of noisy clips (B, T, 3, SMALL, SMALL) under a `Condition` of that size."""

    kept: Tensor

    def __init__(self, config: FilmBaseConfig = FilmBaseConfig(), frames: int = CLIP) -> None:
        super().__init__()
        self.config = config
        widths = [config.width * one for one in config.multiples]
        time = 4 * config.width
        self.time = nn.Sequential(nn.Linear(config.width, time), nn.SiLU(), nn.Linear(time, time))
        self.first = nn.Conv2d((3 + 3 + 3 + 1 + 1) * FOLD**2, widths[0], 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        before = widths[0]
        for width in widths:
            befores = [before, *[width] * (config.blocks - 1)]
            self.down.append(nn.ModuleList(SpaceTimeBlock(one, width, time) for one in befores))
            before = width
        self.look = TimeAttention(before, config.head, frames)
        self.middle = SpaceTimeBlock(before, before, time)
        for width in reversed(widths):
            self.up.append(nn.ModuleList([SpaceTimeBlock(before + width, width, time)]))
            before = width
        self.last = zeroed(nn.Conv2d(before, 3 * FOLD**2, 3, padding=1))
        self.register_buffer("kept", cosine_schedule().alphas_cumprod.clone(), persistent=False)

    def forward(self, noisy: Tensor, times: Tensor, given: Condition) -> Tensor:
        """noisy: (B, T, 3, S, S). times: (B,). Returns v of the same shape as noisy."""
        frames = noisy.shape[1]
        kept = self.kept[times].view(-1, 1, 1, 1, 1)
        with torch.autocast(noisy.device.type, enabled=False):
            guess, variance = likely(noisy.float(), kept, given)
        seen = torch.cat([noisy, guess, given.carried, given.known, given.polyp], 2)
        x = self.first(pixel_unshuffle(seen.flatten(0, 1), FOLD))
        told = self.time(sinusoid(times, self.config.width)).repeat_interleave(frames, 0)
        kept_sizes = []
        level: Any
        for number, level in enumerate(self.down):
            x = interpolate(x, scale_factor=0.5, mode="area") if number else x
            for block in level:
                x = block(x, told, frames)
            kept_sizes.append(x)
        x = x + _along(x, frames, self.look)
        x = self.middle(x, told, frames)
        for number, level in enumerate(self.up):
            x = interpolate(x, scale_factor=2.0) if number else x
            x = torch.cat([x, kept_sizes.pop()], 1)
            for block in level:
                x = block(x, told, frames)
        found = pixel_shuffle(self.last(silu(x)), FOLD).unflatten(0, noisy.shape[:2])
        clean = guess + variance.sqrt() * found.float()
        return v_of(noisy.float(), clean, kept)


def likely(noisy: Tensor, kept: Tensor, given: Condition) -> tuple[Tensor, Tensor]:
    """The clean clip, and its variance, if it were Gaussian around the carried frame, wide where unknown.

    kept: (B, 1, 1, 1, 1) alpha bar. The variance is (B, T, 1, S, S).
    """
    variance = KNOWN + (UNKNOWN - KNOWN) * (1 - given.known)
    seen = kept * variance + 1 - kept
    guess = given.carried + kept.sqrt() * variance / seen * (noisy - kept.sqrt() * given.carried)
    return guess, variance * (1 - kept) / seen


@dataclass(frozen=True)
class FilmDetailConfig:
    """width: channels at half size. blocks: residual blocks there."""

    width: int = 56
    blocks: int = 6


class FilmDetail(HasDevice, PyTorchModelHubMixin):
    """Small frames and what the first frame knows of them to frames of MIDDLE pixels."""

    def __init__(self, config: FilmDetailConfig = FilmDetailConfig()) -> None:
        super().__init__()
        width = config.width
        self.body = nn.Sequential(
            nn.Conv2d((3 + 3 + 1 + 1 + NOISE) * FOLD**2, width, 3, padding=1),
            nn.ReLU(),
            *(Residual(width) for _ in range(config.blocks)),
            zeroed(nn.Conv2d(width, 3 * FOLD**2, 3, padding=1)),
        )

    def forward(self, small: Tensor, given: Condition, noise: Tensor) -> Tensor:
        """small: (B, T, 3, SMALL, SMALL). given: at MIDDLE pixels. noise: (B, T, NOISE, MIDDLE, MIDDLE).

        Returns (B, T, 3, MIDDLE, MIDDLE).
        """
        shape = small.shape[:2]
        coarse = enlarged(small.flatten(0, 1), MIDDLE // SMALL)
        carried, known = given.carried.flatten(0, 1), given.known.flatten(0, 1)
        fine = carried - enlarged(adaptive_avg_pool2d(carried, SMALL), MIDDLE // SMALL)
        seen = torch.cat([coarse, fine, known, given.polyp.flatten(0, 1), noise.flatten(0, 1)], 1)
        drawn = coarse + known * fine + pixel_shuffle(self.body(pixel_unshuffle(seen, FOLD)), FOLD)
        return drawn.unflatten(0, shape)
