"""Training the cascade's last stage: 128 to 256 pixels, with a perceptual loss and a judge of patches."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from models.colonoscopy.synthesis.picture_losses import PictureLosses, train_restorer
from models.colonoscopy.synthesis.super_resolution import Sharpener
from models.colonoscopy.synthesis.whole_frames import SIZE, TrainingFrames

CROP = 96
BATCH = 4
RATE = 5e-4
NOISE = 0.03  # at most, on the small crop: a sampler leaves some

Crops = tuple[Tensor, Tensor]


def crops(frames: TrainingFrames, seed: int) -> Iterator[Crops]:
    """Endless crops (B, 3, CROP, CROP) in -1..1 turned any way, and their halves under a little noise."""
    rng = np.random.default_rng(seed)
    while True:
        cut: list[Tensor] = []
        while len(cut) < BATCH:
            row, (y, x) = rng.integers(len(frames.frames)), rng.integers((SIZE - CROP) // 2 + 1, size=2) * 2
            if frames.seen[row, y : y + CROP, x : x + CROP].mean() < 0.97:
                continue
            crop = torch.from_numpy(frames.frames[row, y : y + CROP, x : x + CROP]).permute(2, 0, 1)
            crop = crop.rot90(int(rng.integers(4)), (-2, -1))
            cut.append(crop.flip(-1) if rng.random() < 0.5 else crop)
        wanted = torch.stack(cut).float() / 127.5 - 1
        small = avg_pool2d(wanted, 2)
        noise = NOISE * torch.from_numpy(rng.random((BATCH, 1, 1, 1))).float()
        yield small + noise * torch.randn_like(small), wanted


class SharpenerLosses(PictureLosses):
    """Those of a crop made twice as large."""

    def __init__(self) -> None:
        super().__init__(RATE)

    def __call__(self, network: nn.Module, batch: Crops, spent: float) -> dict[str, Tensor]:
        """batch: see `crops`."""
        small, wanted = batch
        return self.losses(network(small).float(), wanted, spent)


def train_sharpener(data: Path, minutes: float, steps: int = 0, run: str = "cascade_sharpener") -> nn.Module:
    """The last stage from nothing, in runs/RUN, for `minutes` or `steps` in total; the averaged network."""
    return train_restorer(run, lambda _: Sharpener(), crops, SharpenerLosses(), data, minutes, steps)
