"""The three perception modules of InstanceRefer: attribute (AP), relation (RP), global localisation (GLP).

Source: Yuan et al., ICCV 2021, section 3.3 and the released code. Each gives a visual and a linguistic
embedding of every candidate, which the matching module (matching.py) compares. Submodules have the names of
the released checkpoint.

A candidate is a pair (sentence, object); C counts pairs, B sentences, N objects, S scenes.
"""

import math

import torch
from torch import Tensor, nn

from models.core.nn.sparse import (
    SparseBatchNorm,
    SparseConv3d,
    SparseReLU,
    SparseTensor,
    SubmanifoldConv3d,
    global_avg_pool,
    global_max_pool,
    quantize,
    to_bev,
)

WIDTH = 128
BEV = (15, 25, 5)
DROPOUT = 0.15

Embeddings = tuple[Tensor, Tensor]
Widths = tuple[int, int, int, int, int]


def point_features(xyz: Tensor, colours: Tensor, floor: float) -> Tensor:
    """(P, 7): xyz, colour around ScanNet's mean, height above the floor.

    xyz: (P, 3) metres, z up. colours: (P, 3), 0-255. floor: z of the floor: the
        0.99th percentile (sic) of the scene's z.
    """
    mean = xyz.new_tensor([109.8, 97.2, 83.8])
    return torch.cat([xyz, (colours - mean) / 256, xyz[:, 2:] - floor], 1)


def cell_labels(centres: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """(B,) which of the 3 x 3 cells of the floor plan a point is in: ix + 3 iy.

    A border belongs to the lower cell, as in the released code.
    centres: (B, 3) metres. low, high: (B, 3) corners of each sentence's scene.
    """
    third = (high - low)[:, :2] / 3
    past = (centres[:, :2] - low[:, :2] > third).long() + (centres[:, :2] - low[:, :2] > 2 * third).long()
    return past[:, 0] + 3 * past[:, 1]


class ConvBlock(nn.Module):
    """Sparse convolution (3x3x3, or 2x2x2 of stride 2), batch normalisation, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, *, down: bool = False) -> None:
        super().__init__()
        convolution = SparseConv3d if down else SubmanifoldConv3d
        self.net = nn.Sequential(
            convolution(in_channels, out_channels), SparseBatchNorm(out_channels), SparseReLU()
        )

    def forward(self, x: SparseTensor) -> SparseTensor:
        """(N, in) -> (N or fewer, out)."""
        return self.net(x)


class ResidualBlock(nn.Module):
    """Two 3x3x3 convolutions around which the input is added."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            SubmanifoldConv3d(channels, channels),
            SparseBatchNorm(channels),
            SparseReLU(),
            SubmanifoldConv3d(channels, channels),
            SparseBatchNorm(channels),
        )

    def forward(self, x: SparseTensor) -> SparseTensor:
        """(N, C) -> (N, C)."""
        return x.with_feats((self.net(x).feats + x.feats).relu())


class SparseConvEncoder(nn.Module):
    """A stem and four stages, each halving the resolution.

    widths: channels of the stem and of the four stages.
    """

    def __init__(self, in_channels: int, widths: Widths) -> None:
        super().__init__()
        stem, one, two, three, four = widths
        self.stem = nn.Sequential(ConvBlock(in_channels, stem))
        self.stage1 = self._stage(stem, one)
        self.stage2 = self._stage(one, two)
        self.stage3 = self._stage(two, three)
        self.stage4 = self._stage(three, four)

    @staticmethod
    def _stage(in_channels: int, out_channels: int) -> nn.Sequential:
        return nn.Sequential(ConvBlock(in_channels, out_channels, down=True), ResidualBlock(out_channels))

    def forward(self, x: SparseTensor) -> SparseTensor:
        """(N, in) at stride 1 -> (M, widths[-1]) at stride 16."""
        return self.stage4(self.stage3(self.stage2(self.stage1(self.stem(x)))))


class AttributePerception(nn.Module):
    """AP: how a candidate looks, by sparse convolution over its own points.

    pooling: "max" as released, "average" as in the talk.
    """

    def __init__(
        self,
        point_width: int,
        language_width: int,
        widths: Widths,
        voxel: float,
        pooling: str,
    ) -> None:
        super().__init__()
        self.voxel = voxel
        self.pool = {"max": global_max_pool, "average": global_avg_pool}[pooling]
        self.net = SparseConvEncoder(point_width, widths)
        self.vis_emb_fc = nn.Sequential(
            nn.Linear(widths[-1], 256), nn.LayerNorm(256), nn.ReLU(), nn.Linear(256, 256)
        )
        self.lang_emb_fc = nn.Sequential(
            nn.Linear(language_width, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 256)
        )

    def encode(self, points: Tensor, point_object: Tensor, objects: Tensor) -> Tensor:
        """(C, widths[-1]) shape and colour of the given objects; 0 for one without points.

        points: (P, point_width), xyz first. point_object: (P,) the object of each. objects: (C,).
        """
        asked, place = objects.unique(return_inverse=True)
        rank = torch.searchsorted(asked, point_object)
        mine = asked[rank.clamp(max=len(asked) - 1)] == point_object if len(asked) else rank < 0
        coords, first = quantize(points[mine, :3], self.voxel, rank[mine], from_zero=True)
        voxels = SparseTensor(coords, points[mine][first], len(asked))
        return self.pool(self.net(voxels))[place]

    def forward(self, shapes: Tensor, language: Tensor, sentence: Tensor) -> Embeddings:
        """shapes: (C, widths[-1]) of encode. language: (B, W). sentence: (C,). Gives (C, 256) twice."""
        return self.vis_emb_fc(shapes), self.lang_emb_fc(language)[sentence]


class EdgeConvolution(nn.Module):
    """DGCNN's edge convolution (Wang et al., TOG 2019) with edges weighted by offset and semantics.

    width: of a node, whose last `classes` entries are its one-hot class. neighbours: k, or None for the whole
        scene.
    """

    def __init__(self, width: int, classes: int, neighbours: int | None) -> None:
        super().__init__()
        self.classes = classes
        self.neighbours = neighbours
        self.weight = nn.Sequential(nn.Linear(3 + 2 * classes, 64), nn.ReLU(), nn.Linear(64, width))
        self.mlp = nn.Sequential(nn.Linear(3 * width, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH))

    def forward(self, nodes: Tensor, centres: Tensor, scene: Tensor, objects: Tensor) -> Tensor:
        """(C, 128) of the given objects. nodes: (N, width). centres: (N, 3). scene: (N,). objects: (C,)."""
        near, exists = self.nearest(centres, scene, objects)
        them, me = nodes[near], nodes[objects][:, None].expand(-1, near.shape[1], -1)
        offset = centres[near] - centres[objects][:, None]
        edge = self.weight(torch.cat([offset, me[..., -self.classes :], them[..., -self.classes :]], 2))
        message = self.mlp(torch.cat([me, edge, them], 2))
        return message.masked_fill(~exists[..., None], -torch.inf).amax(1)

    def nearest(self, centres: Tensor, scene: Tensor, objects: Tensor) -> tuple[Tensor, Tensor]:
        """(C, k) the nearest objects of the same scene, itself first; (C, k) whether there are so many."""
        distance = torch.cdist(centres[objects], centres)
        distance = distance.masked_fill(scene[objects][:, None] != scene, torch.inf)
        count = min(self.neighbours or len(centres), len(centres))
        found = distance.topk(count, dim=1, largest=False)
        return found.indices, found.values.isfinite()


class RelationPerception(nn.Module):
    """RP: what stands around a candidate, by a graph over the scene's objects."""

    def __init__(self, node_width: int, classes: int, language_width: int, neighbours: int | None) -> None:
        super().__init__()
        self.gcn = EdgeConvolution(node_width, classes, neighbours)
        self.vis_emb_fc = _embedding(WIDTH, nn.LayerNorm(WIDTH))
        self.lang_emb_fc = _embedding(language_width, nn.BatchNorm1d(WIDTH))

    def forward(
        self,
        nodes: Tensor,
        centres: Tensor,
        scene: Tensor,
        objects: Tensor,
        language: Tensor,
        sentence: Tensor,
    ) -> Embeddings:
        """nodes: (N, node_width).

        centres: (N, 3). scene: (N,). objects, sentence: (C,). Gives (C, 128) twice.
        """
        asked, place = objects.unique(return_inverse=True)
        around = self.gcn(nodes, centres, scene, asked)
        return self.vis_emb_fc(around)[place], self.lang_emb_fc(language)[sentence]


class Crop(nn.Module):
    """Only what lies in the 12 m x 20 m x 4 m that the bird's-eye view covers."""

    def forward(self, x: SparseTensor) -> SparseTensor:
        """Voxels of stride 16 outside BEV are dropped."""
        return x.crop(BEV)


class HeightPooling(nn.Module):
    """A bird's-eye view: a matrix for every height, then the sum over heights. kernel: (5, in, out)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        bound = in_channels**-0.5
        self.kernel = nn.Parameter(torch.empty(BEV[2], in_channels, out_channels).uniform_(-bound, bound))

    def forward(self, x: SparseTensor) -> Tensor:
        """(M, in), z in [0, 5) -> (S, out, 15, 25)."""
        height = x.coords[:, 3]
        feats = x.feats.new_zeros(len(x.feats), self.kernel.shape[2])
        for z, matrix in enumerate(self.kernel):
            here = (height == z).nonzero().squeeze(1)
            feats = feats.index_copy(0, here, (x.feats[here] @ matrix).to(feats.dtype))
        return to_bev(x.with_feats(feats), BEV[:2])


class GlobalLocalization(nn.Module):
    """GLP: where in the room the sentence looks, on a bird's-eye view of the whole scan."""

    def __init__(
        self,
        point_width: int,
        language_width: int,
        widths: Widths,
        shape_width: int,
        voxel: float,
    ) -> None:
        super().__init__()
        self.voxel = voxel
        self.net = SparseConvEncoder(point_width, widths)
        self.to_bev = nn.Sequential(
            Crop(), HeightPooling(widths[-1], WIDTH), nn.BatchNorm2d(WIDTH), nn.ReLU()
        )
        self.vis_emb_fc = nn.Sequential(
            nn.Conv2d(WIDTH, WIDTH, 3),
            nn.BatchNorm2d(WIDTH),
            nn.ReLU(),
            nn.Dropout(DROPOUT),
            nn.Conv2d(WIDTH, WIDTH, 3),
        )
        self.vis_emb_fc1 = _embedding(shape_width, nn.LayerNorm(WIDTH))
        self.lang_emb_fc = _embedding(language_width, nn.LayerNorm(WIDTH))
        self.cls = nn.Sequential(
            nn.Linear(WIDTH, WIDTH), nn.BatchNorm1d(WIDTH), nn.ReLU(), nn.Linear(WIDTH, 9)
        )

    def plan(self, points: Tensor, point_scene: Tensor, scenes: int) -> Tensor:
        """(S, 128, 11, 21) the floor plan of every scene. points: (P, point_width). point_scene: (P,)."""
        coords, first = quantize(points[:, :3], self.voxel, point_scene, from_zero=True)
        return self.vis_emb_fc(self.to_bev(self.net(SparseTensor(coords, points[first], scenes))))

    def forward(
        self, plan: Tensor, language: Tensor, shapes: Tensor, sentence: Tensor
    ) -> tuple[Embeddings, Tensor, Tensor]:
        """Where each sentence looks.

        plan: (B, 128, 11, 21) of each sentence's scene. language: (B, W). shapes: (C, shape_width) of AP.
        Gives the candidates' embeddings, (C, 128) twice; (B, 9) logits of the 3 x 3 cells, ix + 3 iy;
        (B, 11, 21) attention over the plan, x then y.
        """
        cells = plan.flatten(2)
        query = self.lang_emb_fc(language)[:, None]
        attention = (query @ cells / math.sqrt(cells.shape[1])).softmax(2)
        seen = (attention @ cells.transpose(1, 2)).squeeze(1)
        embeddings = self.vis_emb_fc1(shapes), seen[sentence]
        return embeddings, self.cls(seen), attention.view(-1, *plan.shape[2:])


def _embedding(width: int, norm: nn.Module) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(width, WIDTH), norm, nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(WIDTH, WIDTH)
    )
