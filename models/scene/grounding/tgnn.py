"""TGNN: a graph over the objects whose messages are weighed by what each object reads of the sentence.

Source: Huang et al., "Text-Guided Graph Neural Networks for Referring 3D Instance Segmentation", AAAI 2021,
section 3.3, and its released code: words by a GRU (or BERT); three convolutions over the 16 nearest objects,
f_i <- f_i + sum_k f_k * language_k * relation_ik; a linear score.
"""

from collections.abc import Sequence

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from models.scene.grounding.instancerefer.open_instancerefer import OpenBatch
from models.scene.grounding.instancerefer.open_perception import LABEL, NEVER
from models.scene.grounding.object_networks import (
    ObjectScores,
    PointBatch,
    Words,
    neighbours_of,
    object_encoder,
    over_existing,
)
from models.scene.objects.spatial_features import centres

LAYERS = 3
FAR = 1e3  # metres: where an object that isn't there stands, so that it is nobody's neighbour


class TextGuidedConv(nn.Module):
    """One layer (TARelationConv): messages from the nearest objects, weighed by language and position."""

    def __init__(self, width: int, word_width: int) -> None:
        super().__init__()
        self.relation = nn.Sequential(nn.Linear(10, width), nn.ReLU(), nn.Linear(width, width))
        self.query = nn.Linear(width, word_width)
        self.language = nn.Linear(word_width, width)

    def forward(
        self, features: Tensor, places: Tensor, near: Tensor, there: Tensor, words: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(B, N, width) features, (B, N, T) attention of each object over the words.

        features: (B, N, width). places: (B, N, 3). near: (B, N, K) indices. there: (B, N) bool.
        words: (B, T, word_width). mask: (B, T) bool.
        """
        fit = self.query(features) @ words.transpose(1, 2) / words.shape[-1] ** 0.5
        attention = fit.masked_fill(~mask[:, None], NEVER).softmax(-1)
        message = features * self.language(attention @ words) * there[..., None]
        theirs, mine = neighbours_of(places, near), places[:, :, None].expand(-1, -1, near.shape[-1], -1)
        offset = theirs - mine
        relation = self.relation(torch.cat([theirs, mine, offset, offset.norm(dim=-1, keepdim=True)], -1))
        return features + (neighbours_of(message, near) * relation).sum(2), attention


class TGNN(nn.Module, PyTorchModelHubMixin):
    """Scores of objects. objects: "points" as published, "prepared" as shipped.

    vocabulary: learned words, () for given vectors (frozen contextual ones in BERT's place). classes: labels
    that the auxiliary head of the sentence tells apart. temperature: scores divided by it are
    logits of a certainty (calibration.py).
    """

    def __init__(
        self,
        *,
        classes: Sequence[str],
        objects: str = "prepared",
        vocabulary: Sequence[str] = (),
        word_width: int = LABEL,
        hidden: int = 256,
        width: int = 128,
        neighbours: int = 16,
        dropout: float = 0.15,
        drop_words: float = 0.08,
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.classes, self.vocabulary = tuple(classes), tuple(vocabulary)
        self.neighbours = neighbours
        self.words = Words(vocabulary, word_width, drop_words)
        self.project = nn.Sequential(nn.Linear(word_width, hidden), nn.ReLU())
        self.gru = nn.GRU(hidden, hidden, batch_first=True)
        # The norm is ours: without it the product with what was read begins so small that hundreds of steps
        # pass before anything is learnt.
        self.language = nn.Sequential(nn.Linear(hidden, 256), nn.LayerNorm(256))
        self.objects = object_encoder(objects, width, dropout)
        self.layers = nn.ModuleList(TextGuidedConv(width, 256) for _ in range(LAYERS))
        self.score = nn.Linear(width, 1)
        self.said = nn.Linear(256, len(classes))

    def forward(self, batch: OpenBatch | PointBatch) -> ObjectScores:
        """A score for every object."""
        mask = batch.word_mask
        words = self.language(self.gru(self.project(self.words(batch.words, mask)))[0])
        places = centres(batch.boxes)
        middle = (places * batch.exists[..., None]).sum(1, keepdim=True)
        places = places - middle / batch.exists.sum(1).clamp(min=1)[:, None, None]
        near = self._nearest(places, batch.exists)
        features = self.objects(batch) * batch.exists[..., None]
        for layer in self.layers:
            features, attention = layer(features, places, near, batch.exists, words, mask)
        mean = (words * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        return ObjectScores(
            scores=over_existing(self.score(features)[..., 0], batch.exists),
            said=self.said(mean).float(),
            attention=attention.float(),
        )

    def _nearest(self, places: Tensor, exists: Tensor) -> Tensor:
        """(B, N, K) the objects whose centres are nearest, itself among them."""
        apart = torch.cdist(places.float(), places.float()) + FAR * ~exists[:, None]
        return apart.topk(min(self.neighbours, places.shape[1]), -1, largest=False).indices
