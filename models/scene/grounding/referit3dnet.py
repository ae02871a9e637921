"""ReferIt3DNet: a graph network over objects that carry the sentence with them.

Source: Achlioptas et al., "ReferIt3D: Neural Listeners for Fine-Grained 3D Object Identification in
Real-World Scenes", ECCV 2020, section 4, and its released code: LSTM sentence; a dynamic graph network
(DGCNN, Wang et al., TOG 2019) over [object, sentence]; an MLP score; auxiliary losses over the classes of the
objects and of the sentence.
"""

from collections.abc import Sequence

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from models.scene.grounding.instancerefer.open_instancerefer import OpenBatch
from models.scene.grounding.instancerefer.open_perception import LABEL, NEVER
from models.scene.grounding.object_networks import (
    ObjectScores,
    PointBatch,
    Words,
    last_state,
    neighbours_of,
    object_encoder,
    over_existing,
)

FAR = 1e6


class EdgeConv(nn.Module):
    """One level of DGCNN: the strongest message over the objects nearest in feature space."""

    def __init__(self, given: int, made: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2 * given, made, 1, bias=False)
        self.norm = nn.BatchNorm2d(made)

    def forward(self, features: Tensor, exists: Tensor, neighbours: int) -> Tensor:
        """(B, N, made). features: (B, N, given). exists: (B, N) bool."""
        with torch.no_grad():
            apart = torch.cdist(features.float(), features.float()) + FAR * ~exists[:, None]
            near = apart.topk(min(neighbours, features.shape[1]), -1, largest=False).indices
        # The convolution of [theirs - mine, mine] is linear: multiplied once an object, not once an edge.
        offset, own = self.conv.weight[..., 0, 0].chunk(2, 1)
        mine = features @ (own - offset).T
        edges = neighbours_of(features @ offset.T, near) + mine[:, :, None]
        made = leaky_relu(self.norm(edges.permute(0, 3, 1, 2)), 0.2)
        nobody = ~neighbours_of(exists[..., None], near)[..., 0]
        return made.masked_fill(nobody[:, None], NEVER).amax(-1).transpose(1, 2)


class DGCNN(nn.Module):
    """Edge convolutions, whose results are joined and mixed."""

    def __init__(self, given: int, widths: tuple[int, ...], made: int, neighbours: int) -> None:
        super().__init__()
        self.neighbours = neighbours
        self.layers = nn.ModuleList(map(EdgeConv, (given, *widths[:-1]), widths))
        self.final = nn.Sequential(nn.Conv1d(sum(widths), made, 1, bias=False), nn.BatchNorm1d(made))

    def forward(self, features: Tensor, exists: Tensor) -> Tensor:
        """(B, N, made)."""
        levels = []
        for layer in self.layers:
            features = layer(features, exists, self.neighbours)
            levels.append(features)
        return leaky_relu(self.final(torch.cat(levels, -1).transpose(1, 2)), 0.2).transpose(1, 2)


class ReferIt3DNet(nn.Module, PyTorchModelHubMixin):
    """Scores of objects. objects: "points" as published, "prepared" as shipped.

    vocabulary: learned words, () for given vectors. classes: labels that the auxiliary heads tell apart.
    temperature: scores divided by it are logits of a certainty (calibration.py).
    """

    def __init__(
        self,
        *,
        classes: Sequence[str],
        objects: str = "prepared",
        vocabulary: Sequence[str] = (),
        word_width: int = LABEL,
        width: int = 128,
        neighbours: int = 7,
        dropout: float = 0.15,
        drop_words: float = 0.1,
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.classes, self.vocabulary = tuple(classes), tuple(vocabulary)
        self.words = Words(vocabulary, word_width, drop_words)
        self.language_encoder = nn.LSTM(word_width, width, batch_first=True)
        self.object_encoder = object_encoder(objects, width, dropout)
        self.graph_encoder = DGCNN(2 * width, (width,) * 4, width, neighbours)
        self.object_language_clf = nn.Sequential(
            *(nn.Linear(2 * width, 128), nn.ReLU(), nn.Dropout(dropout)),
            *(nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 1)),
        )
        self.object_clf = nn.Sequential(nn.Linear(width, 128), nn.ReLU(), nn.Linear(128, len(classes)))
        self.language_clf = nn.Sequential(nn.Linear(width, 128), nn.ReLU(), nn.Linear(128, len(classes)))

    def forward(self, batch: OpenBatch | PointBatch) -> ObjectScores:
        """A score for every object."""
        words = self.words(batch.words, batch.word_mask)
        sentence = last_state(self.language_encoder(words)[0], batch.word_mask)
        objects = self.object_encoder(batch)
        said = sentence[:, None].expand(-1, objects.shape[1], -1)
        seen = self.graph_encoder(torch.cat([objects, said], -1), batch.exists)
        scores = self.object_language_clf(torch.cat([seen, said], -1))[..., 0]
        return ObjectScores(
            scores=over_existing(scores, batch.exists),
            said=self.language_clf(sentence).float(),
            labels=self.object_clf(objects).float(),
        )
