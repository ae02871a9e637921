"""Res2Net-50 v1b, 26 channels by 4 scales (Gao et al., TPAMI 2021): PraNet's and SANet's encoder."""

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

SCALES, WIDTH = 4, 26
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pixels


class Res2Net50(nn.Module):
    """head: whether there is the classifier `fc`, which PraNet's file has and nobody asks. Released names."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, head: bool = True) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(3, 1, 1), persistent=False)
        self.channels = [256, 512, 1024, 2048]
        self.conv1 = nn.Sequential(
            nn.Conv2d(3, 32, 3, 2, 1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, padding=1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1, bias=False),
        )
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = _layer(64, 64, 3, 1)
        self.layer2 = _layer(256, 128, 4, 2)
        self.layer3 = _layer(512, 256, 6, 2)
        self.layer4 = _layer(1024, 512, 3, 2)
        if head:
            self.fc = nn.Linear(2048, 1000)

    def forward(self, frames: Tensor) -> list[Tensor]:
        """frames (B, 3, H, W) in 0..1, sides multiples of 32 -> features at strides 4, 8, 16, 32."""
        x = self.conv1((frames - self.mean) / self.deviation)
        found = [self.layer1(self.maxpool(relu(self.bn1(x))))]
        for layer in (self.layer2, self.layer3, self.layer4):
            found.append(layer(found[-1]))
        return found


class Bottle2neck(nn.Module):
    """A bottleneck whose 3x3 convolution is a ladder: each quarter of the channels hears the one before.

    first: the first block of a stage; there the quarters don't hear each other and the last is pooled.
    """

    def __init__(self, channels: int, planes: int, stride: int, first: bool) -> None:
        super().__init__()
        width = planes * WIDTH // 64
        self.first = first
        self.conv1 = nn.Conv2d(channels, width * SCALES, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width * SCALES)
        self.convs = nn.ModuleList(
            nn.Conv2d(width, width, 3, stride, 1, bias=False) for _ in range(SCALES - 1)
        )
        self.bns = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(SCALES - 1))
        self.pool = nn.AvgPool2d(3, stride, 1) if first else nn.Identity()
        self.conv3 = nn.Conv2d(width * SCALES, planes * 4, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(planes * 4)
        if first:
            self.downsample = nn.Sequential(
                nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False),
                nn.Conv2d(channels, planes * 4, 1, bias=False),
                nn.BatchNorm2d(planes * 4),
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, 4 planes, H / stride, W / stride)."""
        parts = relu(self.bn1(self.conv1(x))).chunk(SCALES, 1)
        found: list[Tensor] = []
        for part, conv, bn in zip(parts[:-1], self.convs, self.bns, strict=True):
            heard = part if self.first or not found else found[-1] + part
            found.append(relu(bn(conv(heard))))
        out = self.bn3(self.conv3(torch.cat([*found, self.pool(parts[-1])], 1)))
        return relu(out + (self.downsample(x) if self.first else x))


def _layer(channels: int, planes: int, count: int, stride: int) -> nn.Sequential:
    first = Bottle2neck(channels, planes, stride, first=True)
    rest = (Bottle2neck(planes * 4, planes, 1, first=False) for _ in range(count - 1))
    return nn.Sequential(first, *rest)
