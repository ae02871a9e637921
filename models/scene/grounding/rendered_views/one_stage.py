"""One-stage visual grounding over several views: each cell of each view says how well it fits a sentence.

Source: Yang et al., "A Fast and Accurate One-Stage Approach to Visual Grounding", ICCV 2019: features of an
image network, the sentence's vector and the place of each cell are joined by 1 x 1 convolutions, each cell
gives a score and a box, and a softmax over all cells picks the answer. Here the image network is
EfficientNet-Lite0 of ImageNet, frozen and outside this module, in the place of Darknet-53; the sentence's
vector is pooled from MiniLM's in the place of BERT's; what is seen times what is said is joined too, which
learns in fewer steps; a cell gives its distances to the box's sides and no anchors; and the softmax runs over
the cells of all views of a scan.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu

from models.core.device import Movable
from models.core.text import WIDTH as WORD
from models.scene.grounding.rendered_views.views import HEIGHT, WIDTH

CHANNELS = (40, 112, 320)  # of EfficientNet-Lite0 at the three strides
STRIDES = (8, 16)  # pixels, of the cells that answer; features at 32 only inform them
CELLS = sum((HEIGHT // stride) * (WIDTH // stride) for stride in STRIDES)  # of a view
NEVER = -1e4
REACH = 4.0  # in strides: how far a box's sides are from a cell before anything was learned


@dataclass(frozen=True)
class ViewFeatures(Movable):
    """What the image network sees in V views of each of G scans: (G, V, channels, rows, columns) a stride."""

    stride8: Tensor
    stride16: Tensor
    stride32: Tensor


@dataclass(frozen=True)
class Words(Movable):
    """S sentences about each of G scans. vectors: (G, S, T, 384) of MiniLM. mask: (G, S, T) bool."""

    vectors: Tensor
    mask: Tensor


@dataclass(frozen=True)
class Cells:
    """What every cell says; N = V x CELLS, view by view, in each the finer stride first, row by row.

    scores: (G, S, N) logits. boxes: (G, S, N, 4) left, top, right, bottom, pixels.
    """

    scores: Tensor
    boxes: Tensor


class OneStage(nn.Module, PyTorchModelHubMixin):
    """Scores and boxes of all cells for several sentences at once.

    width: of what is seen and said. joined: of what they are joined to.
    """

    def __init__(self, width: int = 128, joined: int = 64, dropout: float = 0.1) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(channels, width, 1) for channels in CHANNELS)
        self.smooth = nn.ModuleList(_smoothing(width) for _ in STRIDES)
        self.attention = nn.Linear(WORD, 1)
        self.sentence = nn.Sequential(nn.Linear(WORD, width), nn.ReLU(), nn.Linear(width, width))
        # The 1 x 1 convolution of what is joined is a sum over its parts; those that a view or a sentence has
        # alone are computed once.
        self.from_view, self.from_sentence = nn.Linear(width, joined), nn.Linear(width, joined, bias=False)
        self.from_place, self.from_both = (
            nn.Linear(8, joined, bias=False),
            nn.Linear(width, joined, bias=False),
        )
        self.out = nn.Linear(joined, 5)
        self.dropout = nn.Dropout(dropout)

    def forward(self, views: ViewFeatures, words: Words) -> Cells:
        """All sentences of each scan over all its views."""
        seen, said = self._seen(views), self._said(words)
        (scans, total, _), sentences = seen.shape, said.shape[1]
        placed, middles, strides = (one.repeat(total // CELLS, 1) for one in cells(seen.device))
        alone = self.from_view(seen) + self.from_place(placed)
        # (seen * said) W is seen (diag(said) W): one product of matrices for all sentences of a scan.
        weights = (said[..., None] * self.from_both.weight.t()).permute(0, 2, 1, 3).flatten(2)
        both = (seen @ weights.to(seen.dtype)).view(scans, total, sentences, -1)
        joined = relu(both + alone[:, :, None] + self.from_sentence(said)[:, None])
        found = self.out(joined).float().transpose(1, 2)
        reach = found[..., 1:].clamp(-4, 4).exp() * REACH * strides
        boxes = torch.cat([middles - reach[..., :2], middles + reach[..., 2:]], -1)
        return Cells(found[..., 0], boxes)

    def _seen(self, views: ViewFeatures) -> Tensor:
        """(G, N, width): a small feature pyramid, what is seen from afar added to what is seen in detail."""
        scans, count = views.stride8.shape[:2]
        given = (views.stride8, views.stride16, views.stride32)
        fine, middle, coarse = (
            layer(one.flatten(0, 1)) for layer, one in zip(self.lateral, given, strict=True)
        )
        middle = middle + interpolate(coarse, scale_factor=2, mode="nearest")
        fine = fine + interpolate(middle, scale_factor=2, mode="nearest")
        levels = [smooth(level).flatten(2) for smooth, level in zip(self.smooth, (fine, middle), strict=True)]
        seen = self.dropout(torch.cat(levels, 2).transpose(1, 2))
        return seen.reshape(scans, count * CELLS, -1)

    def _said(self, words: Words) -> Tensor:
        """(G, S, width): the words that matter, averaged."""
        vectors = words.vectors.to(self.attention.weight.dtype)
        weight = self.attention(vectors)[..., 0].masked_fill(~words.mask, NEVER).softmax(-1)
        return self.sentence((weight[..., None] * vectors).sum(2))


def cells(device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Of one view's cells: (CELLS, 8) where each lies, as the paper says it (its corners, its middle and its
    size, in shares of the picture), (CELLS, 2) its middle in pixels, and (CELLS, 1) its stride.
    """
    places, middles, strides = [], [], []
    size = torch.tensor((WIDTH, HEIGHT), dtype=torch.float32)
    for stride in STRIDES:
        rows, columns = torch.meshgrid(
            torch.arange(HEIGHT // stride), torch.arange(WIDTH // stride), indexing="ij"
        )
        middle = (torch.stack([columns, rows], -1).reshape(-1, 2) + 0.5) * stride
        parts = [2 * (middle + shift * stride) / size - 1 for shift in (-0.5, 0.0, 0.5)]
        places.append(torch.cat([*parts, (stride / size).expand(len(middle), 2)], 1))
        middles.append(middle)
        strides.append(torch.full((len(middle), 1), float(stride)))
    found: Sequence[Tensor] = [torch.cat(each) for each in (places, middles, strides)]
    return found[0].to(device), found[1].to(device), found[2].to(device)


def _smoothing(width: int) -> nn.Sequential:
    """3 x 3, each channel by itself, then 1 x 1: a cell knows its neighbours."""
    return nn.Sequential(
        nn.GroupNorm(8, width),
        nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
        nn.Conv2d(width, width, 1, bias=False),
        nn.GroupNorm(8, width),
        nn.ReLU(),
    )
