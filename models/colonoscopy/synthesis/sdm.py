"""SDM's U-Net: the noisy image goes through all of it, the mask speaks in the middle and the decoder.

Source: Wang et al., "Semantic Image Synthesis via Diffusion Models", 2022, figure 2, which ArSDM (Du et al.,
MICCAI 2023) takes over unchanged. The encoder's blocks are guided diffusion's (Dhariwal and Nichol, 2021);
those of the middle and the decoder normalise by the mask (SPADE, Park et al., CVPR 2019). Modules are named
as in the released weights.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn
from torch.nn.functional import (
    adaptive_avg_pool2d,
    avg_pool2d,
    interpolate,
    silu,
)
from torch.utils.checkpoint import checkpoint

from models.core.errors import UserError
from models.core.nn.attention import attend
from models.core.pretrained import fill, read_tensors

GROUPS = 32
AVERAGED = "model_ema."


@dataclass(frozen=True)
class SdmConfig:
    """Sizes of the network; the defaults are the published ones, 384 pixels in image space.

    channels: of the image, in and out. beside: further ones that only come in. labels: channels of the
    mask's one-hot map (background, polyp).
    width: channels at full size, `multiples` of it at each half size. blocks: residual blocks at each size
    (the decoder has one more). attention: how many times smaller the sizes with self-attention are.
    head: channels of an attention head. hidden: channels between mask and modulation.
    spade: False for the LDM baseline, which reads the mask as further channels of the image.
    labels_by: how the mask is made as small as a feature map: "nearest" pixel, or the share of the "area".
    checkpoints: in training a block's inside is computed again on the way back instead of kept, as the
    release does: less than half the memory for a third more time.
    """

    channels: int = 3
    beside: int = 0
    labels: int = 2
    width: int = 256
    multiples: tuple[int, ...] = (1, 1, 2, 2, 4, 4)
    blocks: int = 2
    attention: tuple[int, ...] = (8, 16, 32)
    head: int = 64
    hidden: int = 128
    spade: bool = True
    labels_by: str = "nearest"
    checkpoints: bool = True


PUBLISHED = SdmConfig()


class SpadeNorm(nn.Module):
    """Group norm without parameters, scaled and shifted at each place by what the mask says there."""

    def __init__(self, width: int, labels: int, hidden: int) -> None:
        super().__init__()
        self.param_free_norm = nn.GroupNorm(GROUPS, width, affine=False)
        self.mlp_shared = nn.Sequential(nn.Conv2d(labels, hidden, 3, padding=1), nn.ReLU())
        self.mlp_gamma = nn.Conv2d(hidden, width, 3, padding=1)
        self.mlp_beta = nn.Conv2d(hidden, width, 3, padding=1)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        """x: (B, width, H, W). label: (B, labels, H, W), already of this size."""
        shared = self.mlp_shared(label)
        return self.param_free_norm(x) * (1 + self.mlp_gamma(shared)) + self.mlp_beta(shared)


class Resample(nn.Module):
    """Half the size by averages, or twice the size by the nearest pixel."""

    def __init__(self, change: str) -> None:
        super().__init__()
        self.change = change

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to half, double or the same."""
        if self.change == "up":
            return interpolate(x, scale_factor=2.0, mode="nearest")
        return avg_pool2d(x, 2) if self.change == "down" else x


class ResBlock(nn.Module):
    """Norm, SiLU, convolution, twice, around a shortcut; the time scales and shifts the second norm."""

    def __init__(self, before: int, time: int, after: int, change: str = "") -> None:
        super().__init__()
        self.in_layers = nn.Sequential(
            nn.GroupNorm(GROUPS, before), nn.SiLU(), nn.Conv2d(before, after, 3, padding=1)
        )
        self.resample = Resample(change)
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(time, 2 * after))
        self.out_layers = nn.Sequential(
            nn.GroupNorm(GROUPS, after),
            nn.SiLU(),
            nn.Identity(),  # the release's dropout of nothing, for the names
            zeroed(nn.Conv2d(after, after, 3, padding=1)),
        )
        self.skip_connection = nn.Conv2d(before, after, 1) if before != after else nn.Identity()

    def forward(self, x: Tensor, time: Tensor, label: Tensor) -> Tensor:
        """x: (B, before, H, W). time: (B, time). The mask is not looked at."""
        h = self.in_layers[2](self.resample(self.in_layers[:2](x)))
        scale, shift = self.emb_layers(time)[:, :, None, None].chunk(2, dim=1)
        h = self.out_layers[1:](self.out_layers[0](h) * (1 + scale) + shift)
        return self.skip_connection(self.resample(x)) + h


class SdmResBlock(nn.Module):
    """A ResBlock whose two norms are the mask's."""

    def __init__(self, before: int, time: int, after: int, config: SdmConfig, change: str = "") -> None:
        super().__init__()
        labels, hidden, self.labels_by = config.labels, config.hidden, config.labels_by
        self.in_norm = SpadeNorm(before, labels, hidden)
        self.in_layers = nn.Sequential(nn.SiLU(), nn.Conv2d(before, after, 3, padding=1))
        self.resample = Resample(change)
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(time, 2 * after))
        self.out_norm = SpadeNorm(after, labels, hidden)
        self.out_layers = nn.Sequential(
            nn.SiLU(), nn.Identity(), zeroed(nn.Conv2d(after, after, 3, padding=1))
        )
        self.skip_connection = nn.Conv2d(before, after, 1) if before != after else nn.Identity()

    def forward(self, x: Tensor, time: Tensor, label: Tensor) -> Tensor:
        """x: (B, before, H, W). time: (B, time). label: (B, labels, any, any)."""
        h = silu(self.in_norm(x, fitted(label, x, self.labels_by)))
        h = self.in_layers[1](self.resample(h))
        scale, shift = self.emb_layers(time)[:, :, None, None].chunk(2, dim=1)
        h = self.out_layers(self.out_norm(h, fitted(label, h, self.labels_by)) * (1 + scale) + shift)
        return self.skip_connection(self.resample(x)) + h


class AttentionBlock(nn.Module):
    """Self-attention over the places of a feature map, with the released order of heads, q, k and v."""

    def __init__(self, width: int, head: int) -> None:
        super().__init__()
        self.heads = width // head
        self.norm = nn.GroupNorm(GROUPS, width)
        self.qkv = nn.Conv1d(width, 3 * width, 1)
        self.proj_out = zeroed(nn.Conv1d(width, width, 1))

    def forward(self, x: Tensor, time: Tensor, label: Tensor) -> Tensor:
        """(B, width, H, W) to the same; time and mask are not looked at."""
        count, width = x.shape[:2]
        flat = x.flatten(2)
        parts = self.qkv(self.norm(flat)).view(count, self.heads, 3, width // self.heads, -1)
        q, k, v = parts.transpose(-1, -2).unbind(2)
        found = attend(q, k, v)
        return (flat + self.proj_out(found.transpose(-1, -2).reshape(flat.shape))).view_as(x)


class HasDevice(nn.Module):
    """A network that says where it is, as a diffusers pipeline asks of its parts."""

    @property
    def device(self) -> torch.device:
        """Of its weights."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Of its weights."""
        return next(self.parameters()).dtype


class SdmUNet(HasDevice, PyTorchModelHubMixin):
    """Predicts from a noisy image, its time and the mask what the scheduler asks for (noise, or v)."""

    def __init__(self, config: SdmConfig = PUBLISHED) -> None:
        super().__init__()
        self.config = config
        width, time = config.width, 4 * config.width
        self.time_embed = nn.Sequential(nn.Linear(width, time), nn.SiLU(), nn.Linear(time, time))
        given = config.channels + config.beside + (0 if config.spade else config.labels)
        self.input_blocks = nn.ModuleList([nn.ModuleList([nn.Conv2d(given, width, 3, padding=1)])])
        kept, channels, smaller = [width], width, 1
        for level, multiple in enumerate(config.multiples):
            for _ in range(config.blocks):
                block = [
                    ResBlock(channels, time, width * multiple),
                    *self._attention(width * multiple, smaller),
                ]
                channels = width * multiple
                self.input_blocks.append(nn.ModuleList(block))
                kept.append(channels)
            if level + 1 < len(config.multiples):
                self.input_blocks.append(nn.ModuleList([ResBlock(channels, time, channels, "down")]))
                kept.append(channels)
                smaller *= 2
        self.middle_block = nn.ModuleList(
            [
                self._decoding(channels, channels),
                AttentionBlock(channels, config.head),
                self._decoding(channels, channels),
            ]
        )
        self.output_blocks = nn.ModuleList()
        for level, multiple in reversed(list(enumerate(config.multiples))):
            for i in range(config.blocks + 1):
                block = [
                    self._decoding(channels + kept.pop(), width * multiple),
                    *self._attention(width * multiple, smaller),
                ]
                channels = width * multiple
                if level and i == config.blocks:
                    block.append(self._decoding(channels, channels, "up"))
                    smaller //= 2
                self.output_blocks.append(nn.ModuleList(block))
        self.out = nn.Sequential(
            nn.GroupNorm(GROUPS, channels),
            nn.SiLU(),
            zeroed(nn.Conv2d(channels, config.channels, 3, padding=1)),
        )

    @classmethod
    def from_published(cls, path: str | Path, config: SdmConfig | None = None) -> "SdmUNet":
        """The network with released weights, of the sizes that its file has where none are given.

        Of ArSDM's Lightning checkpoints those that were averaged over training, which stand in it under names
        without dots; the plain file that SDM's own code saves has averaged ones alone. Raises as
        `load_published` does.
        """
        tensors, file = read_tensors(path), Path(path).name
        averaged = any(name.startswith(AVERAGED) for name in tensors)

        def stored(name: str) -> str:
            return AVERAGED + f"diffusion_model.{name}".replace(".", "") if averaged else name

        network = cls(config or _sizes(tensors, stored, file))
        fill(network, tensors, file, {stored(name): name for name in network.state_dict()}.get)
        return network.eval()

    def _attention(self, channels: int, smaller: int) -> list[nn.Module]:
        return [AttentionBlock(channels, self.config.head)] if smaller in self.config.attention else []

    def _decoding(self, before: int, after: int, change: str = "") -> nn.Module:
        """A block of the middle or the decoder."""
        time = 4 * self.config.width
        if self.config.spade:
            return SdmResBlock(before, time, after, self.config, change)
        return ResBlock(before, time, after, change)

    def forward(self, image: Tensor, timesteps: Tensor, label: Tensor, also: Tensor | None = None) -> Tensor:
        """image: (B, channels + beside, H, W). timesteps: (B,), 0 to 999. label: (B, labels, h, w), 0 to 1.

        also: (B, 4 x width), what is added to the time's embedding (that of a class). H and W are divisible
        by 2 for each smaller size. Returns (B, channels, H, W).
        """
        time = self.time_embed(sinusoid(timesteps, self.config.width))
        if also is not None:
            time = time + also
        h = image if self.config.spade else torch.cat([image, fitted(label, image, self.config.labels_by)], 1)
        kept = []
        for block in self.input_blocks:
            h = self._through(block, h, time, label)
            kept.append(h)
        h = self._through(self.middle_block, h, time, label)
        for block in self.output_blocks:
            h = self._through(block, torch.cat([h, kept.pop()], 1), time, label)
        return self.out(h)

    def _through(self, block: nn.Module, h: Tensor, time: Tensor, label: Tensor) -> Tensor:
        again = self.config.checkpoints and self.training and torch.is_grad_enabled()
        for layer in block.children():
            if isinstance(layer, nn.Conv2d):
                h = layer(h)
            elif again:
                h = checkpoint(layer, h, time, label, use_reentrant=False)
            else:
                h = layer(h, time, label)
        return h


def _sizes(tensors: Mapping[str, Tensor], stored: Callable[[str], str], file: str) -> SdmConfig:
    """The sizes of a released network. stored: the name in the file of a tensor of ours.

    Channels of a head and blocks of a size can't be told from the tensors, and are the published ones.
    Raises UserError("weights_mismatch") where the tensors that tell the others aren't there, or tell of what
    can't be or is larger than the published network.
    """

    def sides(name: str) -> tuple[int, int]:
        found = tensors.get(stored(name))
        if found is None or found.dim() < 2:
            raise UserError("weights_mismatch", file=file, count=1, first=name)
        return found.shape[0], found.shape[1]

    first, convolution = "input_blocks.0.0.weight", "input_blocks.{}.0.in_layers.2.weight"
    width, channels = sides(first)
    hidden, labels = sides("middle_block.0.in_norm.mlp_shared.0.weight")
    at = range(1, len(tensors), PUBLISHED.blocks + 1)  # the first block of each size; one more halves it
    levels = list(itertools.takewhile(lambda place: stored(convolution.format(place)) in tensors, at))
    multiples = tuple(sides(convolution.format(place))[0] // max(width, 1) for place in levels)
    attentive = [stored(f"input_blocks.{place}.1.qkv.weight") in tensors for place in levels]
    heads = [m * width % PUBLISHED.head for m, attends in zip(multiples, attentive, strict=True) if attends]
    likely = (
        (channels, labels) == (PUBLISHED.channels, PUBLISHED.labels)
        and 0 < width <= PUBLISHED.width
        and 0 < hidden <= PUBLISHED.hidden
        and 0 < len(multiples) <= len(PUBLISHED.multiples)
        and all(0 < one <= max(PUBLISHED.multiples) for one in multiples)
    )
    if not likely or width % GROUPS or any(heads):
        raise UserError("weights_mismatch", file=file, count=1, first=first)
    attention = tuple(2**level for level, attends in enumerate(attentive) if attends)
    return replace(PUBLISHED, width=width, hidden=hidden, multiples=multiples, attention=attention)


def one_hot(mask: Tensor) -> Tensor:
    """Masks (B, H, W), 0 to 1, as the two maps that the network reads: (B, 2, H, W), background first."""
    return torch.stack([1 - mask, mask], 1)


def fitted(label: Tensor, x: Tensor, by: str) -> Tensor:
    """Label maps at the size of a feature map."""
    size = (x.shape[-2], x.shape[-1])
    if label.shape[-2:] == size:
        return label
    return adaptive_avg_pool2d(label, size) if by == "area" else interpolate(label, size, mode="nearest")


def sinusoid(timesteps: Tensor, width: int) -> Tensor:
    """(B,) times to (B, width): cosines, then sines, of frequencies from 1 down to 1 / 10,000."""
    half = width // 2
    places = torch.arange(half, dtype=torch.float32, device=timesteps.device)
    angles = timesteps[:, None].float() * torch.exp(-math.log(10000) / half * places)
    return torch.cat([angles.cos(), angles.sin()], 1)


def zeroed(layer: nn.Module) -> nn.Module:
    """A layer that says nothing at first, so that a block begins as its shortcut."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
