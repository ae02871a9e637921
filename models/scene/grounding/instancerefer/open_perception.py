"""What the shipped InstanceRefer is made of: the paper's modules over an open vocabulary of labels.

The published modules (language.py, perception.py) know 18 classes and need the
points of every object. These know any label that MiniLM has a vector for, and
read boxes, labels and colours, with points where there are some. Their roles
are the paper's (Yuan et al., ICCV 2021, section 3): language with word
attention, attribute (AP), relation (RP) and global localisation (GLP)
perception, and matching.

B sentences, T words, N objects of a sentence's scene, K candidates among them.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, normalize

from models.scene.objects.spatial_features import CANDIDATE_WIDTH, PAIR_WIDTH, object_features

LABEL = 384  # width of a label's MiniLM vector
SHAPE = 128  # width of what the point encoder says of an object; zeros where it has no points
OBJECT = 128
EDGE = 96
SHARP = 8.0  # a cosine of 1 is worth this many nats
PLAN = 12  # cells of the floor plan along each side
NEVER = -1e4


@dataclass(frozen=True)
class EncodedSentence:
    """A sentence as read.

    queries: (B, Q, width): target class, attribute, place, then (anchor, relation) of every slot.
    states: (B, T, width) of every word. mask: (B, T). attention: (B, T, Q) of each query over the words.
    """

    queries: Tensor
    states: Tensor
    mask: Tensor
    attention: Tensor


class WordAttention(nn.Module):
    """The language module: a GRU over token vectors and one attention over the words for each question."""

    def __init__(self, word_width: int, width: int, slots: int, dropout: float, drop_words: float) -> None:
        super().__init__()
        self.drop_words = drop_words
        self.project = nn.Sequential(
            nn.Linear(word_width, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, width), nn.ReLU()
        )
        self.gru = nn.GRU(width, width // 2, bidirectional=True, batch_first=True)
        self.attend = nn.Linear(width, 3 + 2 * slots)

    def forward(self, words: Tensor, mask: Tensor) -> EncodedSentence:
        """words: (B, T, word_width). mask: (B, T) bool. In training some words are not seen."""
        if self.training:
            seen = torch.rand(mask.shape, device=mask.device) > self.drop_words
            mask = mask & (seen | (mask.sum(1, keepdim=True) < 4))
        words = self.project(words) * mask[..., None]
        states = words + self.gru(words)[0]
        attention = self.attend(states).masked_fill(~mask[..., None], NEVER).softmax(1)
        return EncodedSentence(attention.transpose(1, 2) @ states, states, mask, attention)


class ObjectEncoder(nn.Module):
    """Every object in the light of the others, and a second opinion on its label.

    A detector leaves objects unnamed or misnamed. Two transformer layers over
    the room's objects say what each is likely to be; its label's vector is
    mixed with the expectation of that.
    """

    labels: Tensor

    def __init__(self, labels: Tensor, dropout: float) -> None:
        super().__init__()
        self.register_buffer("labels", labels)
        self.label = nn.Linear(LABEL, OBJECT)
        self.box = nn.Linear(17, OBJECT)
        self.shape = nn.Linear(SHAPE, OBJECT)
        self.context = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(OBJECT, 4, 2 * OBJECT, dropout, batch_first=True, norm_first=True),
            2,
            nn.LayerNorm(OBJECT),
            enable_nested_tensor=False,
        )
        self.guess = nn.Linear(OBJECT, LABEL)
        self.trust = nn.Parameter(torch.tensor(0.0))

    def forward(
        self, names: Tensor, shapes: Tensor, boxes: Tensor, colours: Tensor, exists: Tensor, room: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(B, N, OBJECT) tokens, (B, N, LABEL) label vectors, (B, N, labels) logits of the guess.

        names: (B, N, LABEL), 0 where unnamed. shapes: (B, N, SHAPE), 0 without points. exists: (B, N) bool.
        """
        seen = (shapes.abs().sum(-1, keepdim=True) > 0) * self.shape(shapes)
        tokens = self.label(names) + self.box(object_features(boxes, colours, room)) + seen
        tokens = self.context(tokens, src_key_padding_mask=~exists)
        logits = normalize(self.guess(tokens), dim=-1) @ self.labels.T * 15
        trust = self.trust.sigmoid()
        mixed = names * trust + logits.softmax(-1) @ self.labels * (1 - trust)
        return tokens, mixed, logits


class ClassFilter(nn.Module):
    """Which objects a noun of the sentence names: the class asked for, and the anchors."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.said = nn.Linear(width, 128)
        self.seen = nn.Linear(LABEL, 128)
        self.scale = nn.Parameter(torch.tensor([10.0, -3.0]))

    def forward(self, queries: Tensor, names: Tensor) -> Tensor:
        """(B, S, N) logits. queries: (B, S, width). names: (B, N, LABEL)."""
        said, seen = normalize(self.said(queries), dim=-1), normalize(self.seen(names) + 1e-6, dim=-1)
        return said @ seen.transpose(1, 2) * self.scale[0] + self.scale[1]


class Attributes(nn.Module):
    """AP: what a candidate is like by itself and among its peers."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.measure = nn.Sequential(
            nn.Linear(CANDIDATE_WIDTH + EDGE, width),
            nn.LayerNorm(width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(width, width),
        )
        self.said = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))

    def forward(self, measures: Tensor, objects: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
        """(B, K) score, (B, K, width) features. measures: (B, K, CANDIDATE_WIDTH). objects: (B, K, EDGE)."""
        features = self.measure(torch.cat([measures, objects], -1))
        return SHARP * _cosine(features, self.said(query)), features


class Relations(nn.Module):
    """RP: what stands around a candidate. A graph over the room's objects whose edges the sentence weighs.

    Each slot asks for one anchor ("the window") and one relation ("closest
    to"). An edge is worth how well it fits the relation; a candidate's score is
    the log-mean-exp of its edges, weighed by how well their ends fit the
    anchor. A slot can also ask for nothing.
    """

    def __init__(self, width: int, slots: int) -> None:
        super().__init__()
        self.slots = slots
        self.edge = nn.Linear(PAIR_WIDTH, EDGE)
        self.mine = nn.Linear(EDGE, EDGE)
        self.theirs = nn.Linear(EDGE, EDGE)
        self.mlp = nn.Sequential(nn.ReLU(), nn.Linear(EDGE, EDGE), nn.ReLU())
        self.relation = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, EDGE))
        self.nothing = nn.Linear(width, 1)

    def forward(
        self,
        pairs: Tensor,
        candidates: Tensor,
        objects: Tensor,
        named: Tensor,
        usable: Tensor,
        queries: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Score, surroundings and anchors of every candidate, and what every slot asks for.

        pairs: (B, K, N, PAIR_WIDTH). candidates: (B, K, EDGE). objects: (B, N, EDGE).
        named: (B, slots, N) logits of each object being what a slot's noun names, NEVER for padding.
        usable: (B, K, N) bool, False at the candidate itself. queries: (B, 2 * slots, width).
        Returns (B, K) score; (B, K, EDGE) what was seen around; (B, K, N) weight of each object as an anchor;
        (B, slots, N + 1) log-probabilities of the anchor that a slot asks for, nothing last.
        """
        edges = self.mlp(self.edge(pairs) + self.mine(candidates)[:, :, None] + self.theirs(objects)[:, None])
        score = around = weights = torch.zeros((), device=pairs.device)
        nothing = self.nothing(queries[:, ::2])
        for slot in range(self.slots):
            prior = named[:, slot, None].expand_as(usable).masked_fill(~usable, NEVER)
            fit = torch.einsum("bknd,bd->bkn", edges, self.relation(queries[:, 2 * slot + 1])) / 3
            none = nothing[:, slot, None].expand(-1, usable.shape[1], 1)
            judged = torch.cat([prior + fit, none], -1)
            score = score + judged.logsumexp(-1) - torch.cat([prior, none], -1).logsumexp(-1)
            weight = judged.softmax(-1)[..., :-1]
            weights = weights + weight / self.slots
            around = around + torch.einsum("bkn,bknd->bkd", weight, edges)
        asked = torch.cat([named, nothing], -1).float().log_softmax(-1)
        return score, around, weights, asked


class Location(nn.Module):
    """GLP: where in the room the sentence looks.

    The objects' tokens are laid on a bird's-eye plan of PLAN x PLAN cells and
    summed over height, and with them how well each object fits the nouns of
    the sentence; convolutions and the sentence turn that into the odds of 3 x 3
    cells; a candidate gets the interpolated log-probability of where it stands,
    and the match of its place in the room with the sentence.
    """

    def __init__(self, width: int, slots: int, dropout: float) -> None:
        super().__init__()
        self.lay = nn.Linear(OBJECT, 32)
        self.plan = nn.Sequential(
            nn.Conv2d(32 + 2 + slots, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU()
        )
        self.ask = nn.Linear(width, 64)
        self.cell = nn.Sequential(
            nn.AdaptiveAvgPool2d(3), nn.Conv2d(64, 64, 1), nn.ReLU(), nn.Conv2d(64, 1, 1)
        )
        self.place = nn.Sequential(
            nn.Linear(CANDIDATE_WIDTH, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, width)
        )
        self.said = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        self.weight = nn.Parameter(torch.tensor(0.5))

    def forward(
        self,
        tokens: Tensor,
        named: Tensor,
        boxes: Tensor,
        room: Tensor,
        measures: Tensor,
        at: Tensor,
        query: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(B, K) score, (B, K, width) features, (B, 9) logits of the cells, ix + 3 iy.

        tokens: (B, N, OBJECT), 0 where there is no object. boxes: (B, N, 6).
        named: (B, 1 + slots, N) how likely each noun of the sentence names each object, 0 to 1.
        measures: (B, K, CANDIDATE_WIDTH). at: (B, K, 2) place of each candidate in the room, 0 to 1.
        """
        cover = _cover(boxes, room)
        share = cover / (cover.sum((2, 3), keepdim=True) + 1e-3)
        laid = torch.einsum("bnxy,bnd->bdxy", cover, self.lay(tokens))
        marked = torch.einsum("bnxy,bcn->bcxy", share, named)
        plan = self.plan(torch.cat([laid, cover.sum(1)[:, None], marked], 1))
        cells = self.cell(plan * self.ask(query)[:, :, None, None])[:, 0].transpose(1, 2).flatten(1)
        stands = torch.einsum("bkc,bc->bk", _interpolate(at), cells.float().softmax(-1).to(at.dtype))
        features = self.place(measures)
        score = SHARP * _cosine(features, self.said(query)) + self.weight * (stands + 1e-4).log()
        return score, features, cells


class CoAttention(nn.Module):
    """Matching by co-attention (MCAN, Yu et al., CVPR 2019): words attend to words, candidates to both."""

    def __init__(self, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        shape: dict[str, Any] = {"batch_first": True, "norm_first": True}
        self.words = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(width, 4, 2 * width, dropout, **shape), 1, enable_nested_tensor=False
        )
        self.enter = nn.Linear(2 * width + EDGE + 1, width)
        self.guided = nn.TransformerDecoder(
            nn.TransformerDecoderLayer(width, 4, 2 * width, dropout, **shape), layers
        )
        self.leave = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 1))

    def forward(self, candidates: Tensor, exists: Tensor, read: EncodedSentence) -> Tensor:
        """(B, K) score. candidates: (B, K, 2 * width + EDGE + 1). exists: (B, K) bool."""
        words = self.words(read.states, src_key_padding_mask=~read.mask)
        met = self.guided(
            self.enter(candidates),
            words,
            tgt_key_padding_mask=~exists,
            memory_key_padding_mask=~read.mask,
        )
        return self.leave(met)[..., 0]


def log_class(logits: Tensor) -> Tensor:
    """What being of the asked class is worth, in nats."""
    return 2 * logsigmoid(logits)


def _cosine(seen: Tensor, said: Tensor) -> Tensor:
    """(B, N) cosine between (B, N, D) and (B, D)."""
    return (normalize(seen + 1e-6, dim=-1) * normalize(said, dim=-1)[:, None]).sum(-1)


def _cover(boxes: Tensor, room: Tensor) -> Tensor:
    """(B, N, PLAN, PLAN) share of each cell of the plan that an object's box covers."""
    step = (room[:, None, 3:5] - room[:, None, :2]).clamp(min=0.1) / PLAN
    low, high = (boxes[..., :2] - room[:, None, :2]) / step, (boxes[..., 3:5] - room[:, None, :2]) / step
    edge = torch.arange(PLAN, device=boxes.device, dtype=boxes.dtype)
    shares = torch.minimum(high[..., None], edge + 1) - torch.maximum(low[..., None], edge)
    shares = shares.clamp(min=0)
    return shares[..., 0, :, None] * shares[..., 1, None, :]


def _interpolate(at: Tensor) -> Tensor:
    """(B, K, 9) bilinear weights of the 3 x 3 cells (ix + 3 iy) at places (B, K, 2), 0 to 1."""
    centre = torch.arange(3, device=at.device, dtype=at.dtype)
    near = (1 - (at[..., None] * 3 - 0.5).clamp(0, 2).sub(centre).abs()).clamp(min=0)
    return (near[..., 1, :, None] * near[..., 0, None, :]).flatten(2)
