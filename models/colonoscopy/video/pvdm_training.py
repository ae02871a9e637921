"""Training PVDM's autoencoder and U-Net on LDM's latents of made clips."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from models.colonoscopy.synthesis.arsdm import denoising_loss, schedule
from models.colonoscopy.synthesis.latent_diffusion import LatentDiffusion
from models.colonoscopy.synthesis.training import noised
from models.colonoscopy.video.base import CLIP
from models.colonoscopy.video.clip_by_clip import ENDING
from models.colonoscopy.video.lvdm_2d_training import encoded_clips
from models.colonoscopy.video.projected import PlaneDiffusion, ProjectedAutoencoder, ending
from models.core.checkpoints import load_checkpoint
from models.core.training import RUNS, first_alone, fit, save_half

NAME = "pvdm"
CLIPS = 700  # that are encoded, each twice as long as one that is drawn
BATCH, PLANES_BATCH = 2, 4
RATE = 1e-3
PLANES_RATE = 3e-4
GOES_ON = 0.5  # of the examples are told the clip before

Pair = tuple[Tensor, Tensor]


def clips(latents: Tensor, seed: int, batch: int = BATCH) -> Iterator[Tensor]:
    """Endless clips (B, channels, CLIP, h, w) out of longer ones (N, T, channels, h, w), forth or back."""
    rng = np.random.default_rng(seed)
    while True:
        rows = rng.integers(len(latents), size=batch)
        starts = rng.integers(latents.shape[1] - CLIP + 1, size=batch)
        chosen = [latents[row, at : at + CLIP] for row, at in zip(rows, starts, strict=True)]
        yield (
            torch.stack([one.flip(0) if rng.random() < 0.5 else one for one in chosen])
            .float()
            .transpose(1, 2)
        )


class ReconstructionLosses(nn.Module):
    """L1 of the latents. Their components are scaled so that what the eye sees first counts most."""

    def forward(self, network: nn.Module, clean: Tensor, spent: float) -> dict[str, Tensor]:
        """clean: see `clips`."""
        return {"loss": l1_loss(network(clean).float(), clean)}


@torch.inference_mode()
def planes(autoencoder: ProjectedAutoencoder, latents: Tensor) -> Pair:
    """Of pairs of clips (N, 2 CLIP, channels, h, w), every second one backwards: see `PlaneDiffusion`."""
    before, after = [], []
    for row, one in enumerate(latents):
        halves = (one.flip(0) if row % 2 else one).float().transpose(0, 1).split(CLIP, 1)
        first, second = autoencoder.encode(torch.stack(halves).to(autoencoder.device)).split(1)
        before.append(ending(first, autoencoder.decode(first)[:, :, -1]).cpu())
        after.append(second.cpu())
    return torch.cat(before), torch.cat(after)


def batches(pairs: Pair, seed: int, batch: int = PLANES_BATCH) -> Iterator[Pair]:
    """Endless planes with those before them."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        rows = torch.randint(len(pairs[0]), (batch,), generator=generator)
        yield pairs[0][rows], pairs[1][rows]


class ContinuationLosses(nn.Module):
    """The v-prediction loss of planes at random times, told the clip before or not: PVDM's joint training."""

    def __init__(self) -> None:
        super().__init__()
        self.schedule = schedule()

    def forward(self, network: nn.Module, batch: Pair, spent: float) -> dict[str, Tensor]:
        """batch: see `batches`."""
        before, clean = batch
        noisy, times, wanted = noised(self.schedule, clean)
        told = (torch.rand(len(clean), device=clean.device) < GOES_ON).float()
        return {"loss": denoising_loss(network(noisy, times, before, told), wanted)}


def _latents(data: Path) -> Tensor:
    with first_alone():
        return encoded_clips(data, CLIPS, RUNS / "pvdm_latents.npz", 2 * CLIP)[0]


def train_autoencoder(data: Path, minutes: float, out: Path) -> None:
    """PVDM's autoencoder, in its run, for `minutes` in total; the average goes to `out` in fp16."""
    drawn = partial(clips, _latents(data))
    name = NAME + ENDING
    network, done = fit(
        name, ProjectedAutoencoder(), drawn, ReconstructionLosses(), rate=RATE, minutes=minutes
    )
    print(name, done, flush=True)
    save_half(network, out)


def train(data: Path, minutes: float, out: Path) -> None:
    """PVDM's U-Net in runs/pvdm for `minutes` in total; the average goes to `out` in fp16.

    Raises UserError as `load_checkpoint`: LDM and the autoencoder are trained before.
    """
    pairs = planes(load_checkpoint(ProjectedAutoencoder, NAME + ENDING), _latents(data))
    network = PlaneDiffusion().begin_as(load_checkpoint(LatentDiffusion, "ldm")).fit_power(*pairs)
    average, done = fit(
        NAME, network, partial(batches, pairs), ContinuationLosses(), rate=PLANES_RATE, minutes=minutes
    )
    print(NAME, done, flush=True)
    save_half(average, out)
