"""Training the cascade's super-resolution: 32 to 128 pixels, by a perceptual loss and a judge of patches."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, l1_loss

from models.colonoscopy.synthesis.picture_losses import PictureLosses, train_restorer
from models.colonoscopy.synthesis.super_resolution import AUGMENTED, FACTOR, MIDDLE, Upscaler
from models.colonoscopy.synthesis.whole_frames import TrainingFrames

CROP = 96
BATCH = 4
RATE = 5e-4
SHARE = 1.0  # of the judge: most of what is asked for is not in the small frame
CONSISTENT = 1.0  # weight of the difference at the small size, which is known

Crops = tuple[Tensor, Tensor, Tensor, Tensor]


def crops(frames: TrainingFrames, seed: int) -> Iterator[Crops]:
    """Endless crops: small ones under noise (B, 3, CROP / 4, ...), how much of it (B,), polyps, large."""
    rng = np.random.default_rng(seed)
    halves = np.stack(
        [cv2.resize(frame, (MIDDLE, MIDDLE), interpolation=cv2.INTER_AREA) for frame in frames.frames]
    )
    masks, seen = frames.masks[:, ::2, ::2], frames.seen[:, ::2, ::2]
    while True:
        cut: list[Tensor] = []
        polyps: list[Tensor] = []
        while len(cut) < BATCH:
            row, (y, x) = rng.integers(len(halves)), rng.integers((MIDDLE - CROP) // 4 + 1, size=2) * 4
            if seen[row, y : y + CROP, x : x + CROP].mean() < 0.97:
                continue
            crop = torch.from_numpy(halves[row, y : y + CROP, x : x + CROP]).permute(2, 0, 1)
            polyp = torch.from_numpy(masks[row, y : y + CROP, x : x + CROP]).to(torch.uint8)[None]
            both = torch.cat([crop, polyp]).rot90(int(rng.integers(4)), (-2, -1))
            both = both.flip(-1) if rng.random() < 0.5 else both
            cut.append(both[:3])
            polyps.append(both[3:])
        wanted = torch.stack(cut).float() / 127.5 - 1
        small = avg_pool2d(wanted, FACTOR)
        level = AUGMENTED * torch.from_numpy(rng.random(BATCH)).float() ** 2
        yield (
            small + level.view(-1, 1, 1, 1) * torch.randn_like(small),
            level,
            torch.stack(polyps).float(),
            wanted,
        )


class UpscalerLosses(PictureLosses):
    """Those of a crop made four times as large."""

    def __init__(self) -> None:
        super().__init__(RATE, SHARE)

    def __call__(self, network: nn.Module, batch: Crops, spent: float) -> dict[str, Tensor]:
        """batch: see `crops`."""
        small, level, polyp, wanted = batch
        drawn = network(small, polyp, level).float()
        found = self.losses(drawn, wanted, spent)
        known = l1_loss(avg_pool2d(drawn, FACTOR), avg_pool2d(wanted, FACTOR))
        return {**found, "known": known, "loss": found["loss"] + CONSISTENT * known}


def train_upscaler(data: Path, minutes: float, steps: int = 0, run: str = "cascade_upscaler") -> nn.Module:
    """Super-resolution from nothing, in runs/RUN, for `minutes` or `steps` in total; the averaged network."""
    return train_restorer(run, lambda _: Upscaler(), crops, UpscalerLosses(), data, minutes, steps)
