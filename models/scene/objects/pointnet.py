"""PointNet++ (Qi et al., NeurIPS 2017) as X-Trans2Cap encodes an object: three levels without batch norm.

The released code's furthest points and ball query are CUDA kernels; these give
the same indices on any device.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

WIDTH = 128


def furthest_points(xyz: Tensor, count: int) -> Tensor:
    """(M, count) indices: the first point, then always the furthest from those chosen. xyz: (M, P, 3)."""
    rows = torch.arange(len(xyz), device=xyz.device)
    chosen = torch.zeros(len(xyz), count, dtype=torch.long, device=xyz.device)
    distance = xyz.new_full(xyz.shape[:2], torch.inf)
    for step in range(1, count):
        last = xyz[rows, chosen[:, step - 1]]
        distance = torch.minimum(distance, (xyz - last[:, None]).square().sum(-1))
        chosen[:, step] = distance.argmax(1)
    return chosen


def ball_query(xyz: Tensor, centres: Tensor, radius: float, most: int) -> Tensor:
    """(M, C, most) the first `most` points within `radius` of each centre, filled up with the first of them.

    xyz: (M, P, 3). centres: (M, C, 3), each one of the points.
    """
    count = xyz.shape[1]
    inside = (centres[:, :, None] - xyz[:, None]).square().sum(-1) < radius**2
    order = torch.arange(count, device=xyz.device).expand_as(inside).masked_fill(~inside, count)
    first = order.topk(min(most, count), -1, largest=False).values
    first = torch.where(first == count, first[..., :1], first)
    return torch.cat([first, first[..., :1].expand(-1, -1, most - first.shape[-1])], -1)


class SharedMLP(nn.Sequential):
    """1 x 1 convolutions with ReLU, named as in the released weights."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        for place, (given, made) in enumerate(pairwise(widths)):
            layer = nn.Sequential()
            layer.add_module("conv", nn.Conv2d(given, made, 1))
            layer.add_module("act", nn.ReLU())
            self.add_module(f"layer{place}", layer)


class SetAbstraction(nn.Module):
    """Group the points around centroids, a shared MLP over each group, maximum."""

    def __init__(
        self, centroids: int | None, radius: float, neighbours: int, widths: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.centroids, self.radius, self.neighbours = centroids, radius, neighbours
        self.mlps = nn.ModuleList([SharedMLP(widths)])

    def forward(self, xyz: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """(M, C, 3) centroids and (M, C, W) features. xyz: (M, P, 3). features: (M, P, F)."""
        if self.centroids is None:
            centres = xyz[:, :1]
            groups = torch.cat([xyz, features], -1)[:, None]
        else:
            rows = torch.arange(len(xyz), device=xyz.device)[:, None]
            centres = xyz[rows, furthest_points(xyz, self.centroids)]
            near = ball_query(xyz, centres, self.radius, self.neighbours)
            groups = torch.cat(
                [xyz[rows[..., None], near] - centres[:, :, None], features[rows[..., None], near]], -1
            )
        made = self.mlps[0](groups.permute(0, 3, 1, 2))
        return centres, made.amax(-1).transpose(1, 2)


class ObjectPoints(nn.Module):
    """The points of an object as 128 numbers (ReferIt3D's object encoder without batch norm)."""

    def __init__(self, colours: int = 3) -> None:
        super().__init__()
        self.encoder = nn.ModuleList(
            [
                SetAbstraction(32, 0.2, 32, (3 + colours, 64, 128)),
                SetAbstraction(16, 0.4, 32, (3 + 128, 128, 128, 256)),
                SetAbstraction(None, 0, 0, (3 + 256, 256, 512, 128)),
            ]
        )
        self.fc = nn.Linear(128, WIDTH)

    def forward(self, points: Tensor) -> Tensor:
        """(M, 128). points: (M, P, 3 + colours), xyz first, metres."""
        xyz, features = points[..., :3], points[..., 3:]
        for level in self.encoder:
            xyz, features = level(xyz, features)
        return self.fc(features[:, 0])
