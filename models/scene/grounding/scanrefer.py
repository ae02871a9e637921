"""ScanRefer's localiser: every proposal is fused with the sentence and matched against it.

Source: Chen et al., "ScanRefer: 3D Object Localization in RGB-D Scans using Natural Language", ECCV 2020,
section 4, and its released code. GRU -> last state; fusion of a proposal's 128 numbers with it; matching by
1 x 1 convolutions; no proposal knows of another. `ScanRefer` is the published network, whose proposals are
VoteNet's; `ScanReferLocalizer` is what ships, over objects that somebody else has found.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from models.scene.grounding.instancerefer.open_instancerefer import OpenBatch
from models.scene.grounding.instancerefer.open_perception import LABEL
from models.scene.grounding.object_networks import (
    ObjectScores,
    PreparedObjects,
    Words,
    last_state,
    over_existing,
)
from models.scene.segmentation.votenet import Proposals, VoteNet

PROPOSAL = 128
SENTENCE = 256


class SentenceModule(nn.Module):
    """`lang` of the released code: a GRU's last state, and the class that the sentence asks for."""

    def __init__(self, word_width: int, classes: int) -> None:
        super().__init__()
        self.gru = nn.GRU(word_width, SENTENCE, batch_first=True)
        self.lang_cls = nn.Sequential(nn.Linear(SENTENCE, classes), nn.Dropout(0.5))

    def forward(self, words: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 256), (B, classes) logits. words: (B, T, word_width). mask: (B, T)."""
        sentence = last_state(self.gru(words)[0], mask)
        return sentence, self.lang_cls(sentence)


class MatchModule(nn.Module):
    """`match` of the released code: how well each proposal fits the sentence."""

    def __init__(self, width: int = PROPOSAL) -> None:
        super().__init__()
        self.fuse = nn.Sequential(nn.Conv1d(SENTENCE + PROPOSAL, width, 1), nn.ReLU())
        self.match = nn.Sequential(
            *(nn.Conv1d(width, width, 1), nn.ReLU(), nn.BatchNorm1d(width)),
            *(nn.Conv1d(width, width, 1), nn.ReLU(), nn.BatchNorm1d(width)),
            nn.Conv1d(width, 1, 1),
        )

    def forward(self, proposals: Tensor, sentence: Tensor, exists: Tensor) -> Tensor:
        """(B, N) scores. proposals: (B, N, 128). sentence: (B, 256). exists: (B, N) bool."""
        said = sentence[:, :, None].expand(-1, -1, proposals.shape[1])
        fused = self.fuse(torch.cat([proposals.transpose(1, 2), said], 1)) * exists[:, None]
        return self.match(fused)[:, 0]


@dataclass(frozen=True)
class Located:
    """VoteNet's proposals, the score of each (B, 256), and logits of the class asked for (B, classes)."""

    proposals: Proposals
    scores: Tensor
    said: Tensor


class ScanRefer(nn.Module, PyTorchModelHubMixin):
    """The published network; its parameters have the released names.

    inputs: numbers of a point beside xyz (1: height; 4: colour too; 7: normals too; 132 with multiview).
    """

    def __init__(self, *, inputs: int = 1, word_width: int = 300, classes: int = 18) -> None:
        super().__init__()
        detector = VoteNet(inputs=inputs)
        self.backbone_net, self.vgen, self.proposal = detector.backbone_net, detector.vgen, detector.proposal
        self.lang = SentenceModule(word_width, classes)
        self.match = MatchModule()

    def forward(self, points: Tensor, words: Tensor, mask: Tensor) -> Located:
        """points: (B, P, 3 + inputs). words: (B, T, word_width). mask: (B, T) bool."""
        seeds, features, picked = self.backbone_net(points)
        found: Proposals = self.proposal(*self.vgen(seeds, features), seeds, picked)
        sentence, said = self.lang(words, mask)
        scores = self.match(found.features, sentence, found.objectness.argmax(-1) > 0)
        return Located(found, scores, said)


class ScanReferLocalizer(nn.Module, PyTorchModelHubMixin):
    """`lang` and `match` over given objects.

    vocabulary: learned words, () for given vectors. classes: labels that the sentence's class is one of.
    temperature: scores divided by it are logits of a certainty (calibration.py).
    """

    def __init__(
        self,
        *,
        classes: Sequence[str],
        vocabulary: Sequence[str] = (),
        word_width: int = LABEL,
        dropout: float = 0.15,
        drop_words: float = 0.08,
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.classes, self.vocabulary = tuple(classes), tuple(vocabulary)
        self.words = Words(vocabulary, word_width, drop_words)
        self.objects = PreparedObjects(PROPOSAL, dropout)
        self.lang = SentenceModule(word_width, len(classes))
        self.match = MatchModule()

    def forward(self, batch: OpenBatch) -> ObjectScores:
        """A score for every object."""
        sentence, said = self.lang(self.words(batch.words, batch.word_mask), batch.word_mask)
        scores = self.match(self.objects(batch), sentence, batch.exists)
        return ObjectScores(scores=over_existing(scores, batch.exists), said=said.float())
