"""Point set operations of PointNet++ on any device: grouping in balls, interpolation from neighbours."""

import torch
from torch import Tensor

from models.scene.objects.pointnet import ball_query, furthest_points

AT_ONCE = 16_000_000  # distances held at a time


def sampled(xyz: Tensor, count: int) -> Tensor:
    """(B, count) indices of furthest point sampling; all points, repeated, where there are fewer."""
    if xyz.shape[1] <= count:
        return torch.arange(count, device=xyz.device).remainder(xyz.shape[1]).expand(len(xyz), -1)
    return furthest_points(xyz, count)


def grouped(xyz: Tensor, centres: Tensor, radius: float, most: int) -> Tensor:
    """(B, C, most) indices of `most` points within `radius` of each centre, in pieces that fit in memory."""
    step = max(1, AT_ONCE // (len(xyz) * xyz.shape[1]))
    parts = [ball_query(xyz, part, radius, most) for part in centres.split(step, 1)]
    return torch.cat(parts, 1)


def take(values: Tensor, indices: Tensor) -> Tensor:
    """(B, P, D), (B, ...) -> (B, ..., D)."""
    rows = torch.arange(len(values), device=values.device).view(-1, *[1] * (indices.dim() - 1))
    return values[rows, indices]


def interpolated(xyz: Tensor, known: Tensor, features: Tensor) -> Tensor:
    """(B, P, D) at `xyz` (B, P, 3), from the three nearest of `known` (B, C, 3) by inverse distance."""
    apart, near = torch.cdist(xyz, known).topk(min(3, known.shape[1]), -1, largest=False)
    weight = 1 / (apart.square() + 1e-8)
    weight = weight / weight.sum(-1, keepdim=True)
    return (take(features, near) * weight[..., None]).sum(2)
