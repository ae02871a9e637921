"""Scan2Cap: a relational graph over the objects, and a captioner that attends to the target's neighbours.

Source: Chen et al., "Scan2Cap: Context-aware Dense Captioning in RGB-D Scans", CVPR 2021, sections 4.2 and
4.3, and its released code: edges to the ten nearest objects; two edge convolutions; a head that tells the
angle between two objects' fronts where it is known; two GRU cells with top-down attention (Anderson et al.,
CVPR 2018) between them; the likeliest word each time.

B targets, each the first of N objects; K neighbours; T words.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn
from torch.nn.functional import relu

from models.scene.captioning.around import Around
from models.scene.captioning.spoken_words import END, PAD, STYLES, SpokenWords
from models.scene.captioning.unsaid import EVERYWHERE, Unsaid
from models.scene.grounding.object_networks import PreparedObjects, neighbours_of
from models.scene.objects.spatial_features import centres

LAYERS = 2
ANGLES = 6  # bins of the angle between two fronts, from 0 to half a turn
FAR = 1e3  # metres: where stands what can't be a neighbour
SAME = 0.5  # IoU from which two boxes are one object
NEVER = -1e4


@dataclass(frozen=True)
class Graph:
    """features: (B, N, width). edges: (B, N, K, width). near: (B, N, K) indices. there: (B, N, K) bool.

    angles: (B, N, K, ANGLES) logits.
    """

    features: Tensor
    edges: Tensor
    near: Tensor
    there: Tensor
    angles: Tensor


class EdgeConv(nn.Module):
    """One convolution: an object gathers what an MLP makes of itself and of the step to each neighbour."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, width))

    def forward(self, features: Tensor, near: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N, width) features and (B, N, K, width) messages."""
        mine = features[:, :, None].expand(-1, -1, near.shape[-1], -1)
        message = self.mlp(torch.cat([mine, neighbours_of(features, near) - mine], -1)) * there[..., None]
        return features + message.sum(2), message


class RelationalGraph(nn.Module):
    """Two edge convolutions over the nearest objects (section 4.2)."""

    def __init__(self, width: int, neighbours: int) -> None:
        super().__init__()
        self.neighbours = neighbours
        self.layers = nn.ModuleList(EdgeConv(width) for _ in range(LAYERS))
        self.angle = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, ANGLES))

    def forward(self, features: Tensor, boxes: Tensor, exists: Tensor) -> Graph:
        """features: (B, N, width). boxes: (B, N, 6). exists: (B, N) bool."""
        near, there = self._nearest(boxes, exists)
        for layer in self.layers:
            features, edges = layer(features, near, there)
        return Graph(features, edges, near, there, self.angle(edges))

    @torch.no_grad()
    def _nearest(self, boxes: Tensor, exists: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N, K) the objects whose centres are nearest, and which of them are there.

        Neither itself nor a box that is the same object seen twice.
        """
        places = centres(boxes.float())
        apart = torch.cdist(places, places)
        out = ~exists[:, None] | (overlaps(boxes) >= SAME)
        found = apart.masked_fill(out, FAR).topk(min(self.neighbours, len(boxes[0])), -1, largest=False)
        return found.indices, found.values < FAR


def overlaps(boxes: Tensor) -> Tensor:
    """(B, N, N) IoU of boxes (B, N, 6); of a box with itself 1, though it be flat."""
    one, two = boxes[:, :, None].float(), boxes[:, None].float()
    shared = torch.minimum(one[..., 3:], two[..., 3:]) - torch.maximum(one[..., :3], two[..., :3])
    inside = shared.clamp(min=0).prod(-1)
    volume = (boxes[..., 3:] - boxes[..., :3]).float().prod(-1)
    found = inside / (volume[:, :, None] + volume[:, None] - inside).clamp(min=1e-9)
    return found + (1 - found) * torch.eye(boxes.shape[1], device=boxes.device)


class TopDownCaptioner(nn.Module):
    """Two GRU cells: the first guides the attention over the neighbours, the second says the word."""

    def __init__(self, words: int, width: int, word_width: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.word = nn.Embedding(words, word_width, padding_idx=PAD)
        self.guide_input = nn.Linear(hidden + width + word_width, word_width)
        self.guide = nn.GRUCell(word_width, hidden)
        self.look_feature, self.look_state = nn.Linear(width, hidden), nn.Linear(hidden, hidden)
        self.look = nn.Linear(hidden, 1)
        self.speak_input = nn.Linear(width + hidden, word_width)
        self.speak = nn.GRUCell(word_width, hidden)
        self.classifier = nn.Linear(hidden, words)

    def start(self, target: Tensor) -> tuple[Tensor, Tensor]:
        """States (B, hidden) before the first word."""
        nothing = target.new_zeros(len(target), self.hidden)
        return nothing, nothing

    def step(
        self, word: Tensor, states: tuple[Tensor, Tensor], target: Tensor, seen: Tensor, mask: Tensor
    ) -> tuple[Tensor, tuple[Tensor, Tensor], Tensor]:
        """(B, words) logits of the next word, the new states, (B, L) attention.

        word: (B,) ids. target: (B, width). seen: (B, L, width) what may be looked at. mask: (B, L) bool.
        """
        guide, speak = states
        guide = self.guide(relu(self.guide_input(torch.cat([speak, target, self.word(word)], -1))), guide)
        fit = self.look(torch.tanh(self.look_feature(seen) + self.look_state(guide)[:, None]))[..., 0]
        weights = fit.masked_fill(~mask, NEVER).softmax(-1)
        context = (weights[..., None] * seen).sum(1)
        speak = self.speak(relu(self.speak_input(torch.cat([context, guide], -1))), speak)
        return self.classifier(speak), (guide, speak), weights


class Scan2Cap(nn.Module, PyTorchModelHubMixin):
    """Graph and captioner. As published over VoteNet's features of proposals; as shipped over what is known
    of an object without a GPU (PreparedObjects), each by itself.

    words: the vocabulary, see SpokenWords. objects: "votenet" for given features, "prepared" as shipped.
    """

    def __init__(
        self,
        *,
        words: Sequence[str],
        objects: str = "prepared",
        width: int = 128,
        word_width: int = 128,
        hidden: int = 256,
        neighbours: int = 10,
        longest: int = 34,
        dropout: float = 0.15,
    ) -> None:
        super().__init__()
        self.spoken = SpokenWords(tuple(words), longest)
        self.objects = PreparedObjects(width, dropout) if objects == "prepared" else None
        self.graph = RelationalGraph(width, neighbours)
        self.captioner = TopDownCaptioner(len(words), width, word_width, hidden)

    def related(self, around: Around, features: Tensor | None = None) -> Graph:
        """The graph over the objects. features: (B, N, width) of proposals, where they are given."""
        if self.objects is not None:
            features = self.objects(around)
        assert features is not None
        return self.graph(features * around.exists[..., None], around.boxes, around.exists)

    def forward(
        self, around: Around, ids: Tensor, features: Tensor | None = None
    ) -> tuple[Tensor, Graph, Tensor]:
        """(B, T, words) logits of each next word, the graph, (B, T, 1 + K) attention: target, neighbours.

        ids: (B, T), padded with 0.
        """
        graph = self.related(around, features)
        target, seen, mask = locals_of(graph)
        states, logits, looks = self.captioner.start(target), [], []
        for place in range(ids.shape[1]):
            said, states, weights = self.captioner.step(ids[:, place], states, target, seen, mask)
            logits.append(said)
            looks.append(weights)
        return torch.stack(logits, 1), graph, torch.stack(looks, 1)

    @torch.no_grad()
    def best(self, around: Around, style: str, never: Unsaid = EVERYWHERE) -> tuple[Tensor, Tensor]:
        """See SpeakingNetwork: one caption, the likeliest word each time."""
        target, seen, mask = locals_of(self.related(around))
        states = self.captioner.start(target)
        word = torch.full((len(target),), STYLES[style], device=target.device)
        ids, score = [word], target.new_zeros(len(target))
        while len(ids) < self.spoken.longest and not (word == PAD).all():
            logits, states, _ = self.captioner.step(word, states, target, seen, mask)
            ended = (word == END) | (word == PAD)
            odds, following = never.silence(logits.float(), torch.stack(ids, 1)).log_softmax(-1).max(-1)
            score = score + odds.masked_fill(ended, 0.0)
            word = following.masked_fill(ended, PAD)
            ids.append(word)
        return torch.stack(ids, 1)[:, None], score[:, None]

    @torch.no_grad()
    def attended(self, around: Around, ids: Tensor) -> Tensor:
        """See SpeakingNetwork."""
        _, graph, looks = self(around, ids)
        near = torch.cat([torch.zeros_like(graph.near[:, 0, :1]), graph.near[:, 0]], 1)
        found = looks.new_zeros(*ids.shape, around.exists.shape[1])
        found = found.scatter_add(2, near[:, None].expand(-1, ids.shape[1], -1), looks)
        return found * (ids != PAD)[..., None]


def locals_of(graph: Graph) -> tuple[Tensor, Tensor, Tensor]:
    """The target (B, width); what its captioner looks at (B, 1 + K, width), its neighbours with the relations
    to them added; and which of that is there.
    """
    target = graph.features[:, 0]
    others = neighbours_of(graph.features, graph.near)[:, 0] + graph.edges[:, 0]
    there = graph.there[:, 0]
    seen = torch.cat([target[:, None], others], 1)
    return target, seen, torch.cat([torch.ones_like(there[:, :1]), there], 1)
