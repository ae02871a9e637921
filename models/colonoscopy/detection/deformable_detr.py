"""Deformable DETR (Zhu et al., ICLR 2021) with box refinement: transformers' layers on our encoder."""

from typing import Any

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn
from torch.nn.functional import pad
from transformers import DeformableDetrConfig, ResNetConfig
from transformers.models.deformable_detr.modeling_deformable_detr import (
    DeformableDetrDecoder,
    DeformableDetrEncoder,
    DeformableDetrMLPPredictionHead,
    DeformableDetrSinePositionEmbedding,
    inverse_sigmoid,
)

from models.colonoscopy.detection.set_loss import set_loss
from models.colonoscopy.detection.sparse_rcnn import ranked
from models.colonoscopy.segmentation.encoders import LITE, encoder
from models.colonoscopy.segmentation.small import SIZE


class DeformableDETR(nn.Module, PyTorchModelHubMixin):
    """Queries that look at a few points of every level.

    encoder_name: see `encoders.encoder`. levels: the encoder's last three and, above that, halved ones.
    layers: (encoder's, decoder's).
    """

    ENCODER = "encoder"

    def __init__(
        self,
        encoder_name: str = "resnet50",
        size: int = 800,
        queries: int = 300,
        width: int = 256,
        hidden: int = 1024,
        levels: int = 4,
        layers: tuple[int, int] = (6, 6),
        threshold: float = 0.5,
    ) -> None:
        super().__init__()
        self.size, self.threshold = size, threshold
        self.encoder = encoder(encoder_name)
        config = DeformableDetrConfig(
            backbone_config=ResNetConfig(),  # never built; without it the configuration asks for timm
            d_model=width,
            num_queries=queries,
            num_feature_levels=levels,
            encoder_layers=layers[0],
            decoder_layers=layers[1],
            encoder_ffn_dim=hidden,
            decoder_ffn_dim=hidden,
            dropout=0.1,
        )
        channels = self.encoder.channels[-3:]
        projections = [Projection(c, width, 1) for c in channels]
        projections += [Projection(channels[-1] if i == 0 else width, width, 2) for i in range(levels - 3)]
        self.projections = nn.ModuleList(projections)
        self.position = DeformableDetrSinePositionEmbedding(width // 2, normalize=True)
        self.level_embed = nn.Parameter(torch.randn(levels, width))
        self.queries = nn.Embedding(queries, 2 * width)
        self.reference_points = nn.Linear(width, 2)
        self.transformer_encoder = DeformableDetrEncoder(config)
        self.transformer_decoder = DeformableDetrDecoder(config)
        self.class_embed = nn.ModuleList(nn.Linear(width, 1) for _ in range(layers[1]))
        self.transformer_decoder.bbox_embed = nn.ModuleList(
            DeformableDetrMLPPredictionHead(width, width, 4, 3) for _ in range(layers[1])
        )
        self._begin()

    def _begin(self) -> None:
        """As published: sure of a hundredth, boxes where their reference points are."""
        heads: Any = self.class_embed
        for head in heads:
            nn.init.constant_(head.bias, -4.595)
        for number, head in enumerate(self.transformer_decoder.bbox_embed):
            nn.init.zeros_(head.layers[-1].weight)
            nn.init.zeros_(head.layers[-1].bias)
            if number == 0:
                nn.init.constant_(head.layers[-1].bias[2:], -2.0)

    @classmethod
    def shipped(cls) -> "DeformableDETR":
        """As it ships: an untrained head on EfficientNet-Lite0."""
        return cls(LITE, SIZE, queries=20, width=64, hidden=256, levels=3, layers=(1, 3))

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """frames (B, 3, H, W) in 0..1 -> logits (S, B, N, 1) and boxes (S, B, N, 4), middle and sides."""
        return self.decode(self.encoder(frames))

    def decode(self, features: list[Tensor]) -> tuple[Tensor, Tensor]:
        """The encoder's features -> logits and boxes of each layer of the decoder."""
        levels = self._levels(features[-3:])
        shapes = [tuple(x.shape[2:]) for x in levels]
        tokens = torch.cat([x.flatten(2).transpose(1, 2) for x in levels], 1)
        batch, count = tokens.shape[:2]
        places = [self._places(x, self.level_embed[i]) for i, x in enumerate(levels)]
        sizes = torch.tensor(shapes, device=tokens.device)
        common = {
            "spatial_shapes": sizes,
            "spatial_shapes_list": shapes,
            "level_start_index": torch.cat([sizes.new_zeros(1), sizes.prod(1).cumsum(0)[:-1]]),
            "valid_ratios": tokens.new_ones(batch, len(levels), 2),
        }
        everywhere = torch.ones(batch, count, dtype=torch.bool, device=tokens.device)
        memory = self.transformer_encoder(
            inputs_embeds=tokens,
            attention_mask=everywhere,
            spatial_position_embeddings=torch.cat(places, 1),
            **common,
        ).last_hidden_state
        query, start = self.queries.weight.expand(batch, -1, -1).chunk(2, -1)
        points = torch.sigmoid(self.reference_points(query))
        found = self.transformer_decoder(
            inputs_embeds=start,
            object_queries_position_embeddings=query,
            encoder_hidden_states=memory,
            encoder_attention_mask=everywhere,
            reference_points=points,
            **common,
        )
        return self._read(found.intermediate_hidden_states, found.intermediate_reference_points, points)

    def _levels(self, features: list[Tensor]) -> list[Tensor]:
        levels = [projection(x) for projection, x in zip(self.projections, features, strict=False)]
        deepest = features[-1]
        for projection in self.projections[len(features) :]:
            levels.append(deepest := projection(deepest))
        return levels

    def _places(self, level: Tensor, embedding: Tensor) -> Tensor:
        place = self.position(shape=level.shape, device=level.device, dtype=torch.float32)
        return place.to(level.dtype).flatten(2).transpose(1, 2) + embedding

    def _read(self, states: Tensor, references: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """States (B, S, N, C) and the reference points that each layer left -> logits and boxes."""
        logits, boxes = [], []
        for number, head in enumerate(self.class_embed):
            state = states[:, number]
            logits.append(head(state))
            delta = self.transformer_decoder.bbox_embed[number](state).float()
            before = inverse_sigmoid((points if number == 0 else references[:, number - 1]).float())
            delta = delta + pad(before, (0, 4 - before.shape[-1]))
            boxes.append(torch.sigmoid(delta))
        return torch.stack(logits), torch.stack(boxes)

    def losses(self, found: tuple[Tensor, Tensor], targets: list[Tensor]) -> Tensor:
        """The set loss of all layers. targets: boxes (n, 4) of each frame, corners in 0..1."""
        return set_loss(*found, targets)

    def boxes(self, found: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Corners (B, N, 4) in 0..1 and confidences (B, N) of the last layer, the surest first."""
        return ranked(found[0][-1], found[1][-1])


class Projection(nn.Sequential):
    """To the transformer's width: 1x1, or 3x3 with half the sides, and GroupNorm."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        kernel = 1 if stride == 1 else 3
        super().__init__(nn.Conv2d(channels, width, kernel, stride, kernel // 2), nn.GroupNorm(32, width))
