"""Training what the autoencoder adds to its components: joins between patches, and sharpness.

As latent diffusion's autoencoders are trained: with a perceptual loss and a judge of patches. Latents carry
noise, so that the decoder forgives what a sampler leaves.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.colonoscopy.synthesis.autoencoder import Autoencoder
from models.colonoscopy.synthesis.picture_losses import PictureLosses, train_restorer
from models.colonoscopy.synthesis.whole_frames import SIZE, TrainingFrames
from models.core.training import unwrapped

NAME = "colonoscopy_autoencoder"
CROP = 96
BATCH = 4
RATE = 1e-3
NOISE = 0.4  # at most, of latents of unit size


class RepairLosses(PictureLosses):
    """Those of frames that were encoded, and drawn again from latents under noise."""

    def __init__(self) -> None:
        super().__init__(RATE)

    def __call__(self, network: nn.Module, frames: Tensor, spent: float) -> dict[str, Tensor]:
        """frames: (B, 3, H, W) in -1..1."""
        with torch.no_grad():
            latents = unwrapped(network).encode(frames)
            strength = NOISE * torch.rand(len(frames), 1, 1, 1, device=latents.device)
            latents = latents + strength * torch.randn_like(latents)
        return self.losses(network(latents).float(), frames, spent)


def scaled(frames: NDArray[np.uint8]) -> Tensor:
    """uint8 frames (B, H, W, 3) as (B, 3, H, W) in -1..1."""
    return torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 127.5 - 1


def crops(frames: TrainingFrames, seed: int) -> Iterator[Tensor]:
    """Endless batches of random squares of CROP pixels, turned any way, cut anywhere."""
    rng = np.random.default_rng(seed)
    while True:
        rows, at = (
            rng.integers(len(frames.frames), size=BATCH),
            rng.integers(SIZE - CROP + 1, size=(BATCH, 2)),
        )
        cut = [frames.frames[i, y : y + CROP, x : x + CROP] for i, (y, x) in zip(rows, at, strict=True)]
        shown = scaled(np.stack([np.rot90(one, int(rng.integers(4))) for one in cut]))
        yield shown.flip(-1) if rng.random() < 0.5 else shown


def train_autoencoder(data: Path, minutes: float, run: str = NAME) -> nn.Module:
    """Fit the components and train the repair for `minutes` in total; the averaged autoencoder."""
    return train_restorer(
        run,
        lambda frames: Autoencoder().fit_components(scaled(frames.frames[::4])),
        crops,
        RepairLosses(),
        data,
        minutes,
    )
