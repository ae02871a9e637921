"""Polyp-PVT (Dong et al., CAAI AIR 2023): CIM, CFM and SAM on PVTv2-B2, 25.11 M.

Its released weights are for research and education only, and are not here; `from_published` reads them.
The release picked its epoch on the test sets; nothing here is picked there.
"""

from pathlib import Path

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate, relu

from models.colonoscopy.segmentation.encoders import LITE, encoder, resized
from models.colonoscopy.segmentation.pranet import CascadedDecoder, Unit
from models.colonoscopy.segmentation.small import SIZE
from models.colonoscopy.synthesis.arsdm import structure_loss
from models.core.pretrained import load_published

WIDTH = 32
STATES, ANCHORS = 16, 4  # of SAM's graph: numbers a node has, and nodes along each side


class PolypPVT(nn.Module, PyTorchModelHubMixin):
    """Two maps that are added: of the deep levels, and of these with the shallowest.

    encoder_name: see `encoders.encoder`.
    """

    ENCODER = "backbone"  # the attribute's name in the released file

    def __init__(self, encoder_name: str = "pvt_v2_b2", size: int = 352) -> None:
        super().__init__()
        self.size = size
        self.backbone = encoder(encoder_name)
        one, two, three, four = self.backbone.channels[-4:]
        self.Translayer2_0 = Unit(one, WIDTH, 1)
        self.Translayer2_1, self.Translayer3_1, self.Translayer4_1 = (
            Unit(c, WIDTH, 1) for c in (two, three, four)
        )
        self.CFM = CascadedDecoder(WIDTH, WIDTH)
        self.ca, self.sa = ChannelAttention(one), SpatialAttention()
        self.SAM = SimilarityAggregation()
        self.out_SAM, self.out_CFM = nn.Conv2d(WIDTH, 1, 1), nn.Conv2d(WIDTH, 1, 1)

    @classmethod
    def shipped(cls) -> "PolypPVT":
        """As it ships: an untrained decoder on EfficientNet-Lite0."""
        return cls(LITE, SIZE)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """frames: (B, 3, H, W) in 0..1, sides multiples of 32 -> logits of CFM and SAM, (B, 1, H, W) each."""
        return self.decode(self.backbone(frames), frames)

    def decode(self, features: list[Tensor], like: Tensor) -> tuple[Tensor, Tensor]:
        """The encoder's features -> two logits at the height and width of `like`."""
        one, two, three, four = features[-4:]
        one = self.ca(one) * one
        camouflage = self.Translayer2_0(self.sa(one) * one)
        camouflage = interpolate(camouflage, scale_factor=0.5, mode="bilinear", align_corners=True)
        fused = self.CFM(self.Translayer4_1(four), self.Translayer3_1(three), self.Translayer2_1(two))
        first, second = self.out_CFM(fused), self.out_SAM(self.SAM(fused, camouflage))
        return resized(first, like), resized(second, like)

    def losses(self, maps: tuple[Tensor, Tensor], masks: Tensor) -> Tensor:
        """PraNet's structure loss of both maps."""
        return torch.stack([structure_loss(x, masks).mean() for x in maps]).sum()

    def likely(self, maps: tuple[Tensor, Tensor]) -> Tensor:
        """(B, 1, H, W): both maps added, as at test time."""
        return torch.sigmoid(maps[0] + maps[1])

    @classmethod
    def from_published(cls, path: str | Path) -> "PolypPVT":
        """The network with released weights, a state dict of 419 tensors. Raises as `load_published`."""
        network = cls()
        load_published(network, path, lambda name: name)
        return network.eval()


class ChannelAttention(nn.Module):
    """CIM's first half: which channels, from their means and their maxima."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, max(1, channels // 16), 1, bias=False)
        self.fc2 = nn.Conv2d(max(1, channels // 16), channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> weights (B, C, 1, 1)."""
        pooled = (x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True))
        mean, most = (self.fc2(relu(self.fc1(one))) for one in pooled)
        return torch.sigmoid(mean + most)


class SpatialAttention(nn.Module):
    """CIM's second half: where, from mean and maximum over the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> weights (B, 1, H, W)."""
        return torch.sigmoid(self.conv1(torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)))


class SimilarityAggregation(nn.Module):
    """SAM: pixels are gathered into the nodes of a graph where an edge was seen, and told what it found."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_state = nn.Conv2d(WIDTH, STATES, 1)
        self.conv_proj = nn.Conv2d(WIDTH, STATES, 1)
        self.gcn = GraphConvolution()
        self.conv_extend = nn.Conv2d(STATES, WIDTH, 1, bias=False)

    def forward(self, x: Tensor, edge: Tensor) -> Tensor:
        """(B, 32, H, W) twice -> (B, 32, H, W)."""
        edge = interpolate(edge, x.shape[2:]).softmax(1)[:, 1:2]
        state, projected = self.conv_state(x).flatten(2), self.conv_proj(x)
        # The pooled grid has a border of one node, which is dropped.
        anchors = adaptive_avg_pool2d(projected * edge, ANCHORS + 2)[:, :, 1:-1, 1:-1].flatten(2)
        belongs = (anchors.transpose(1, 2) @ projected.flatten(2)).softmax(1)  # (B, nodes, pixels)
        told = self.gcn(state @ belongs.transpose(1, 2)) @ belongs
        return x + self.conv_extend(told.unflatten(2, x.shape[2:]))


class GraphConvolution(nn.Module):
    """One step over a graph: along the nodes, then along their states."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(ANCHORS**2, ANCHORS**2, 1)
        self.conv2 = nn.Conv1d(STATES, STATES, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, states, nodes) -> (B, states, nodes)."""
        return relu(self.conv2(self.conv1(x.transpose(1, 2)).transpose(1, 2) - x))
