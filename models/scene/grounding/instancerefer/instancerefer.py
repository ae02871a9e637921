"""InstanceRefer: which object of a scan a sentence means.

Source: Yuan et al., "InstanceRefer: Cooperative Holistic Understanding for Visual Grounding on Point Clouds
through Instance Multi-level Contextual Referring", ICCV 2021, and its released code. Language -> candidates
of the class that the sentence asks for -> attribute, relation and localisation perception -> matching.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from models.core.device import Movable
from models.core.pretrained import load_published
from models.scene.grounding.instancerefer import language
from models.scene.grounding.instancerefer.language import Language, LanguageModule
from models.scene.grounding.instancerefer.matching import CoAttentionMatching, CosineMatching
from models.scene.grounding.instancerefer.perception import (
    WIDTH,
    AttributePerception,
    GlobalLocalization,
    RelationPerception,
    Widths,
)

MODULES = ("attribute", "relation", "location")


@dataclass(frozen=True)
class InstanceReferConfig:
    """Sizes of the network; the defaults are the published ones.

    word_width: of a word vector (GloVe's 300). classes: of objects (ScanRefer's 18).
    point_width: features of a point, xyz first.
    widths: channels of the sparse encoders' stem and four stages.
    attribute_voxel, scene_voxel: metres.
    neighbours: k of the relation graph, None for the whole scene.
    modules: the perception modules that vote; the first is always "attribute".
    pooling: "max" as released or "average" as in the talk.
    matching: "cosine" or "mcan"; the last three numbers are of "mcan" only.
    """

    word_width: int = 300
    classes: int = 18
    point_width: int = 7
    widths: Widths = (32, 64, 128, 128, 128)
    attribute_voxel: float = 0.02
    scene_voxel: float = 0.05
    neighbours: int | None = 8
    modules: tuple[str, ...] = MODULES
    pooling: str = "max"
    matching: str = "cosine"
    mcan_width: int = 128
    mcan_layers: int = 2
    mcan_heads: int = 4


PUBLISHED = InstanceReferConfig()


@dataclass(frozen=True)
class Batch(Movable):
    """B sentences about S scenes with N objects. It says nothing about which object is meant.

    words: (B, T, word_width). word_mask: (B, T) bool, words before padding. sentence_scene: (B,) int64.
    boxes: (N, 6) min xyz, max xyz, metres. classes: (N,) int64. object_scene: (N,) int64.
    points: (P, point_width) of the objects, xyz first. point_object: (P,) int64. An object may have none.
    scene_points: (Q, point_width) of the whole scans. scene_point_scene: (Q,) int64.
    """

    words: Tensor
    word_mask: Tensor
    sentence_scene: Tensor
    boxes: Tensor
    classes: Tensor
    object_scene: Tensor
    points: Tensor
    point_object: Tensor
    scene_points: Tensor
    scene_point_scene: Tensor
    scenes: int


@dataclass(frozen=True)
class Pairs:
    """C candidates: (C,) int64 which sentence, (C,) int64 which object."""

    sentence: Tensor
    object: Tensor


@dataclass(frozen=True)
class Grounding:
    """What the network thinks of C candidates.

    scores: (C, 3) of attribute, relation, location perception; 0 for one that the configuration leaves out.
    language: word attention and (B, classes) logits of the class asked for.
    cells: (B, 9) logits of the floor plan's cells, ix + 3 iy; plan_attention: (B, 11, 21), x then y;
        both None without "location".
    """

    pairs: Pairs
    scores: Tensor
    language: Language
    cells: Tensor | None
    plan_attention: Tensor | None

    @property
    def score(self) -> Tensor:
        """(C,) the modules' sum."""
        return self.scores.sum(1)


def candidates_of_class(wanted: Tensor, batch: Batch) -> Pairs:
    """The objects of the sentence's scene that have the wanted class.

    wanted: (B,) int64, from the sentence.
    """
    same_class = wanted[:, None] == batch.classes
    same_scene = batch.sentence_scene[:, None] == batch.object_scene
    return Pairs(*(same_class & same_scene).nonzero(as_tuple=True))


class InstanceRefer(nn.Module, PyTorchModelHubMixin):
    """The network. Its parameters have the released checkpoint's names."""

    def __init__(self, config: InstanceReferConfig = PUBLISHED) -> None:
        super().__init__()
        self.config = config
        points, widths, said = config.point_width, config.widths, language.WIDTH
        self.lang = LanguageModule(config.word_width, config.classes)
        self.attribute = AttributePerception(points, said, widths, config.attribute_voxel, config.pooling)
        if "relation" in config.modules:
            self.relation = RelationPerception(
                points + config.classes, config.classes, said, config.neighbours
            )
        if "location" in config.modules:
            self.scene = GlobalLocalization(points, said, widths, widths[-1], config.scene_voxel)
        self.matching: nn.Module = CosineMatching()
        if config.matching == "mcan":
            seen = [256 if name == "attribute" else WIDTH for name in config.modules]
            self.matching = CoAttentionMatching(
                seen, said, config.mcan_width, config.mcan_layers, config.mcan_heads
            )

    def forward(self, batch: Batch, pairs: Pairs | None = None) -> Grounding:
        """Score every candidate.

        pairs: the candidates; by default the objects of the class that the language module takes from the
        sentence. A batch holds no target, so no candidate can be chosen by its class.
        Training wants B >= 2 (batch normalisation over sentences).
        """
        said = self.lang(batch.words, batch.word_mask)
        if pairs is None:
            pairs = candidates_of_class(said.classes.argmax(1), batch)
        shapes = self.attribute.encode(batch.points, batch.point_object, pairs.object)
        embeddings = [self.attribute(shapes, said.attribute, pairs.sentence)]
        cells = plan_attention = None
        if "relation" in self.config.modules:
            centres = (batch.boxes[:, :3] + batch.boxes[:, 3:]) / 2
            nodes = self._nodes(batch, centres)
            embeddings.append(
                self.relation(nodes, centres, batch.object_scene, pairs.object, said.relation, pairs.sentence)
            )
        if "location" in self.config.modules:
            plan = self.scene.plan(batch.scene_points, batch.scene_point_scene, batch.scenes)
            looks, cells, plan_attention = self.scene(
                plan[batch.sentence_scene], said.scene, shapes, pairs.sentence
            )
            embeddings.append(looks)
        found = self.matching(embeddings, said.states, said.mask, pairs.sentence)
        scores = found.new_zeros(len(found), len(MODULES))
        scores[:, [MODULES.index(name) for name in self.config.modules]] = found
        return Grounding(pairs, scores, said, cells, plan_attention)

    def _nodes(self, batch: Batch, centres: Tensor) -> Tensor:
        """(N, point_width + classes): the mean of an object's points, but its box's centre; one-hot class."""
        total = batch.points.new_zeros(len(centres), batch.points.shape[1])
        total = total.index_add(0, batch.point_object, batch.points)
        count = torch.bincount(batch.point_object, minlength=len(centres)).clamp(min=1)
        one_hot = nn.functional.one_hot(batch.classes, self.config.classes)
        return torch.cat([centres, (total / count[:, None])[:, 3:], one_hot.to(centres.dtype)], 1)

    @classmethod
    def from_published(cls, path: str | Path) -> "InstanceRefer":
        """The published network with the released weights (model.pth, or the training checkpoint.tar).

        torchsparse 1.2 keeps a batch norm's weights in an inner `bn`. Raises as `load_published` does.
        """
        network = cls(PUBLISHED)
        load_published(network, path, lambda name: name.replace(".bn.", "."))
        return network.eval()
