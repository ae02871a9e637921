"""Training LDM on whole frames, in the latent space of the autoencoder."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from models.colonoscopy.synthesis.arsdm import denoising_loss, schedule
from models.colonoscopy.synthesis.autoencoder import Autoencoder, label_maps
from models.colonoscopy.synthesis.autoencoder_training import scaled
from models.colonoscopy.synthesis.latent_diffusion import LatentDiffusion
from models.colonoscopy.synthesis.training import SILENT, noised
from models.colonoscopy.synthesis.whole_frames import TrainingFrames, training_frames
from models.core.checkpoints import load_checkpoint
from models.core.training import first_alone, fit

BATCH = 16
RATE = 4e-4
MIRRORS = ((), (-1,), (-2,), (-2, -1))  # the lens's shape is wider than high

Batch = tuple[Tensor, Tensor]


def batches(frames: TrainingFrames, seed: int, batch: int = BATCH) -> Iterator[Batch]:
    """Endless frames (B, 3, S, S) in -1..1 with masks (B, S, S), each mirrored in one of four ways."""
    rng = np.random.default_rng(seed)
    while True:
        rows = rng.integers(len(frames.frames), size=batch)
        shown, masks = scaled(frames.frames[rows]), torch.from_numpy(frames.masks[rows]).float()
        ways = [MIRRORS[way] for way in rng.integers(len(MIRRORS), size=batch)]
        yield (
            torch.stack([frame.flip(way) for frame, way in zip(shown, ways, strict=True)]),
            torch.stack([mask.flip(way) for mask, way in zip(masks, ways, strict=True)]),
        )


class LatentLosses(nn.Module):
    """The v-prediction loss of latents at random times."""

    def __init__(self, autoencoder: Autoencoder) -> None:
        super().__init__()
        self.autoencoder = autoencoder.eval().requires_grad_(False)
        self.schedule = schedule()

    def forward(self, network: nn.Module, batch: Batch, spent: float) -> dict[str, Tensor]:
        """batch: frames (B, 3, S, S) in -1..1 and masks (B, S, S)."""
        frames, masks = batch
        latents = self.autoencoder.encode(frames)
        noisy, times, wanted = noised(self.schedule, latents)
        told = (torch.rand(len(latents), device=latents.device) >= SILENT).float()
        predicted = network(noisy, times, label_maps(masks) * told.view(-1, 1, 1, 1))
        return {"loss": denoising_loss(predicted, wanted)}


@torch.no_grad()
def whole_latents(autoencoder: Autoencoder, frames: TrainingFrames) -> Tensor:
    """Latents of the training frames, in all four ways that each can lie."""
    parts = [scaled(frames.frames[start : start + 64]) for start in range(0, len(frames.frames), 64)]
    return torch.cat([autoencoder.encode(part.flip(way)) for part in parts for way in MIRRORS])


def train_ldm(data: Path, minutes: float, run: str = "colonoscopy_ldm") -> nn.Module:
    """LDM from nothing, in runs/RUN, for `minutes` in total; the averaged network.

    Raises UserError as `load_checkpoint`: the autoencoder is trained before.
    """
    with first_alone():
        frames = training_frames(data)
    autoencoder = load_checkpoint(Autoencoder, "colonoscopy_autoencoder")
    network, done = fit(
        run,
        LatentDiffusion().fit_power(whole_latents(autoencoder, frames)),
        partial(batches, frames),
        LatentLosses(autoencoder),
        rate=RATE,
        minutes=minutes,
    )
    print(run, done, flush=True)
    return network
