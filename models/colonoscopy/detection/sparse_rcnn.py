"""Sparse R-CNN (Sun et al., CVPR 2021): a few learned proposals, moved in stages by what they see."""

import math

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu

from models.colonoscopy.detection.boxes import corners, middles, roi_align
from models.colonoscopy.detection.set_loss import set_loss
from models.colonoscopy.segmentation.encoders import LITE, encoder
from models.colonoscopy.segmentation.small import SIZE

CELLS = 7  # along each side of what a proposal sees
STEP = 2.0  # a predicted move of this many is a whole side
WIDEST = math.log(100_000 / 16)


class SparseRCNN(nn.Module, PyTorchModelHubMixin):
    """A feature pyramid and stages of dynamic heads.

    encoder_name: see `encoders.encoder`. dynamic: channels between the two convolutions that a proposal
    writes for itself. hidden: of the feed-forward network.
    """

    ENCODER = "encoder"

    def __init__(
        self,
        encoder_name: str = "resnet50",
        size: int = 800,
        proposals: int = 100,
        stages: int = 6,
        width: int = 256,
        dynamic: int = 64,
        hidden: int = 2048,
        threshold: float = 0.5,
    ) -> None:
        super().__init__()
        self.size, self.threshold = size, threshold
        self.encoder = encoder(encoder_name)
        self.pyramid = FeaturePyramid(self.encoder.channels[-4:], width)
        self.proposal_boxes = nn.Embedding(proposals, 4)
        self.proposal_features = nn.Embedding(proposals, width)
        nn.init.constant_(self.proposal_boxes.weight[:, :2], 0.5)
        nn.init.constant_(self.proposal_boxes.weight[:, 2:], 1.0)
        self.stages = nn.ModuleList(Stage(width, dynamic, hidden) for _ in range(stages))

    @classmethod
    def shipped(cls) -> "SparseRCNN":
        """As it ships: an untrained head on EfficientNet-Lite0."""
        return cls(LITE, SIZE, proposals=20, stages=3, width=64, dynamic=16, hidden=256)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """frames (B, 3, H, W) in 0..1, square -> logits (S, B, N, 1), boxes (S, B, N, 4) as middle, sides."""
        return self.decode(self.encoder(frames))

    def decode(self, features: list[Tensor]) -> tuple[Tensor, Tensor]:
        """The encoder's features -> logits and boxes of each stage."""
        levels = self.pyramid(features[-4:])
        batch = levels[0].shape[0]
        boxes = corners(self.proposal_boxes.weight).expand(batch, -1, -1)
        known = self.proposal_features.weight.expand(batch, -1, -1)
        found = []
        for stage in self.stages:
            logits, boxes, known = stage(levels, boxes, known)
            found.append((logits, middles(boxes)))
            boxes = boxes.detach()
        return torch.stack([one for one, _ in found]), torch.stack([one for _, one in found])

    def losses(self, found: tuple[Tensor, Tensor], targets: list[Tensor]) -> Tensor:
        """The set loss of all stages. targets: boxes (n, 4) of each frame, corners in 0..1."""
        return set_loss(*found, targets)

    def boxes(self, found: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Corners (B, N, 4) in 0..1 and confidences (B, N) of the last stage, the surest first."""
        return ranked(found[0][-1], found[1][-1])


def ranked(logits: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (B, N, 1) and boxes (B, N, 4), middle and sides -> corners and confidences, the surest first."""
    sure, order = torch.sigmoid(logits[..., 0].float()).sort(1, descending=True)
    found = corners(boxes.float()).gather(1, order[..., None].expand(-1, -1, 4))
    return found.clamp(0, 1), sure


class FeaturePyramid(nn.Module):
    """FPN (Lin et al., CVPR 2017): every level hears the deeper ones."""

    def __init__(self, channels: list[int], width: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(c, width, 1) for c in channels)
        self.output = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in channels)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Features at strides 4, 8, 16, 32 -> as many of `width` channels."""
        levels = [lateral(x) for lateral, x in zip(self.lateral, features, strict=True)]
        for i in range(len(levels) - 2, -1, -1):
            levels[i] = levels[i] + interpolate(levels[i + 1], levels[i].shape[2:])
        return [output(x) for output, x in zip(self.output, levels, strict=True)]


class Stage(nn.Module):
    """Proposals talk to one another, look into their boxes, and say how sure they are and where to move."""

    def __init__(self, width: int, dynamic: int, hidden: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, 8, batch_first=True)
        self.look = DynamicConv(width, dynamic)
        self.feed = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.class_tower = nn.Sequential(*_tower(width))
        self.box_tower = nn.Sequential(*(layer for _ in range(3) for layer in _tower(width)))
        self.class_logits, self.box_deltas = nn.Linear(width, 1), nn.Linear(width, 4)
        nn.init.constant_(self.class_logits.bias, -math.log(99))  # sure of a hundredth, as focal loss begins

    def forward(self, levels: list[Tensor], boxes: Tensor, known: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """boxes (B, N, 4) corners, known (B, N, C) -> logits (B, N, 1), moved boxes, what is known now."""
        seen = roi_align(levels, boxes, CELLS)
        known = self.norms[0](known + self.attention(known, known, known, need_weights=False)[0])
        known = self.norms[1](known + self.look(known, seen))
        known = self.norms[2](known + self.feed(known))
        logits = self.class_logits(self.class_tower(known))
        return logits, moved(boxes, self.box_deltas(self.box_tower(known)).float()), known


class DynamicConv(nn.Module):
    """Two 1x1 convolutions whose weights each proposal writes for what it sees."""

    def __init__(self, width: int, dynamic: int) -> None:
        super().__init__()
        self.shape = (width, dynamic)
        self.weights = nn.Linear(width, 2 * width * dynamic)
        self.norms = nn.ModuleList(nn.LayerNorm(n) for n in (dynamic, width, width))
        self.out = nn.Linear(width * CELLS**2, width)

    def forward(self, known: Tensor, seen: Tensor) -> Tensor:
        """known (B, N, C), seen (B, N, C, 7, 7) -> (B, N, C)."""
        first, second = self.weights(known).chunk(2, -1)
        x = seen.flatten(3).transpose(2, 3)
        x = relu(self.norms[0](x @ first.unflatten(-1, self.shape)))
        x = relu(self.norms[1](x @ second.unflatten(-1, self.shape[::-1])))
        return relu(self.norms[2](self.out(x.flatten(2))))


def moved(boxes: Tensor, deltas: Tensor) -> Tensor:
    """Boxes (..., 4) corners, moved by shares of their sides and scaled by exponents, as in R-CNN."""
    middle, sides = middles(boxes).split(2, -1)
    middle = middle + deltas[..., :2] / STEP * sides
    sides = sides * torch.exp(deltas[..., 2:].clamp(max=WIDEST))
    return corners(torch.cat([middle, sides], -1))


def _tower(width: int) -> tuple[nn.Module, ...]:
    return nn.Linear(width, width, bias=False), nn.LayerNorm(width), nn.ReLU()
