"""The generator: what the blend lacks around the mouth, added by a small U-Net.

After GSmoothFace's TAFT (Zhang et al., 2024), which turns a blended frame and a
reference of the person into a clean one. Here it sees a square of 128 pixels
and answers with a change and where to make it, so that what the blend has from
the source stays as sharp as the source is.
"""

from collections.abc import Sequence

import numpy as np
import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

NAME = "face_generator"
CHANNELS = 8  # blend, reference, lips, what is between them


class MouthGenerator(nn.Module, PyTorchModelHubMixin):
    """A blended square and one of the person as the source has it -> the square as a camera would see it.

    widths: channels at a half, a quarter, an eighth and a sixteenth of the square's side. blocks: how many at
    each on the way down; one more on the way up. grow: by how much a block is wider inside.
    """

    def __init__(
        self,
        widths: Sequence[int] = (32, 64, 128, 240),
        blocks: Sequence[int] = (1, 1, 2, 3),
        grow: float = 2.5,
    ) -> None:
        super().__init__()
        self.first = nn.Conv2d(4 * CHANNELS, widths[0], 3, padding=1)
        self.down, self.up, self.shrink, self.enlarge = (nn.ModuleList() for _ in range(4))
        for level, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            self.down.append(nn.Sequential(*(Block(width, grow) for _ in range(count))))
            if level + 1 < len(widths):
                after = widths[level + 1]
                self.shrink.append(nn.Conv2d(4 * width, after, 1))
                self.enlarge.append(nn.Conv2d(after, width, 1))
                self.up.append(nn.Sequential(*(Block(width, grow) for _ in range(count + 1))))
        self.last = nn.Conv2d(widths[0], 16, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def forward(self, given: Tensor) -> Tensor:
        """(B, 8, S, S) -> (B, 4, S, S): a change in -1..1 of the blend's levels, and how much of it to make.

        given: blend and reference in -1..1, the maps 0..1. S is divisible by 16.
        """
        kept = []
        x = self.first(pixel_unshuffle(given, 2))
        for level, blocks in enumerate(self.down):
            x = blocks(x)
            if level < len(self.shrink):
                kept.append(x)
                x = self.shrink[level](pixel_unshuffle(x, 2))
        for level in reversed(range(len(self.up))):
            x = nn.functional.interpolate(self.enlarge[level](x), scale_factor=2.0, mode="nearest")
            x = self.up[level](x + kept[level])
        change, share = pixel_shuffle(self.last(x), 2).split([3, 1], dim=1)
        return torch.cat([change, torch.sigmoid(share)], dim=1)

    def drawn(self, given: Tensor) -> Tensor:
        """The clean squares (B, 3, S, S) in -1..1, not yet clipped."""
        change, share = self(given).float().split([3, 1], dim=1)
        return given[:, :3] + change * share


class Block(nn.Module):
    """An inverted residual block (MobileNetV2): widened, 3 x 3 by channel, narrowed, added."""

    def __init__(self, width: int, grow: float) -> None:
        super().__init__()
        inner = round(width * grow)
        self.layers = nn.Sequential(
            nn.BatchNorm2d(width),
            nn.Conv2d(width, inner, 1),
            nn.Hardswish(),
            nn.Conv2d(inner, inner, 3, padding=1, groups=inner),
            nn.Hardswish(),
            nn.Conv2d(inner, width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> the same."""
        out: Tensor = x + self.layers(x)
        return out


def inputs(squares: np.ndarray, references: np.ndarray, drawn: np.ndarray) -> Tensor:
    """What the network is given, (B, 8, S, S): squares, references (B, S, S, 3) and maps (B, S, S, 2)."""
    colours = torch.from_numpy(np.concatenate([squares, references], axis=3)).float() / 127.5 - 1
    given = torch.cat([colours, torch.from_numpy(np.ascontiguousarray(drawn)).float() / 255], dim=3)
    return given.permute(0, 3, 1, 2)
