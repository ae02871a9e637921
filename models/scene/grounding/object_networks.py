"""What ScanRefer, TGNN and ReferIt3DNet share: their input, their object encoders and what they say.

Each network is written once. As published it reads an object's points (`PointObjects`); as shipped it reads
what is known of an object without a GPU (`PreparedObjects`): its label's vector, box, mean colour and the
frozen features of its points, the very input of the shipped InstanceRefer. B sentences, T words, N objects.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.scene.grounding.instancerefer.open_instancerefer import OpenBatch
from models.scene.grounding.instancerefer.open_perception import LABEL, NEVER, SHAPE
from models.scene.objects.pointnet import SetAbstraction
from models.scene.objects.spatial_features import object_features

PLACE = 17  # width of `object_features`


@dataclass(frozen=True, kw_only=True)
class ObjectScores:
    """What a network says of N objects for each of B sentences.

    scores: (B, N), higher is better, NEVER where there is no object.
    said: (B, classes) logits of the class that the sentence asks for.
    labels: (B, N, classes) logits of each object's class; None where the network doesn't ask itself.
    attention: (B, N, T) what each object read of the sentence, summing to 1; None without word attention.
    """

    scores: Tensor
    said: Tensor
    labels: Tensor | None = None
    attention: Tensor | None = None

    def over_objects(self) -> Tensor:
        """(B, N) scores of all objects, as OpenGrounding gives them."""
        return self.scores


@dataclass(frozen=True, kw_only=True)
class PointBatch:
    """Objects by their points, as the papers read them.

    points: (B, N, P, 3 + C) xyz in metres, then colour. boxes: (B, N, 6). exists: (B, N) bool.
    words: (B, T, W) vectors or (B, T) indices. word_mask: (B, T) bool, words before padding.
    """

    points: Tensor
    boxes: Tensor
    exists: Tensor
    words: Tensor
    word_mask: Tensor


class PreparedObjects(nn.Module):
    """An object by label, box, colour and frozen point features, each for itself as in the papers."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.label = nn.Linear(LABEL, width)
        self.place = nn.Linear(PLACE, width)
        self.shape = nn.Linear(SHAPE, width)
        self.mix = nn.Sequential(nn.LayerNorm(width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, width))

    def forward(self, batch: OpenBatch) -> Tensor:
        """(B, N, width)."""
        seen = (batch.shapes.abs().sum(-1, keepdim=True) > 0) * self.shape(batch.shapes)
        place = self.place(object_features(batch.boxes, batch.colours, batch.room))
        # A unit vector's numbers are small beside metres: brought to a variance of one, the label is heard.
        label = self.label(batch.names * LABEL**0.5)
        return self.mix(label + place + seen)


class PointObjects(nn.Module):
    """ReferIt3D's PointNet++ over each object's points: three levels, the last over all of them."""

    def __init__(self, width: int, colours: int = 3) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            [
                SetAbstraction(32, 0.2, 32, (3 + colours, 64, 64, 128)),
                SetAbstraction(16, 0.4, 32, (3 + 128, 128, 128, 256)),
                SetAbstraction(None, 0, 0, (3 + 256, 256, 512, width)),
            ]
        )

    def forward(self, batch: PointBatch) -> Tensor:
        """(B, N, width); 0 where there is no object. Points are centred on their own mean."""
        clouds = batch.points[batch.exists]
        xyz = clouds[..., :3] - clouds[..., :3].mean(1, keepdim=True)
        features = clouds[..., 3:]
        for level in self.levels:
            xyz, features = level(xyz, features)
        found = features.new_zeros(*batch.exists.shape, features.shape[-1])
        return found.masked_scatter(batch.exists[..., None], features[:, 0])


def object_encoder(objects: str, width: int, dropout: float) -> nn.Module:
    """objects: "points" as published, "prepared" as shipped."""
    return PointObjects(width) if objects == "points" else PreparedObjects(width, dropout)


class Words(nn.Module):
    """Word vectors of a sentence: looked up in a learned vocabulary, or given as they are.

    vocabulary: its words; () for given vectors. In training words are left out at random, so that none is
    relied on alone.
    """

    def __init__(self, vocabulary: Sequence[str], width: int, drop: float) -> None:
        super().__init__()
        count = len(vocabulary) + 2  # padding and a word it doesn't know
        self.embedding = nn.Embedding(count, width, padding_idx=0) if vocabulary else None
        self.drop = drop

    def forward(self, words: Tensor, mask: Tensor) -> Tensor:
        """(B, T, width), 0 where nothing is said."""
        vectors = self.embedding(words) if self.embedding is not None else words
        if self.training:
            mask = mask & (torch.rand(mask.shape, device=mask.device) > self.drop)
        return vectors * mask[..., None]


def last_state(states: Tensor, mask: Tensor) -> Tensor:
    """(B, W) the recurrent state after each sentence's last word. states: (B, T, W). mask: (B, T)."""
    last = (mask.sum(1) - 1).clamp(min=0)
    return states.gather(1, last[:, None, None].expand(-1, 1, states.shape[-1]))[:, 0]


def neighbours_of(values: Tensor, near: Tensor) -> Tensor:
    """(B, N, D), (B, N, K) indices -> (B, N, K, D).

    By index_select, whose gradient is several times faster on a CPU than that of plain indexing.
    """
    first = torch.arange(len(values), device=values.device)[:, None, None] * values.shape[1]
    found = values.flatten(0, 1).index_select(0, (near + first).flatten())
    return found.view(*near.shape, values.shape[-1])


def over_existing(scores: Tensor, exists: Tensor) -> Tensor:
    """(B, N) scores in full precision, NEVER where there is no object."""
    return scores.float().masked_fill(~exists, NEVER)
