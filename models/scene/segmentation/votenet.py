"""VoteNet: points of a scan vote for the centres of objects, and clusters of votes become boxes.

Source: Qi et al., "Deep Hough Voting for 3D Object Detection in Point Clouds", ICCV 2019, in the form that
ScanRefer and Scan2Cap release: PointNet++ backbone -> seeds -> votes -> 256 proposals of 97 numbers. With its
default sizes the network has the names and shapes of their weights; with smaller ones it is what ships.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn
from torch.nn.functional import normalize, relu

from models.core.pretrained import load_published
from models.scene.segmentation.point_sampling import grouped, interpolated, sampled, take

# ScanNet's detection classes, in the order of the released weights.
CLASSES = (
    *("cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture", "counter"),
    *("desk", "curtain", "refrigerator", "shower curtain", "toilet", "sink", "bathtub", "otherfurniture"),
)
RADII = (0.2, 0.4, 0.8, 1.2)
OUTPUTS = 2 + 3 + 2 + 4 * len(CLASSES) + len(CLASSES)
LEAST_SIZE = 0.01  # metres


@dataclass(frozen=True)
class Proposals:
    """K clusters of votes in each of B scans.

    seeds: (B, S, 3) points that voted. picked: (B, S) their indices among the points. votes: (B, S, 3).
    xyz: (B, K, 3) middle of each cluster. features: (B, K, 128). objectness: (B, K, 2) logits.
    centres: (B, K, 3). size_scores: (B, K, 18). size_residuals: (B, K, 18, 3), in shares of the mean sizes.
    semantic: (B, K, 18) logits of the class. mean_sizes: (18, 3) metres.
    """

    seeds: Tensor
    picked: Tensor
    votes: Tensor
    xyz: Tensor
    features: Tensor
    objectness: Tensor
    centres: Tensor
    size_scores: Tensor
    size_residuals: Tensor
    semantic: Tensor
    mean_sizes: Tensor

    def boxes(self) -> Tensor:
        """(B, K, 6) min xyz, max xyz, metres: the size class that is likeliest, and its residual."""
        chosen = self.size_scores.argmax(-1)
        residual = take(self.size_residuals.flatten(0, 1), chosen.flatten()[:, None])[:, 0]
        residual = residual.view(*chosen.shape, 3)
        half = (self.mean_sizes[chosen] * (1 + residual)).clamp(min=LEAST_SIZE) / 2
        return torch.cat([self.centres - half, self.centres + half], -1)


class ConvNorm(nn.Sequential):
    """1 x 1 convolution, batch norm, ReLU, named as released (`conv`, `bn.bn`)."""

    def __init__(self, given: int, made: int) -> None:
        super().__init__()
        self.add_module("conv", nn.Conv2d(given, made, 1, bias=False))
        norm = nn.Sequential()
        norm.add_module("bn", nn.BatchNorm2d(made))
        self.add_module("bn", norm)
        self.add_module("activation", nn.ReLU())


def shared_mlp(widths: Sequence[int]) -> nn.Sequential:
    """A shared MLP whose layers are called layer0, layer1 ..."""
    made = nn.Sequential()
    for place, (given, out) in enumerate(pairwise(widths)):
        made.add_module(f"layer{place}", ConvNorm(given, out))
    return made


class SetAbstraction(nn.Module):
    """Points in a ball around each centroid, by a shared MLP and maximum; offsets in units of the radius."""

    def __init__(self, centroids: int, radius: float, neighbours: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.centroids, self.radius, self.neighbours = centroids, radius, neighbours
        self.mlp_module = shared_mlp(widths)

    def forward(self, xyz: Tensor, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, C, 3), (B, C, W) and the centroids' indices (B, C). xyz: (B, P, 3). features: (B, P, F)."""
        picked = sampled(xyz, self.centroids)
        centres = take(xyz, picked)
        near = grouped(xyz, centres, self.radius, self.neighbours)
        local = (take(xyz, near) - centres[:, :, None]) / self.radius
        groups = torch.cat([local, take(features, near)], -1)
        made = self.mlp_module(groups.permute(0, 3, 1, 2))
        return centres, made.amax(-1).transpose(1, 2), picked


class FeaturePropagation(nn.Module):
    """Features carried from few points to many, joined with what those knew."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.mlp = shared_mlp(widths)

    def forward(self, xyz: Tensor, known: Tensor, own: Tensor, features: Tensor) -> Tensor:
        """(B, P, W). xyz: (B, P, 3) with `own` (B, P, F). known: (B, C, 3) with `features` (B, C, G)."""
        joined = torch.cat([interpolated(xyz, known, features), own], -1)
        return self.mlp(joined.transpose(1, 2)[..., None])[..., 0].transpose(1, 2)


class Backbone(nn.Module):
    """PointNet++: four levels down, two up. centroids, neighbours: of the four. width: 128 as published."""

    def __init__(self, inputs: int, width: int, centroids: Sequence[int], neighbours: Sequence[int]) -> None:
        super().__init__()
        half, double = width // 2, 2 * width
        widths = [
            (3 + inputs, half, half, width),
            (3 + width, width, width, double),
            (3 + double, width, width, double),
            (3 + double, width, width, double),
        ]
        levels = zip(centroids, RADII, neighbours, widths, strict=True)
        self.sa1, self.sa2, self.sa3, self.sa4 = (SetAbstraction(*level) for level in levels)
        self.fp1 = FeaturePropagation((2 * double, double, double))
        self.fp2 = FeaturePropagation((2 * double, double, double))

    def forward(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Seeds (B, S, 3), their features (B, S, 2 width) and indices (B, S). points: (B, P, 3 + inputs)."""
        xyz1, f1, picked = self.sa1(points[..., :3].contiguous(), points[..., 3:])
        xyz2, f2, again = self.sa2(xyz1, f1)
        xyz3, f3, _ = self.sa3(xyz2, f2)
        xyz4, f4, _ = self.sa4(xyz3, f3)
        f3 = self.fp1(xyz3, xyz4, f3, f4)
        return xyz2, self.fp2(xyz2, xyz3, f2, f3), picked.gather(1, again)


class Voting(nn.Module):
    """Every seed votes once for the centre of its object."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv1d(width, width, 1), nn.Conv1d(width, width, 1)
        self.conv3 = nn.Conv1d(width, 3 + width, 1)
        self.bn1, self.bn2 = nn.BatchNorm1d(width), nn.BatchNorm1d(width)

    def forward(self, seeds: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Votes (B, S, 3) and their unit features (B, S, width)."""
        made = features.transpose(1, 2)
        made = relu(self.bn1(self.conv1(made)))
        made = relu(self.bn2(self.conv2(made)))
        made = self.conv3(made).transpose(1, 2)
        return seeds + made[..., :3], normalize(features + made[..., 3:], dim=-1)


class ProposalModule(nn.Module):
    """Clusters of votes, and what each says of its object."""

    mean_sizes: Tensor

    def __init__(self, proposals: int, width: int, mean_sizes: Tensor) -> None:
        super().__init__()
        self.vote_aggregation = SetAbstraction(proposals, 0.3, 16, (3 + 2 * width, width, width, width))
        self.proposal = nn.Sequential(
            *(nn.Conv1d(width, width, 1, bias=False), nn.BatchNorm1d(width), nn.ReLU()),
            *(nn.Conv1d(width, width, 1, bias=False), nn.BatchNorm1d(width), nn.ReLU()),
            nn.Conv1d(width, OUTPUTS, 1),
        )
        self.register_buffer("mean_sizes", mean_sizes, persistent=False)

    def forward(self, votes: Tensor, features: Tensor, seeds: Tensor, picked: Tensor) -> Proposals:
        """votes: (B, S, 3) with features (B, S, 2 width), of the seeds (B, S, 3), points `picked` (B, S)."""
        xyz, features, _ = self.vote_aggregation(votes, features)
        made = self.proposal(features.transpose(1, 2)).transpose(1, 2)
        count = len(CLASSES)
        objectness, offset, _, size, residual, semantic = made.split((2, 3, 2, count, 3 * count, count), -1)
        return Proposals(
            *(seeds, picked, votes, xyz, features, objectness, xyz + offset, size),
            residual.unflatten(-1, (count, 3)),
            semantic,
            self.mean_sizes,
        )


class VoteNet(nn.Module, PyTorchModelHubMixin):
    """Boxes of a scan's objects.

    inputs: numbers of a point beside xyz, height first (released: 1, 4 with colour, 7 with normals).
    mean_sizes: (18, 3) metres, of the classes; a metre in each direction where none are given.
    """

    def __init__(
        self,
        *,
        inputs: int = 1,
        width: int = 128,
        centroids: Sequence[int] = (2048, 1024, 512, 256),
        neighbours: Sequence[int] = (64, 32, 16, 16),
        proposals: int = 256,
        mean_sizes: Sequence[Sequence[float]] | None = None,
    ) -> None:
        super().__init__()
        sizes = torch.ones(len(CLASSES), 3) if mean_sizes is None else torch.tensor(mean_sizes)
        self.backbone_net = Backbone(inputs, width, centroids, neighbours)
        self.vgen = Voting(2 * width)
        self.proposal = ProposalModule(proposals, width, sizes)

    def forward(self, points: Tensor) -> Proposals:
        """points: (B, P, 3 + inputs), metres, z up, the height above the floor after xyz."""
        seeds, features, picked = self.backbone_net(points)
        votes, features = self.vgen(seeds, features)
        found: Proposals = self.proposal(votes, features, seeds, picked)
        return found

    @classmethod
    def from_published(
        cls, path: str | Path, mean_sizes: Sequence[Sequence[float]], inputs: int = 1
    ) -> "VoteNet":
        """The published network with the weights that Scan2Cap released. Raises as `load_published` does."""
        network = cls(inputs=inputs, mean_sizes=mean_sizes)
        load_published(network, path, lambda name: name)
        return network.eval()
