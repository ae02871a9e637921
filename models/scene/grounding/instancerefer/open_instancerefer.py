"""InstanceRefer as shipped: the published design over an open vocabulary (open_perception.py says why).

language -> how likely each object is of the class asked for -> the likeliest
become candidates -> AP, RP, GLP -> matching. `instancerefer.py` is the published
network with its 18 classes; this one is smaller (1.5 M parameters), takes any
label, and works from boxes, labels and colours with or without points.
"""

from dataclasses import dataclass

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from models.scene.grounding.instancerefer.open_perception import (
    EDGE,
    LABEL,
    NEVER,
    OBJECT,
    Attributes,
    ClassFilter,
    CoAttention,
    Location,
    ObjectEncoder,
    Relations,
    WordAttention,
    log_class,
)
from models.scene.objects.batching import PaddedObjects
from models.scene.objects.spatial_features import candidate_features, centres, pair_features, sizes


@dataclass(frozen=True, kw_only=True)
class OpenBatch(PaddedObjects):
    """B sentences, each with the N objects of its scene; nothing says which object is meant.

    words: (B, T, 384) MiniLM token vectors, or (B, T) indices of a learned vocabulary.
    word_mask: (B, T) bool.
    """

    words: Tensor
    word_mask: Tensor


@dataclass(frozen=True)
class OpenGrounding:
    """What the network says.

    candidates: (B, K) indices of objects. scores: (B, K), higher is better, NEVER where there is none.
    target: (B, N) logits of being of the class asked for.
    elsewhere: (B, N) the same for the objects of the batch's previous scene, where the sentence may well name
        nothing: they teach the filter to say so.
    attribute, relation, location: (B, K) what AP, RP and GLP gave, 0 where the configuration leaves one out.
    anchors: (B, K, N) weight of each object in the judgement of each candidate.
    asked: (B, slots, N + 1) log-probability of the anchor that each slot asks for, nothing last.
    cells: (B, 9) logits, ix + 3 iy. labels: (B, N, labels) logits of the guessed label.
    attention: (B, T, Q) of the language module: class, attribute, place, then slots.
    """

    candidates: Tensor
    scores: Tensor
    target: Tensor
    elsewhere: Tensor
    attribute: Tensor
    relation: Tensor
    location: Tensor
    anchors: Tensor
    asked: Tensor
    cells: Tensor
    labels: Tensor
    attention: Tensor

    def over_objects(self) -> Tensor:
        """(B, N) scores of all objects, NEVER for those that were no candidate."""
        return torch.full_like(self.target, NEVER).scatter(
            1, self.candidates, self.scores.to(self.target.dtype)
        )


class OpenInstanceRefer(nn.Module, PyTorchModelHubMixin):
    """Which object of a scene a sentence means.

    modules: which of "attribute", "relation", "location" judge. matching: "cosine" or "mcan".
    vocabulary: 0 for MiniLM's token vectors, else the size of a learned one. label_count: labels that the
    object encoder can guess. temperature: scores divided by it are logits of a certainty (calibration.py).
    """

    def __init__(
        self,
        *,
        modules: tuple[str, ...] = ("attribute", "relation", "location"),
        matching: str = "mcan",
        width: int = 192,
        slots: int = 3,
        candidates: int = 16,
        label_count: int = 607,
        vocabulary: int = 0,
        dropout: float = 0.15,
        drop_words: float = 0.08,
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.modules_used = tuple(modules)
        self.candidates = candidates
        self.embedding = nn.Embedding(vocabulary, LABEL, padding_idx=0) if vocabulary else None
        self.language = WordAttention(LABEL, width, slots, dropout, drop_words)
        self.encoder = ObjectEncoder(torch.zeros(label_count, LABEL), dropout)
        self.filter = ClassFilter(width)
        self.object = nn.Sequential(nn.Linear(LABEL + OBJECT, EDGE), nn.ReLU())
        self.attribute = Attributes(width, dropout)
        self.relation = Relations(width, slots)
        self.location = Location(width, slots, dropout)
        self.matching = CoAttention(width, 2, dropout) if matching == "mcan" else None
        self.weights = nn.Parameter(torch.ones(3))

    def forward(self, batch: OpenBatch, keep: Tensor | None = None) -> OpenGrounding:
        """keep: (B,) an object to have among the candidates whatever its class (training only)."""
        words = self.embedding(batch.words) if self.embedding is not None else batch.words
        read = self.language(words, batch.word_mask)
        tokens, names, labels = self.encoder(
            batch.names, batch.shapes, batch.boxes, batch.colours, batch.exists, batch.room
        )
        target, *named = self.filter(
            torch.cat([read.queries[:, :1], read.queries[:, 3::2]], 1), names
        ).unbind(1)
        likely = (target.float().sigmoid() * batch.exists).detach()
        chosen = self._choose(likely, keep)
        objects = self.object(torch.cat([names, tokens], -1))
        boxes, mine, share = _pick(batch.boxes, chosen), _pick(objects, chosen), likely.gather(1, chosen)
        with torch.autocast(boxes.device.type, enabled=False):
            measures = candidate_features(boxes, _pick(batch.colours, chosen), share, batch.room)
        total = log_class(target.gather(1, chosen))
        attribute, looks = self.attribute(measures, mine, read.queries[:, 1])
        relation = location = torch.zeros_like(attribute)
        around = attribute.new_zeros(*chosen.shape, EDGE)
        places = torch.zeros_like(looks)
        anchors = attribute.new_zeros(*chosen.shape, batch.boxes.shape[1])
        asked = attribute.new_zeros(len(chosen), len(named), batch.boxes.shape[1] + 1)
        cells = attribute.new_zeros(len(chosen), 9)
        total = total + self.weights[0] * attribute
        if "relation" in self.modules_used:
            with torch.autocast(boxes.device.type, enabled=False):
                pairs = pair_features(boxes, batch.boxes, likely, share, batch.room)
            itself = chosen[:, :, None] == torch.arange(batch.boxes.shape[1], device=chosen.device)
            usable = batch.exists[:, None] & ~itself
            nouns = torch.stack(named, 1).masked_fill(~batch.exists[:, None], NEVER)
            relation, around, anchors, asked = self.relation(
                pairs, mine, objects, nouns, usable, read.queries[:, 3:]
            )
            total = total + self.weights[1] * relation
        if "location" in self.modules_used:
            at = (centres(boxes)[..., :2] - batch.room[:, None, :2]) / sizes(batch.room)[:, None, :2]
            marked = torch.stack([target, *named], 1).sigmoid() * batch.exists[:, None]
            location, places, cells = self.location(
                tokens * batch.exists[..., None],
                marked,
                batch.boxes,
                batch.room,
                measures,
                at,
                read.queries[:, 2],
            )
            total = total + self.weights[2] * location
        exists = batch.exists.gather(1, chosen)
        if self.matching is not None:
            together = torch.cat([looks, places, around, share[..., None]], -1)
            total = total + self.matching(together, exists, read)
        return OpenGrounding(
            chosen,
            total.float().masked_fill(~exists, NEVER),
            target.float(),
            self.filter(read.queries[:, :1], names.roll(1, 0))[:, 0].float(),
            attribute,
            relation,
            location,
            anchors,
            asked,
            cells.float(),
            labels.float(),
            read.attention,
        )

    def _choose(self, likely: Tensor, keep: Tensor | None) -> Tensor:
        """(B, K) the objects likeliest to be of the class asked for."""
        order = likely if keep is None else likely.scatter(1, keep[:, None], 2.0)
        return order.topk(min(self.candidates, likely.shape[1]), 1).indices


def _pick(values: Tensor, chosen: Tensor) -> Tensor:
    """(B, N, D), (B, K) -> (B, K, D)."""
    return values.gather(1, chosen[..., None].expand(-1, -1, values.shape[-1]))
