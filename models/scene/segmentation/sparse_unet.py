"""A sparse U-Net of residual blocks: the backbone of PointGroup, and in small its ScoreNet.

Source: Jiang et al., "PointGroup", CVPR 2020, section 3.2, after Graham et al., CVPR 2018. Submodules have
the names of the released code, so that its checkpoints can be mapped (PointGroup.from_published).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.core.nn.sparse import (
    SparseBatchNorm,
    SparseConv3d,
    SparseInverseConv3d,
    SparseReLU,
    SparseTensor,
    SubmanifoldConv3d,
)

EPS = 1e-4


class ResidualBlock(nn.Module):
    """Twice normalisation, ReLU and a 3x3x3 convolution, around which the input is added."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        same = in_channels == out_channels
        shortcut = nn.Identity() if same else nn.Linear(in_channels, out_channels, bias=False)
        self.i_branch = nn.Sequential(shortcut)
        self.conv_branch = nn.Sequential(
            SparseBatchNorm(in_channels, eps=EPS),
            SparseReLU(),
            SubmanifoldConv3d(in_channels, out_channels),
            SparseBatchNorm(out_channels, eps=EPS),
            SparseReLU(),
            SubmanifoldConv3d(out_channels, out_channels),
        )

    def forward(self, x: SparseTensor) -> SparseTensor:
        """(N, in) -> (N, out)."""
        return x.with_feats(self.conv_branch(x).feats + self.i_branch(x.feats))


class UBlock(nn.Module):
    """One level of the U and all below it.

    widths: channels of this level and of those below. repeats: residual blocks before going down, and after.
    """

    def __init__(self, widths: Sequence[int], repeats: int) -> None:
        super().__init__()
        width, *below = widths
        self.blocks = _blocks([(width, width)] * repeats)
        self.has_below = bool(below)
        if below:
            self.conv = nn.Sequential(
                SparseBatchNorm(width, eps=EPS), SparseReLU(), SparseConv3d(width, below[0])
            )
            self.u = UBlock(below, repeats)
            self.deconv = nn.Sequential(
                SparseBatchNorm(below[0], eps=EPS), SparseReLU(), SparseInverseConv3d(below[0], width)
            )
            self.blocks_tail = _blocks([(2 * width, width), *[(width, width)] * (repeats - 1)])

    def forward(self, x: SparseTensor, grid: Tensor | None = None) -> SparseTensor:
        """(N, widths[0]) -> (N, widths[0]).

        grid: (3,) cells of the published network's grid here, which begins at 0; see `_with_parents`.
        """
        x = self.blocks(x)
        if not self.has_below:
            return x
        if grid is None:
            below = self.deconv(self.u(self.conv(x))).feats
        else:
            inside = _with_parents(x, grid)
            deep = self.u(self.conv(x.rows(inside)), grid // 2)
            below = x.feats.new_zeros(x.feats.shape).index_copy(0, inside, self.deconv(deep).feats)
        return self.blocks_tail(x.with_feats(torch.cat([x.feats, below], 1)))


def _with_parents(x: SparseTensor, grid: Tensor) -> Tensor:
    """The rows of x in the grid's even part.

    spconv 1, with which PointGroup was published, has no place on the coarser grid for the last plane of an
    odd one: what lies there is not seen from below, and hears nothing from there.
    """
    return (x.coords[:, 1:] < grid // 2 * 2).all(1).nonzero().squeeze(1)


def _blocks(widths: Sequence[tuple[int, int]]) -> nn.Sequential:
    chain = nn.Sequential()
    for number, (inside, outside) in enumerate(widths):
        chain.add_module(f"block{number}", ResidualBlock(inside, outside))
    return chain
