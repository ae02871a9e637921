"""PraNet as published (Fan et al., MICCAI 2020): parallel reverse attention on Res2Net-50, 32.55 M.

Its released weights are for research and education only, and are not here; `from_published` reads them.
"""

from pathlib import Path

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu

from models.colonoscopy.segmentation.encoders import LITE, encoder, resized
from models.colonoscopy.segmentation.small import SIZE
from models.colonoscopy.synthesis.arsdm import structure_loss
from models.core.pretrained import load_published

WIDTH = 32


class PraNet(nn.Module, PyTorchModelHubMixin):
    """A coarse map from the three deep levels, refined thrice where it is not sure of polyp.

    encoder_name: see `encoders.encoder`. deep: channels of the reverse attention at stride 32.
    """

    ENCODER = "resnet"  # the attribute's name in the released file

    def __init__(self, encoder_name: str = "res2net50", size: int = 352, deep: int = 256) -> None:
        super().__init__()
        self.size = size
        self.resnet = encoder(encoder_name)
        two, three, four = self.resnet.channels[-3:]
        self.rfb2_1, self.rfb3_1, self.rfb4_1 = (ReceptiveField(c) for c in (two, three, four))
        self.agg1 = PartialDecoder()
        self.ra4_conv1 = Unit(four, deep, 1)
        self.ra4_conv2, self.ra4_conv3, self.ra4_conv4 = (Unit(deep, deep, 5) for _ in range(3))
        self.ra4_conv5 = Unit(deep, 1, 1)
        self.ra3_conv1 = Unit(three, 64, 1)
        self.ra3_conv2, self.ra3_conv3 = Unit(64, 64, 3), Unit(64, 64, 3)
        self.ra3_conv4 = Unit(64, 1, 3)
        self.ra2_conv1 = Unit(two, 64, 1)
        self.ra2_conv2, self.ra2_conv3 = Unit(64, 64, 3), Unit(64, 64, 3)
        self.ra2_conv4 = Unit(64, 1, 3)

    @classmethod
    def shipped(cls) -> "PraNet":
        """As it ships: an untrained decoder on EfficientNet-Lite0."""
        return cls(LITE, SIZE, 64)

    def forward(self, frames: Tensor) -> tuple[Tensor, ...]:
        """frames: (B, 3, H, W) in 0..1, sides multiples of 32 -> logits (B, 1, H, W), the coarsest first."""
        return self.decode(self.resnet(frames), frames)

    def decode(self, features: list[Tensor], like: Tensor) -> tuple[Tensor, ...]:
        """The encoder's features -> four logits at the height and width of `like`."""
        two, three, four = features[-3:]
        coarse = self.agg1(self.rfb4_1(four), self.rfb3_1(three), self.rfb2_1(two))
        at4 = interpolate(coarse, scale_factor=0.25, mode="bilinear")
        x = self.ra4_conv1(_unsure(at4) * four)
        for conv in (self.ra4_conv2, self.ra4_conv3, self.ra4_conv4):
            x = relu(conv(x))
        map4 = self.ra4_conv5(x) + at4
        at3 = interpolate(map4, scale_factor=2.0, mode="bilinear")
        x = self.ra3_conv1(_unsure(at3) * three)
        map3 = self.ra3_conv4(relu(self.ra3_conv3(relu(self.ra3_conv2(x))))) + at3
        at2 = interpolate(map3, scale_factor=2.0, mode="bilinear")
        x = self.ra2_conv1(_unsure(at2) * two)
        map2 = self.ra2_conv4(relu(self.ra2_conv3(relu(self.ra2_conv2(x))))) + at2
        return tuple(resized(x, like) for x in (coarse, map4, map3, map2))

    def losses(self, maps: tuple[Tensor, ...], masks: Tensor) -> Tensor:
        """The structure losses of the four maps, added. masks: (B, 1, H, W) of 0 and 1."""
        return torch.stack([structure_loss(x, masks).mean() for x in maps]).sum()

    def likely(self, maps: tuple[Tensor, ...]) -> Tensor:
        """(B, 1, H, W), of the finest map alone."""
        return torch.sigmoid(maps[-1])

    @classmethod
    def from_published(cls, path: str | Path) -> "PraNet":
        """The network with released weights, a state dict of 922 tensors. Raises as `load_published`."""
        network = cls()
        load_published(network, path, lambda name: name)
        return network.eval()


class Unit(nn.Module):
    """A convolution that keeps the size, and BatchNorm; the release has a ReLU there and never calls it."""

    def __init__(self, channels: int, out: int, kernel: int | tuple[int, int], dilation: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, kernel, padding="same", dilation=dilation, bias=False)
        self.bn = nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, out, H, W)."""
        return self.bn(self.conv(x))


class ReceptiveField(nn.Module):
    """RFB (Liu et al., ECCV 2018) as PraNet has it: four branches that look 1, 3, 5 and 7 wide, and apart."""

    def __init__(self, channels: int, out: int = WIDTH) -> None:
        super().__init__()
        self.branch0 = nn.Sequential(Unit(channels, out, 1))
        self.branch1, self.branch2, self.branch3 = (
            nn.Sequential(
                Unit(channels, out, 1), Unit(out, out, (1, k)), Unit(out, out, (k, 1)), Unit(out, out, 3, k)
            )
            for k in (3, 5, 7)
        )
        self.conv_cat = Unit(4 * out, out, 3)
        self.conv_res = Unit(channels, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, out, H, W)."""
        seen = [branch(x) for branch in (self.branch0, self.branch1, self.branch2, self.branch3)]
        return relu(self.conv_cat(torch.cat(seen, 1)) + self.conv_res(x))


class CascadedDecoder(nn.Module):
    """Deep levels enlarged, multiplied with and joined to the shallower ones: Polyp-PVT's CFM."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.conv_upsample1, self.conv_upsample2, self.conv_upsample3, self.conv_upsample4 = (
            Unit(width, width, 3) for _ in range(4)
        )
        self.conv_upsample5 = Unit(2 * width, 2 * width, 3)
        self.conv_concat2 = Unit(2 * width, 2 * width, 3)
        self.conv_concat3 = Unit(3 * width, 3 * width, 3)
        self.conv4 = Unit(3 * width, out, 3)

    def forward(self, four: Tensor, three: Tensor, two: Tensor) -> Tensor:
        """Levels at strides 32, 16, 8 -> (B, out, H, W) at stride 8."""
        up_four = _twice(four)
        mixed3 = self.conv_upsample1(up_four) * three
        mixed2 = self.conv_upsample2(_twice(up_four)) * self.conv_upsample3(_twice(three)) * two
        joined3 = self.conv_concat2(torch.cat([mixed3, self.conv_upsample4(up_four)], 1))
        joined2 = self.conv_concat3(torch.cat([mixed2, self.conv_upsample5(_twice(joined3))], 1))
        return self.conv4(joined2)


class PartialDecoder(CascadedDecoder):
    """The cascaded partial decoder (Wu et al., CVPR 2019): the same, and a map of it."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__(width, 3 * width)
        self.conv5 = nn.Conv2d(3 * width, 1, 1)

    def forward(self, four: Tensor, three: Tensor, two: Tensor) -> Tensor:
        """Levels at strides 32, 16, 8 -> one map at stride 8."""
        return self.conv5(super().forward(four, three, two))


def _twice(x: Tensor) -> Tensor:
    return interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=True)


def _unsure(logits: Tensor) -> Tensor:
    """The reverse of attention: near 1 where no polyp has been found."""
    return 1 - torch.sigmoid(logits)
