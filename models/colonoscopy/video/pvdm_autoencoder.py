"""PVDM's autoencoder: a transformer that projects a clip onto three planes, each a small image.

Source: Yu et al., "Video Probabilistic Diffusion Models in Projected Latent Space", CVPR 2023, section 3.1.
Both halves are TimeSformers (Bertasius et al., ICML 2021): every layer attends over time, then over space,
with rotary positions. Modules are named as in the released weights.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn
from torch.nn.functional import gelu

from models.colonoscopy.synthesis.sdm import HasDevice
from models.core.nn.attention import attend
from models.core.pretrained import load_published

Planes = tuple[Tensor, Tensor, Tensor]
PLANES = ("xy", "yt", "xt")  # in their order in a row of latents


@dataclass(frozen=True)
class PvdmAutoencoderConfig:
    """Sizes of the network; the defaults are the published ones.

    size: of the square frames, in pixels. frames: of a clip. patch: of a token, in pixels a side. given:
    channels of a frame. channels: of the latents.
    width: of a token's features. depth: layers of either half. heads of `head` features each; `widening`:
    how many times wider the gated layer between them is.
    projection_*: of the transformers that make three planes of the encoder's block; hidden: features.
    """

    size: int = 256
    frames: int = 16
    patch: int = 8
    given: int = 3
    channels: int = 4
    width: int = 384
    depth: int = 8
    heads: int = 8
    head: int = 64
    widening: int = 4
    projection_depth: int = 4
    projection_heads: int = 4
    projection_head: int = 48
    projection_hidden: int = 512

    @property
    def grid(self) -> int:
        """Tokens along a frame's side."""
        return self.size // self.patch

    @property
    def tokens(self) -> int:
        """Of the three planes together."""
        return self.grid * (self.grid + 2 * self.frames)


PUBLISHED = PvdmAutoencoderConfig()


class Attention(nn.Module):
    """Self-attention over the second axis."""

    def __init__(self, width: int, heads: int, head: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Linear(width, 3 * heads * head, bias=False)
        self.to_out = nn.Sequential(nn.Linear(heads * head, width))

    def forward(self, x: Tensor, turns: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """x: (B, N, width). turns: sines and cosines (N, head) that say where each place is."""
        count, places = x.shape[:2]
        q, k, v = self.to_qkv(x).view(count, places, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if turns is not None:
            q, k = _turned(q, *turns), _turned(k, *turns)
        found = attend(q, k, v)
        return self.to_out(found.transpose(1, 2).reshape(count, places, -1))


def _turned(x: Tensor, sines: Tensor, cosines: Tensor) -> Tensor:
    """Each pair of neighbouring features (..., N, head) as a vector that is turned by its place's angle."""
    pairs = x.unflatten(-1, (-1, 2))
    across = torch.stack([-pairs[..., 1], pairs[..., 0]], -1).flatten(-2)
    return x * cosines.to(x.dtype) + across * sines.to(x.dtype)


class Gate(nn.Module):
    """GEGLU: half of the features, each weighted by the GELU of its fellow in the other half."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., 2C) to (..., C)."""
        value, gate = x.chunk(2, -1)
        return value * gelu(gate)


class FeedForward(nn.Module):
    """Two linear layers with a GELU between them, or a gate."""

    def __init__(self, width: int, hidden: int, gated: bool) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(width, 2 * hidden if gated else hidden),
            Gate() if gated else nn.GELU(),
            nn.Identity(),  # the release's dropout of nothing, for the names
            nn.Linear(hidden, width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) to the same."""
        return self.net(x)


class Residual(nn.Module):
    """What a layer finds in its normalised input, added to the input."""

    def __init__(self, width: int, fn: nn.Module) -> None:
        super().__init__()
        self.fn, self.norm = fn, nn.LayerNorm(width)

    def forward(self, x: Tensor, *more: object) -> Tensor:
        """x: (..., width), and what else the layer takes."""
        return x + self.fn(self.norm(x), *more)


class TimeRotation(nn.Module):
    """Angles of the frames: each number, times frequencies from 1 down to 1 / 10,000.

    The release lays them out in two halves but turns neighbours by them; so does this.
    """

    inv_freqs: Tensor

    def __init__(self, head: int) -> None:
        super().__init__()
        self.register_buffer("inv_freqs", 10000 ** (-torch.arange(0, head, 2).float() / head))

    def forward(self, frames: int) -> tuple[Tensor, Tensor]:
        """Sines and cosines (frames, head)."""
        places = torch.arange(frames, device=self.inv_freqs.device)
        angles = (places[:, None] * self.inv_freqs).repeat(1, 2)
        return angles.sin(), angles.cos()


class PlaceRotation(nn.Module):
    """Angles of a grid's places, -1 to 1 in both axes: half of the features turn by the row, half by the
    column.
    """

    scales: Tensor

    def __init__(self, head: int) -> None:
        super().__init__()
        self.register_buffer("scales", torch.logspace(0, math.log2(5), head // 4, base=2))

    def forward(self, grid: int) -> tuple[Tensor, Tensor]:
        """Sines and cosines (grid x grid, head), row by row."""
        line = torch.linspace(-1, 1, grid, device=self.scales.device)[:, None] * self.scales * math.pi
        rows, columns = line[:, None].expand(-1, grid, -1), line[None].expand(grid, -1, -1)
        angles = torch.cat([rows, columns], -1).flatten(0, 1).repeat_interleave(2, -1)
        return angles.sin(), angles.cos()


class TimeSformer(nn.Module):
    """Layers that attend over time, then over space, then look at each token alone."""

    def __init__(self, config: PvdmAutoencoderConfig) -> None:
        super().__init__()
        width, heads, head = config.width, config.heads, config.head
        self.frame_rot_emb = TimeRotation(head)
        self.image_rot_emb = PlaceRotation(head)
        self.layers = nn.ModuleList(
            nn.ModuleList(
                [
                    Residual(width, Attention(width, heads, head)),
                    Residual(width, Attention(width, heads, head)),
                    Residual(width, FeedForward(width, config.widening * width, gated=True)),
                ]
            )
            for _ in range(config.depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, T, h, w, width), h = w. Returns the same."""
        count, frames, grid = x.shape[:3]
        times, places = self.frame_rot_emb(frames), self.image_rot_emb(grid)
        x = x.flatten(2, 3)
        for layer in self.layers.children():
            over_time, over_space, alone = layer.children()
            x = over_time(x.transpose(1, 2).flatten(0, 1), times)
            x = x.unflatten(0, (count, grid * grid)).transpose(1, 2)
            x = alone(over_space(x.flatten(0, 1), places)).unflatten(0, (count, frames))
        return x.unflatten(2, (grid, grid))


class PatchTimeSformer(TimeSformer):
    """The encoder's, which makes the tokens itself."""

    def __init__(self, config: PvdmAutoencoderConfig) -> None:
        super().__init__(config)
        self.patch = config.patch
        self.to_patch_embedding = nn.Linear(config.given * config.patch**2, config.width)

    def forward(self, x: Tensor) -> Tensor:
        """Clips (B, given, T, H, W) to (B, T, h, w, width)."""
        patches = x.unflatten(4, (-1, self.patch)).unflatten(3, (-1, self.patch))  # (B, given, T, h, p, w, p)
        return super().forward(self.to_patch_embedding(patches.permute(0, 2, 3, 5, 4, 6, 1).flatten(4)))


class Projection(nn.Module):
    """A transformer over one axis of the encoder's block."""

    def __init__(self, config: PvdmAutoencoderConfig) -> None:
        super().__init__()
        width, heads, head = config.width, config.projection_heads, config.projection_head
        self.layers = nn.ModuleList(
            nn.ModuleList(
                [
                    Residual(width, Attention(width, heads, head)),
                    Residual(width, FeedForward(width, config.projection_hidden, gated=False)),
                ]
            )
            for _ in range(config.projection_depth)
        )

    def forward(self, x: Tensor, token: Tensor, places: Tensor) -> Tensor:
        """x: (B, a, b, N, width). token: (1, 1, width). places: (1, N + 1, width). Returns (B, width, a, b).

        The learned token stands after the others, and the first one's answer is taken all the same: so the
        release was trained.
        """
        rows = x.flatten(0, 2)
        rows = torch.cat([rows, token.to(rows.dtype).expand(len(rows), -1, -1)], 1) + places
        for layer in self.layers.children():
            attention, alone = layer.children()
            rows = alone(attention(rows))
        return rows[:, 0].view(*x.shape[:3], -1).permute(0, 3, 1, 2)


class PvdmAutoencoder(HasDevice, PyTorchModelHubMixin):
    """Clips to latents on three planes, between -1 and 1, and back."""

    coords: Tensor

    def __init__(self, config: PvdmAutoencoderConfig = PUBLISHED) -> None:
        super().__init__()
        self.config = config
        width, channels = config.width, config.channels
        self.encoder, self.decoder = PatchTimeSformer(config), TimeSformer(config)
        self.to_pixel = nn.Sequential(
            nn.Identity(),  # the release's rearrangement, for the names
            nn.ConvTranspose2d(width, config.given, config.patch, config.patch),
        )
        # Nothing reads them; the released weights have them.
        self.register_buffer("coords", torch.linspace(-1, 1, config.frames)[:, None])
        for plane, pooled in (("xy", config.frames), ("yt", config.grid), ("xt", config.grid)):
            setattr(self, f"{plane}_token", nn.Parameter(torch.randn(1, 1, width)))
            setattr(self, f"{plane}_pos_embedding", nn.Parameter(torch.randn(1, pooled + 1, width)))
            setattr(self, f"{plane}_quant_attn", Projection(config))
            setattr(self, f"pre_{plane}", nn.Conv2d(width, channels, 1))
            setattr(self, f"post_{plane}", nn.Conv2d(channels, width, 1))

    @classmethod
    def from_published(cls, path: str | Path, config: PvdmAutoencoderConfig = PUBLISHED) -> "PvdmAutoencoder":
        """The network with released weights, a plain state dictionary. Raises as `load_published` does."""
        network = cls(config)
        load_published(network, path, lambda name: name)
        return network.eval()

    def encode(self, clips: Tensor) -> Tensor:
        """Clips (B, 3, T, H, W) in -1..1 to latents (B, channels, tokens): xy, then yt, then xt."""
        block = self.encoder(clips)
        turned = (
            block.permute(0, 2, 3, 1, 4),  # of each place the frames
            block.permute(0, 1, 3, 2, 4),  # of each frame and column the rows
            block,  # of each frame and row the columns
        )
        return joined(*(self._project(plane, x) for plane, x in zip(PLANES, turned, strict=True)))

    def _project(self, plane: str, x: Tensor) -> Tensor:
        token, places = getattr(self, f"{plane}_token"), getattr(self, f"{plane}_pos_embedding")
        found = getattr(self, f"{plane}_quant_attn")(x, token, places)
        return getattr(self, f"pre_{plane}")(found).tanh()

    def decode(self, latents: Tensor) -> Tensor:
        """Latents (B, channels, tokens) to clips (B, 3, T, H, W) in -1..1."""
        planes = zip(PLANES, separate(latents, self.config.grid, self.config.frames), strict=True)
        xy, yt, xt = (getattr(self, f"post_{plane}")(x) for plane, x in planes)
        block = xy[:, :, None] + yt[:, :, :, None] + xt[..., None]  # (B, width, T, h, w)
        tokens = self.decoder(block.permute(0, 2, 3, 4, 1))
        frames = self.to_pixel(tokens.flatten(0, 1).permute(0, 3, 1, 2))
        return self._bounded(frames.unflatten(0, (len(latents), -1)).transpose(1, 2))

    @staticmethod
    def _bounded(pixels: Tensor) -> Tensor:
        return 2 * pixels.sigmoid() - 1

    def forward(self, clips: Tensor) -> Tensor:
        """Clips (B, 3, T, H, W) in -1..1, drawn again from their latents."""
        return self.decode(self.encode(clips))


def joined(xy: Tensor, yt: Tensor, xt: Tensor) -> Tensor:
    """Planes (B, C, h, w), (B, C, T, w) and (B, C, T, h) as one row (B, C, tokens)."""
    return torch.cat([xy.flatten(2), yt.flatten(2), xt.flatten(2)], 2)


def separate(row: Tensor, grid: int, frames: int) -> Planes:
    """The planes of a row (B, C, tokens), whose grid has as many columns as rows."""
    xy, yt, xt = row.split([grid * grid, frames * grid, frames * grid], 2)
    return xy.unflatten(2, (grid, grid)), yt.unflatten(2, (frames, grid)), xt.unflatten(2, (frames, grid))
