"""CenterNet (Zhou et al., "Objects as Points", 2019): a polyp is the peak of a heat map, with a size.

The published residual network enlarges its last level with deformable convolutions before each transposed
one; torch alone has none, and plain ones stand there.
"""

import math
from typing import Any, NamedTuple

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn
from torch.nn.functional import l1_loss, logsigmoid, max_pool2d

from models.colonoscopy.segmentation.encoders import LITE, encoder
from models.colonoscopy.segmentation.small import SIZE

STRIDE = 4  # of the heat map
OVERLAP = 0.7  # IoU that a box around a point within the Gaussian's radius still has
MOST = 20  # peaks that are read
SIZE_WEIGHT = 0.1


class Maps(NamedTuple):
    """heat: logits (B, 1, h, w). size, offset: (B, 2, h, w), width and height, x and y, in cells."""

    heat: Tensor
    size: Tensor
    offset: Tensor


class CenterNet(nn.Module, PyTorchModelHubMixin):
    """Transposed convolutions from stride 32 to 4, and three heads. encoder_name: `encoders.encoder`."""

    ENCODER = "encoder"

    def __init__(
        self,
        encoder_name: str = "resnet50",
        size: int = 512,
        width: int = 256,
        head: int = 64,
        threshold: float = 0.5,
    ) -> None:
        super().__init__()
        self.size, self.threshold = size, threshold
        self.encoder = encoder(encoder_name)
        channels = self.encoder.channels[-1]
        self.enlarge = nn.Sequential(*(Enlarge(channels if i == 0 else width, width) for i in range(3)))
        self.heat, self.sides, self.offset = (Head(width, head, out) for out in (1, 2, 2))
        last: Any = self.heat[-1]
        nn.init.constant_(last.bias, -2.19)  # a tenth of polyp everywhere, as published

    @classmethod
    def shipped(cls) -> "CenterNet":
        """As it ships: an untrained head on EfficientNet-Lite0."""
        return cls(LITE, SIZE, width=64)

    def forward(self, frames: Tensor) -> Maps:
        """frames (B, 3, H, W) in 0..1, sides multiples of 32 -> maps at a quarter of them."""
        return self.decode(self.encoder(frames))

    def decode(self, features: list[Tensor]) -> Maps:
        """The encoder's features -> maps at stride 4."""
        x = self.enlarge(features[-1])
        return Maps(*(head(x).float() for head in (self.heat, self.sides, self.offset)))

    def losses(self, maps: Maps, targets: list[Tensor]) -> Tensor:
        """Penalty-reduced focal loss of the heat, L1 of size and offset at the middles.

        targets: boxes (n, 4) of each frame, corners in 0..1.
        """
        height, width = maps.heat.shape[2:]
        cells = torch.tensor([width, height], device=maps.heat.device)
        wanted = torch.zeros_like(maps.heat)
        total, count = maps.heat.new_zeros(()), max(1, sum(len(one) for one in targets))
        for row, boxes in enumerate(targets):
            for box in boxes:
                middle, sides = (box[:2] + box[2:]) / 2 * cells, (box[2:] - box[:2]) * cells
                x, y = (int(v) for v in middle.clamp(max=cells - 1))
                spot = gaussian(height, width, x, y, gaussian_radius(*sides.tolist())).to(wanted)
                wanted[row, 0] = torch.maximum(wanted[row, 0], spot)
                total = total + SIZE_WEIGHT * l1_loss(maps.size[row, :, y, x], sides, reduction="sum")
                rest = middle - middle.floor()
                total = total + l1_loss(maps.offset[row, :, y, x], rest, reduction="sum")
        return focal_loss(maps.heat, wanted) + total / count

    def boxes(self, maps: Maps) -> tuple[Tensor, Tensor]:
        """Corners (B, MOST, 4) in 0..1 and confidences (B, MOST) of the peaks, the surest first."""
        heat = torch.sigmoid(maps.heat)
        heat = heat * (max_pool2d(heat, 3, 1, 1) == heat)
        height, width = heat.shape[2:]
        sure, place = heat.flatten(1).topk(min(MOST, height * width))
        at = place[:, None].expand(-1, 2, -1)
        sides, rest = (x.flatten(2).gather(2, at).transpose(1, 2) for x in (maps.size, maps.offset))
        middle = torch.stack([place % width, place // width], -1) + rest
        found = torch.cat([middle - sides / 2, middle + sides / 2], -1)
        return (found / torch.tensor([width, height, width, height], device=found.device)).clamp(0, 1), sure


class Enlarge(nn.Sequential):
    """A 3x3 and a transposed convolution: twice the sides."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__(
            nn.Conv2d(channels, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.ConvTranspose2d(width, width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )


class Head(nn.Sequential):
    """A 3x3 convolution and what is read from it."""

    def __init__(self, width: int, hidden: int, out: int) -> None:
        super().__init__(nn.Conv2d(width, hidden, 3, padding=1), nn.ReLU(), nn.Conv2d(hidden, out, 1))


def gaussian_radius(width: float, height: float) -> float:
    """How far corners may be off, both alike, for OVERLAP: the least of CornerNet's three cases."""
    total, area = width + height, width * height
    cases = ((1, total, area * (1 - OVERLAP) / (1 + OVERLAP)), (4, 2 * total, (1 - OVERLAP) * area))
    shifted, inside = ((b - math.sqrt(b * b - 4 * a * c)) / (2 * a) for a, b, c in cases)
    grown = 2 * OVERLAP * total
    outside = (math.sqrt(grown * grown + 16 * OVERLAP * (1 - OVERLAP) * area) - grown) / (8 * OVERLAP)
    return max(0.0, min(shifted, inside, outside))


def gaussian(height: int, width: int, x: int, y: int, radius: float) -> Tensor:
    """A map (height, width) that is 1 at (x, y) and falls off; the radius is three of its deviations."""
    deviation = (2 * int(radius) + 1) / 6
    across = torch.exp(-((torch.arange(width) - x) ** 2) / (2 * deviation**2))
    down = torch.exp(-((torch.arange(height) - y) ** 2) / (2 * deviation**2))
    return down[:, None] * across


def focal_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """CornerNet's: near a middle a wrong peak costs less. One number, by the number of middles."""
    sure = torch.sigmoid(logits)
    peaks = wanted == 1
    right = (1 - sure) ** 2 * logsigmoid(logits) * peaks
    wrong = (1 - wanted) ** 4 * sure**2 * logsigmoid(-logits) * ~peaks
    return -(right.sum() + wrong.sum()) / peaks.sum().clamp(min=1)
