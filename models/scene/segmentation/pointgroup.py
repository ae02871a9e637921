"""PointGroup: objects in a raw scan. What each point is, where its object's middle is, what belongs together.

Source: Jiang et al., "PointGroup: Dual-Set Point Grouping for 3D Instance Segmentation", CVPR 2020, and the
released code. PUBLISHED is the released size; SHIPPED is narrower, on coarser voxels, and made for scans with
or without colour.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import PyTorchModelHubMixin
from numpy.typing import NDArray
from torch import Tensor, nn

from models.core.device import Movable
from models.core.nn.sparse import SparseBatchNorm, SparseReLU, SparseTensor, SubmanifoldConv3d
from models.core.pretrained import load_published
from models.scene.data import nyu40
from models.scene.segmentation.clusters import Members, cluster
from models.scene.segmentation.sparse_unet import EPS, UBlock

BENCHMARK = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 24, 28, 33, 34, 36, 39)
STUFF = ("wall", "floor", "ceiling")
IGNORED = -100

PUBLISHED: Mapping[str, Any] = {
    "classes": [nyu40.NAMES[number - 1] for number in BENCHMARK],
    "width": 16,
    "levels": 7,
    "voxel": 0.02,
    "radius": 0.03,
    "least": 50,
    "levelled": False,
}
SHIPPED: Mapping[str, Any] = {
    "classes": list(nyu40.NAMES),
    "width": 16,
    "levels": 5,
    "voxel": 0.05,
    "radius": 0.08,
    "least": 15,
    "levelled": True,
}
GRID, FINEST = 14, 50.0
LEAST_GRID = 128  # cells along each side of a scene's grid, as released


@dataclass(frozen=True)
class Points(Movable):
    """Points of a batch of scenes.

    xyz: (N, 3) metres, z up (and the floor at 0 where the network is `levelled`). rgb: (N, 3) -1 to 1.
    coloured: (N, 1) 1 where a point has a colour, else 0. item: (N,) the scene of each point.
    """

    xyz: Tensor
    rgb: Tensor
    coloured: Tensor
    item: Tensor

    @cached_property
    def scenes(self) -> int:
        """How many scenes there are."""
        return int(self.item.max()) + 1 if len(self.item) else 0

    @classmethod
    def of(cls, xyz: NDArray[np.float32], colours: NDArray[np.uint8] | None) -> "Points":
        """One scene. xyz: (N, 3). colours: (N, 3) 0-255, None for a scan without."""
        rgb = torch.zeros(len(xyz), 3) if colours is None else torch.from_numpy(colours).float() / 127.5 - 1
        coloured = torch.full((len(xyz), 1), float(colours is not None))
        return cls(torch.from_numpy(xyz).float(), rgb, coloured, torch.zeros(len(xyz), dtype=torch.long))


@dataclass(frozen=True)
class PointPredictions:
    """What the backbone says of every point. semantic: (N, classes) logits. offsets: (N, 3) metres to the
    middle of its object. feats: (N, width), from which clusters are scored. clusters, scores: C sets of
    points and their (C,) logits of being an object, where they were asked for.
    """

    semantic: Tensor
    offsets: Tensor
    feats: Tensor
    clusters: Sequence[Members] = ()
    scores: Tensor | None = None


class PointGroup(nn.Module, PyTorchModelHubMixin):
    """The network, with the released checkpoint's names, but `kernel` for a convolution's `weight`.

    classes: names of what a point can be; those of STUFF make no objects. width, levels: of the U-Net.
    voxel: metres. radius: of the ball query, metres. least: points of a cluster. levelled: the input is
    (1, coloured, rgb, height, place in the voxel) instead of the published (rgb, xyz), on a grid that is the
    same wherever a scan begins; without it the grids are the release's to the last cell.
    """

    def __init__(
        self,
        *,
        classes: Sequence[str],
        width: int,
        levels: int,
        voxel: float,
        radius: float,
        least: int,
        levelled: bool,
        repeats: int = 2,
    ) -> None:
        super().__init__()
        self.classes = tuple(classes)
        self.stuff = tuple(place for place, name in enumerate(self.classes) if name in STUFF)
        self.voxel, self.radius, self.least, self.levelled = voxel, radius, least, levelled
        self.input_conv = nn.Sequential(SubmanifoldConv3d(9 if levelled else 6, width))
        self.unet = UBlock([width * (level + 1) for level in range(levels)], repeats)
        self.output_layer = nn.Sequential(SparseBatchNorm(width, eps=EPS), SparseReLU())
        self.linear = nn.Linear(width, len(self.classes))
        self.offset = nn.Sequential(nn.Linear(width, width), nn.BatchNorm1d(width, eps=EPS), nn.ReLU())
        self.offset_linear = nn.Linear(width, 3)
        self.score_unet = UBlock([width, 2 * width], 2)
        self.score_outputlayer = nn.Sequential(SparseBatchNorm(width, eps=EPS), SparseReLU())
        self.score_linear = nn.Linear(width, 1)

    def forward(self, points: Points, most_clusters: int = 0) -> PointPredictions:
        """What every point is, and where its object's middle lies.

        most_clusters: so many at most are made and scored in training, any of those that there are.
        """
        xyz = points.xyz if self.levelled else _from_zero(points)
        coords, place = voxelise(xyz, self.voxel, points.item)
        feats = averaged(self._inputs(points), place, len(coords))
        grid = None if self.levelled or not len(coords) else (coords[:, 1:].amax(0) + 1).clamp(min=LEAST_GRID)
        voxels = SparseTensor(coords, feats, points.scenes)
        found = self.output_layer(self.unet(self.input_conv(voxels), grid))
        feats = found.feats[place]
        offsets = self.offset_linear(self.offset(feats))
        felt = PointPredictions(self.linear(feats).float(), offsets.float(), feats)
        if not most_clusters:
            return felt
        clusters = self.group(points, felt)
        order = np.random.default_rng(len(points.xyz)).permutation(len(clusters))[:most_clusters]
        clusters = [clusters[place] for place in order]
        return replace(felt, clusters=clusters, scores=self.score(points, felt, clusters))

    def _inputs(self, points: Points) -> Tensor:
        """(N, 6 or 9) features of the points."""
        if self.levelled:
            inside = points.xyz / self.voxel
            inside = inside - inside.floor() - 0.5
            one = torch.ones_like(points.coloured)
            height = points.xyz[:, 2:]
            return torch.cat([one, points.coloured, points.rgb * points.coloured, height, inside], 1)
        middle = averaged(points.xyz, points.item, points.scenes)
        return torch.cat([points.rgb, points.xyz - middle[points.item]], 1)

    def group(self, points: Points, felt: PointPredictions) -> list[Members]:
        """Clusters of points of one class, on the points as they are, then on the shifted ones."""
        xyz, shifts = points.xyz.cpu().numpy(), felt.offsets.detach().cpu().numpy()
        classes, item = felt.semantic.argmax(1).cpu().numpy(), points.item.cpu().numpy()
        found: list[Members] = []
        for where in (xyz, xyz + shifts):
            for scene in range(points.scenes):
                mine = np.flatnonzero(item == scene)
                parts = cluster(where[mine], classes[mine], self.radius, self.least, self.stuff)
                found += [mine[part] for part in parts]
        return found

    def score(self, points: Points, felt: PointPredictions, clusters: Sequence[Members]) -> Tensor:
        """(C,) logits that each cluster is an object: a small U-Net on its own coarse grid (ScoreNet)."""
        if not clusters:
            return felt.feats.new_zeros(0)
        member = torch.from_numpy(np.concatenate(clusters)).to(points.xyz.device)
        sizes = torch.tensor([len(part) for part in clusters])
        owner = torch.arange(len(clusters)).repeat_interleave(sizes).to(member.device)
        grid = _on_own_grid(points.xyz[member], owner, len(clusters), published=not self.levelled)
        coords, place = voxelise(grid, 1.0, owner)
        feats = averaged(felt.feats[member], place, len(coords))
        found = self.score_outputlayer(self.score_unet(SparseTensor(coords, feats, len(clusters))))
        pooled = found.feats.new_full((len(clusters), found.feats.shape[1]), -torch.inf)
        pooled = pooled.scatter_reduce(0, coords[:, :1].expand_as(found.feats), found.feats, "amax")
        return self.score_linear(pooled).float().squeeze(1)

    @classmethod
    def from_published(cls, path: str | Path) -> "PointGroup":
        """The published network with the released weights (spconv 1's kernels: x, y, z, in, out).

        Raises as `load_published` does.
        """
        network = cls(**PUBLISHED)
        expected = network.state_dict()

        def rename(name: str) -> str:
            ours = name.removeprefix("module.")
            return ours if ours in expected else ours.removesuffix("weight") + "kernel"

        load_published(network, path, rename, _from_spconv)
        return network.eval()


def _from_spconv(value: Tensor) -> Tensor:
    """A published tensor in our form; kernels are (x, y, z, in, out) there."""
    if value.dim() != 5:
        return value
    match len(value):
        case 1:
            return value.reshape(value.shape[3:]).T
        case 2:
            return value.flatten(0, 2)
        case _:
            return value.permute(2, 1, 0, 3, 4).flatten(0, 2)


def voxelise(xyz: Tensor, voxel: float, item: Tensor) -> tuple[Tensor, Tensor]:
    """The occupied voxels (M, 4) in rising order of (item, x, y, z), and (N,) the voxel of each point."""
    grid = (xyz / voxel).floor().long()
    if not len(grid):
        return torch.cat([item[:, None], grid], 1), item
    low = grid.amin(0)
    sides = grid.amax(0) - low + 1
    keys = item
    for axis in range(3):
        keys = keys * sides[axis] + grid[:, axis] - low[axis]
    known, place = keys.unique(return_inverse=True)
    columns: list[Tensor] = []
    for axis in (2, 1, 0):
        columns.insert(0, known % sides[axis] + low[axis])
        known = known // sides[axis]
    return torch.stack([known, *columns], 1), place


def averaged(values: Tensor, group: Tensor, groups: int) -> Tensor:
    """(groups, C) mean of the values (N, C) of each group."""
    total = values.new_zeros(groups, values.shape[1]).index_add(0, group, values)
    return total / torch.bincount(group, minlength=groups).clamp(min=1)[:, None]


def _from_zero(points: Points) -> Tensor:
    """(N, 3) the points, each scene's lowest corner at 0."""
    index = points.item[:, None].expand(-1, 3)
    low = points.xyz.new_zeros(points.scenes, 3)
    low = low.scatter_reduce(0, index, points.xyz, "amin", include_self=False)
    return points.xyz - low[points.item]


def _on_own_grid(xyz: Tensor, owner: Tensor, clusters: int, published: bool = False) -> Tensor:
    """Points in units of their cluster's own grid: 14 cells along its longest side, none finer than 2 cm.

    The release puts a cluster anywhere in its grid, by chance; here it lies at the grid's beginning.
    """
    index = owner[:, None].expand(-1, 3)
    low = xyz.new_full((clusters, 3), torch.inf).scatter_reduce(0, index, xyz, "amin")
    high = xyz.new_full((clusters, 3), -torch.inf).scatter_reduce(0, index, xyz, "amax")
    longest = (high - low).amax(1).clamp(min=1e-3)
    scale = GRID / longest - 0.01 if published else (GRID - 0.01) / longest
    scale = scale.clamp(max=FINEST)
    return (xyz - low[owner]) * scale[owner][:, None]
