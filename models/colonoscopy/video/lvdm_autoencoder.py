"""LVDM's autoencoder: convolutions over time and space halve a clip to a small block of latents, and back.

Source: He et al., "Latent Video Diffusion Models for High-Fidelity Long Video Generation", 2022, section 3.1;
its layers are those of TATS (Ge et al., ECCV 2022). Modules are named as in the released weights, which hold
each plain convolution's weight twice; here it is once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn
from torch.nn.functional import pad, silu

from models.colonoscopy.synthesis.sdm import HasDevice
from models.core.pretrained import fill, read_tensors

AROUND = "first_stage_model."  # before the names in the checkpoints of the diffusion model
PARTS = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")


@dataclass(frozen=True)
class LvdmAutoencoderConfig:
    """Sizes of the network; the defaults are the published ones.

    width: channels before the first halving, doubled at each. halvings: of time, of either side; their
    greater is how many levels there are. channels: of the latents. blocks: of the decoder, at each level.
    groups: of a norm.
    """

    width: int = 32
    halvings: tuple[int, int] = (2, 3)
    channels: int = 4
    blocks: int = 2
    groups: int = 32

    @property
    def strides(self) -> list[tuple[int, int, int]]:
        """Of the levels, the finest first: time is halved by the first ones."""
        time, side = self.halvings
        return [
            (1 + (level < time), 1 + (level < side), 1 + (level < side)) for level in range(max(time, side))
        ]


PUBLISHED = LvdmAutoencoderConfig()


def _around(kernel: int, stride: tuple[int, int, int]) -> tuple[int, ...]:
    """Places to add before and after each axis, the last axis first, as `pad` wants them."""
    return tuple(side for s in reversed(stride) for side in ((kernel - s + 1) // 2, (kernel - s) // 2))


class SamePadConv3d(nn.Module):
    """A convolution over a clip whose edges are repeated, so that only the stride makes it smaller."""

    def __init__(
        self, before: int, after: int, kernel: int, stride: tuple[int, int, int] = (1, 1, 1)
    ) -> None:
        super().__init__()
        self.around = _around(kernel, stride)
        self.conv = nn.Conv3d(before, after, kernel, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, before, T, H, W), divisible by the stride."""
        return self.conv(pad(x, self.around, mode="replicate"))


class SamePadConvTranspose3d(nn.Module):
    """The way back: a clip becomes as many times larger as the stride."""

    def __init__(self, before: int, after: int, kernel: int, stride: tuple[int, int, int]) -> None:
        super().__init__()
        self.around = _around(kernel, stride)
        self.convt = nn.ConvTranspose3d(before, after, kernel, stride, padding=kernel - 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, before, T, H, W)."""
        return self.convt(pad(x, self.around, mode="replicate"))


def _norm(config: LvdmAutoencoderConfig, width: int) -> nn.GroupNorm:
    return nn.GroupNorm(config.groups, width, eps=1e-6)


class ResBlock(nn.Module):
    """Norm, SiLU, convolution, twice, around a shortcut."""

    def __init__(self, config: LvdmAutoencoderConfig, width: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = _norm(config, width), SamePadConv3d(width, width, 3)
        self.norm2, self.conv2 = _norm(config, width), SamePadConv3d(width, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, T, H, W)."""
        return x + self.conv2(silu(self.norm2(self.conv1(silu(self.norm1(x))))))


class Encoder(nn.Module):
    """Clips to the mean and the log variance of their latents."""

    def __init__(self, config: LvdmAutoencoderConfig) -> None:
        super().__init__()
        width = config.width
        self.conv_first = SamePadConv3d(3, width, 3)
        self.conv_blocks = nn.ModuleList()
        for stride in config.strides:
            down, res = SamePadConv3d(width, 2 * width, 4, stride), ResBlock(config, 2 * width)
            self.conv_blocks.append(nn.ModuleDict({"down": down, "res": res}))
            width *= 2
        self.final_block = nn.Sequential(
            _norm(config, width), nn.SiLU(), SamePadConv3d(width, 2 * config.channels, 3)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, T, H, W) to (B, 2 x channels, t, h, w)."""
        x = self.conv_first(x)
        for block in self.conv_blocks.children():
            for layer in block.children():
                x = layer(x)
        return self.final_block(x)


class Decoder(nn.Module):
    """Latents to clips."""

    def __init__(self, config: LvdmAutoencoderConfig) -> None:
        super().__init__()
        before = config.channels
        self.conv_blocks = nn.ModuleList()
        # The release grows time first, as its encoder shrinks it first: the two are no mirror images.
        for level, stride in enumerate(config.strides):
            width = config.width * 2 ** (len(config.strides) - level)
            layers: dict[str, nn.Module] = {"up": SamePadConvTranspose3d(before, width, 4, stride)}
            layers |= {f"res{i + 1}": ResBlock(config, width) for i in range(config.blocks)}
            self.conv_blocks.append(nn.ModuleDict(layers))
            before = width
        self.conv_out = SamePadConv3d(before, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, t, h, w) to (B, 3, T, H, W)."""
        for block in self.conv_blocks.children():
            for layer in block.children():
                x = layer(x)
        return self.conv_out(x)


@dataclass(frozen=True)
class Posterior:
    """What an encoder believes of the latents of clips. mean, deviation: (B, channels, t, h, w)."""

    mean: Tensor
    deviation: Tensor

    def sample(self) -> Tensor:
        """Latents, drawn with torch's own generator."""
        return self.mean + self.deviation * torch.randn_like(self.mean)


class LvdmAutoencoder(HasDevice, PyTorchModelHubMixin):
    """Clips of any length and size to latents, and back."""

    def __init__(self, config: LvdmAutoencoderConfig = PUBLISHED) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.decoder = Encoder(config), Decoder(config)
        self.quant_conv = SamePadConv3d(2 * config.channels, 2 * config.channels, 1)
        self.post_quant_conv = SamePadConv3d(config.channels, config.channels, 1)

    @property
    def frames_each(self) -> int:
        """Of a clip, for each one of its latents."""
        return 2 ** self.config.halvings[0]

    @classmethod
    def from_published(cls, path: str | Path, config: LvdmAutoencoderConfig = PUBLISHED) -> "LvdmAutoencoder":
        """The network with released weights: of its own checkpoint, or of the diffusion model's.

        Raises as `load_published` does.
        """
        tensors = read_tensors(path)
        network = cls(config)
        fill(network, tensors, Path(path).name, lambda name: _own(name, tensors))
        return network.eval()

    def encode(self, clips: Tensor) -> Posterior:
        """Clips (B, 3, T, H, W) in -1..1; published, T is divisible by 4, H and W by 8."""
        mean, log = self.quant_conv(self.encoder(clips)).float().chunk(2, 1)
        return Posterior(mean, (log.clamp(-30, 20) / 2).exp())

    def decode(self, latents: Tensor) -> Tensor:
        """Latents (B, channels, t, h, w) to clips (B, 3, T, H, W), about -1..1."""
        return self.decoder(self.post_quant_conv(latents))

    def forward(self, clips: Tensor) -> Tensor:
        """Clips drawn again: in training from a sample of what the encoder believes, else from its mean."""
        found = self.encode(clips)
        return self.decode(found.sample() if self.training else found.mean)


def _own(name: str, tensors: Mapping[str, Tensor]) -> str | None:
    """The network's name of a stored tensor; None for others', and for a convolution's second name."""
    twin = name.endswith(".weight") and name.removesuffix("weight") + "conv.weight" in tensors
    name = name.removeprefix(AROUND)
    return name if name.startswith(PARTS) and not twin else None
