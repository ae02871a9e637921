"""SANet (Wei et al., MICCAI 2021): shallow attention on Res2Net-50, 23.90 M.

Its tricks are beside the network: colour exchange of training frames (`training.exchanged`) and probability
correction at test time, which lifts small polyps out of the many pixels that are none.
"""

from pathlib import Path

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from models.colonoscopy.segmentation.encoders import LITE, encoder, resized
from models.colonoscopy.segmentation.small import SIZE
from models.core.pretrained import load_published

WIDTH = 64


class SANet(nn.Module, PyTorchModelHubMixin):
    """Three levels, each deeper one a gate of the shallower. encoder_name: see `encoders.encoder`."""

    ENCODER = "bkbone"  # the attribute's name in the released file

    def __init__(self, encoder_name: str = "res2net50_without_head", size: int = 352) -> None:
        super().__init__()
        self.size = size
        self.bkbone = encoder(encoder_name)
        three, four, five = self.bkbone.channels[-3:]
        self.linear5, self.linear4, self.linear3 = (Linear(c) for c in (five, four, three))
        self.predict = nn.Conv2d(3 * WIDTH, 1, 1)

    @classmethod
    def shipped(cls) -> "SANet":
        """As it ships: an untrained decoder on EfficientNet-Lite0."""
        return cls(LITE, SIZE)

    def forward(self, frames: Tensor) -> tuple[Tensor]:
        """frames: (B, 3, H, W) in 0..1, sides multiples of 32 -> logits (B, 1, H, W), above 0 on a polyp."""
        return self.decode(self.bkbone(frames), frames)

    def decode(self, features: list[Tensor], like: Tensor) -> tuple[Tensor]:
        """The encoder's features -> logits at the height and width of `like`."""
        three, four, five = features[-3:]
        three = self.linear3(three)
        four = resized(self.linear4(four), three, corners=True)
        five = resized(self.linear5(five), three, corners=True)
        joined = torch.cat([five, four * five, three * four * five], 1)
        return (resized(self.predict(joined), like, corners=True),)

    def losses(self, maps: tuple[Tensor], masks: Tensor) -> Tensor:
        """Cross-entropy and soft Dice. maps: as `forward` gives them, masks (B, 1, H, W) of 0 and 1."""
        logits = maps[0]
        likely = torch.sigmoid(logits)
        both, either = (likely * masks).sum((1, 2, 3)), (likely + masks).sum((1, 2, 3))
        return binary_cross_entropy_with_logits(logits, masks) + (1 - (2 * both + 1) / (either + 1)).mean()

    def likely(self, maps: tuple[Tensor]) -> Tensor:
        """Probability correction: logits of each sign are divided by the share of pixels that have it."""
        logits = maps[0]
        positive = (logits > 0).float().mean((1, 2, 3), keepdim=True)
        shares = torch.where(logits > 0, positive, 1 - positive)
        return torch.sigmoid(logits / shares.clamp(min=1e-6))

    @classmethod
    def from_published(cls, path: str | Path) -> "SANet":
        """The network with released weights, a state dict of 545 tensors. Raises as `load_published`."""
        network = cls()
        load_published(network, path, lambda name: name)
        return network.eval()


class Linear(nn.Sequential):
    """A 1x1 convolution with BatchNorm and ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__(nn.Conv2d(channels, WIDTH, 1), nn.BatchNorm2d(WIDTH), nn.ReLU())
