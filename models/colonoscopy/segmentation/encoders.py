"""The encoders of polyp networks, by name: as published, or small with ImageNet's weights in a package."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from transformers import ResNetBackbone, ResNetConfig

from models.colonoscopy.segmentation.pvt import PyramidVisionTransformer
from models.colonoscopy.segmentation.res2net import DEVIATION, MEAN, Res2Net50
from models.core.nn.efficientnet import EfficientNetLite

LITE = "lite0"


def encoder(name: str) -> Any:
    """An untrained encoder: frames (B, 3, H, W) in 0..1 -> a list of features, the last at strides 8, 16, 32.

    Its `channels` are theirs. name: res2net50, res2net50_without_head (no classifier, as SANet's file has
    it), resnet50, pvt_v2_b2, or lite0 and lite2 of EfficientNet.
    """
    if name == "resnet50":
        return ResNet50()
    if name.startswith("res2net50"):
        return Res2Net50(head=name == "res2net50")
    return PyramidVisionTransformer() if name == "pvt_v2_b2" else EfficientNetLite(name)


class ResNet50(nn.Module):
    """ResNet-50 (He et al., CVPR 2016), the encoder of the published detectors, by transformers."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(3, 1, 1), persistent=False)
        stages = ["stage1", "stage2", "stage3", "stage4"]
        self.network = ResNetBackbone(ResNetConfig(out_features=stages))
        self.channels = [256, 512, 1024, 2048]

    def forward(self, frames: Tensor) -> list[Tensor]:
        """frames (B, 3, H, W) in 0..1 -> features at strides 4, 8, 16, 32."""
        return list(self.network((frames - self.mean) / self.deviation).feature_maps)


def resized(x: Tensor, like: Tensor, *, corners: bool = False) -> Tensor:
    """A map at the height and width of another, bilinear."""
    return interpolate(x, like.shape[2:], mode="bilinear", align_corners=corners)
