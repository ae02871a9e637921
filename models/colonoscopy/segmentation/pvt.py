"""PVTv2-B2 (Wang et al., CVMJ 2022): a pyramid of transformers, 24.85 M; names as released."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from models.colonoscopy.segmentation.res2net import DEVIATION, MEAN

CHANNELS = (64, 128, 320, 512)
DEPTHS = (3, 4, 6, 3)
HEADS = (1, 2, 5, 8)
EXPANSIONS = (8, 8, 4, 4)
REDUCTIONS = (8, 4, 2, 1)  # of the sides of the map that keys and values are read from


class PyramidVisionTransformer(nn.Module):
    """Four stages, each of overlapping patches, transformer blocks and a norm."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(3, 1, 1), persistent=False)
        self.channels = list(CHANNELS)
        before = 3
        for stage, (width, depth) in enumerate(zip(CHANNELS, DEPTHS, strict=True)):
            patches = OverlapPatchEmbed(before, width, *((7, 4) if stage == 0 else (3, 2)))
            blocks = (Block(width, HEADS[stage], EXPANSIONS[stage], REDUCTIONS[stage]) for _ in range(depth))
            self.add_module(f"patch_embed{stage + 1}", patches)
            self.add_module(f"block{stage + 1}", nn.ModuleList(blocks))
            self.add_module(f"norm{stage + 1}", nn.LayerNorm(width, eps=1e-6))
            before = width

    def forward(self, frames: Tensor) -> list[Tensor]:
        """frames (B, 3, H, W) in 0..1, sides multiples of 32 -> features at strides 4, 8, 16, 32."""
        x = (frames - self.mean) / self.deviation
        found = []
        for stage in range(1, 5):
            tokens, height, width = self.get_submodule(f"patch_embed{stage}")(x)
            for block in cast(nn.ModuleList, self.get_submodule(f"block{stage}")):
                tokens = block(tokens, height, width)
            tokens = self.get_submodule(f"norm{stage}")(tokens)
            x = _as_map(tokens, height, width)
            found.append(x)
        return found


class OverlapPatchEmbed(nn.Module):
    """A strided convolution whose windows overlap, and LayerNorm."""

    def __init__(self, channels: int, width: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, width, kernel, stride, kernel // 2)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> tuple[Tensor, int, int]:
        """(B, channels, H, W) -> tokens (B, h w, width), h, w."""
        x = self.proj(x)
        return self.norm(x.flatten(2).transpose(1, 2)), x.shape[2], x.shape[3]


class Block(nn.Module):
    """Attention and a convolving MLP, each behind a norm and added."""

    def __init__(self, width: int, heads: int, expansion: int, reduction: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads, reduction)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width, width * expansion)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        """(B, H W, C) -> (B, H W, C)."""
        tokens = tokens + self.attn(self.norm1(tokens), height, width)
        return tokens + self.mlp(self.norm2(tokens), height, width)


class Attention(nn.Module):
    """Spatial-reduction attention: keys and values come from a map shrunk by a strided convolution."""

    def __init__(self, width: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads, self.reduction = heads, reduction
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)
        if reduction > 1:
            self.sr = nn.Conv2d(width, width, reduction, reduction)
            self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        """(B, H W, C) -> (B, H W, C)."""
        seen = tokens
        if self.reduction > 1:
            seen = self.norm(self.sr(_as_map(tokens, height, width)).flatten(2).transpose(1, 2))
        query = self._by_head(self.q(tokens))
        key, value = map(self._by_head, self.kv(seen).chunk(2, -1))
        heard = scaled_dot_product_attention(query, key, value)
        return self.proj(heard.transpose(1, 2).reshape(tokens.shape))

    def _by_head(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Mlp(nn.Module):
    """Two linear layers with a depthwise 3x3 convolution between them, which tells tokens where they are."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.dwconv = DepthwiseConv(hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        """(B, H W, C) -> (B, H W, C)."""
        return self.fc2(gelu(self.dwconv(self.fc1(tokens), height, width)))


class DepthwiseConv(nn.Module):
    """A 3x3 convolution of each channel by itself, over tokens."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(width, width, 3, 1, 1, groups=width)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        """(B, H W, C) -> (B, H W, C)."""
        return self.dwconv(_as_map(tokens, height, width)).flatten(2).transpose(1, 2)


def _as_map(tokens: Tensor, height: int, width: int) -> Tensor:
    return tokens.transpose(1, 2).unflatten(2, (height, width)).contiguous()
