"""Training the cascade's base on whole frames of four clinics."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from models.colonoscopy.synthesis.arsdm import (
    adaptive_weights,
    clean_estimate,
    denoising_loss,
    refinement_loss,
)
from models.colonoscopy.synthesis.cascade import (
    ANY,
    SMALL,
    STEPS,
    BaseSdm,
    cosine_schedule,
    small_label,
)
from models.colonoscopy.synthesis.super_resolution import enlarged
from models.colonoscopy.synthesis.whole_frames import SIZE, TrainingFrames, training_frames
from models.core.training import first_alone, fit

BATCH = 32
RATE = 6e-4
BASE_RUN = "cascade_base"
REFINEMENT = 0.005  # weight of the segmenter's loss
SILENT = 0.1  # of the samples come without their mask, and as many without their look, for guidance

Batch = tuple[Tensor, Tensor, Tensor, Tensor]


def small_frames(frames: TrainingFrames, size: int = SMALL) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Frames (N, 3, size, size) in -1..1, label maps (N, 2, size, size), seen (N, 1, size, size), looks."""
    images, labels, seen = [], [], []
    for at in range(0, len(frames.frames), 64):
        pixels = torch.from_numpy(frames.frames[at : at + 64]).permute(0, 3, 1, 2).float() / 127.5 - 1
        images.append(adaptive_avg_pool2d(pixels, size))
        labels.append(small_label(torch.from_numpy(frames.masks[at : at + 64]).float(), size))
        seen.append(adaptive_avg_pool2d(torch.from_numpy(frames.seen[at : at + 64]).float()[:, None], size))
    return torch.cat(images), torch.cat(labels), torch.cat(seen), torch.from_numpy(frames.looks)


def batches(rows: tuple[Tensor, Tensor, Tensor, Tensor], seed: int, batch: int = BATCH) -> Iterator[Batch]:
    """Endless batches, each frame mirrored in one of four ways: the lens's shape is wider than high."""
    images, labels, seen, looks = rows
    rng = np.random.default_rng(seed)
    while True:
        order = rng.permutation(len(images))
        for at in range(0, len(order) - batch + 1, batch):
            chosen = torch.from_numpy(order[at : at + batch])
            found = [images[chosen], labels[chosen], seen[chosen]]
            for dim in (-1, -2):
                flip = torch.from_numpy(rng.random(batch) < 0.5).view(-1, 1, 1, 1)
                found = [torch.where(flip, part.flip(dim), part) for part in found]
            yield found[0], found[1], found[2], looks[chosen]


def spread_times(count: int, where: torch.device) -> Tensor:
    """One random time from each of `count` equal parts: less luck in a batch's loss."""
    return ((torch.arange(count, device=where) + torch.rand(count, device=where)) / count * STEPS).long()


def noised(schedule: DDPMScheduler | DDIMScheduler, clean: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Images (B, ...) under noise at random times, those times (B,), and the v that is to be predicted."""
    times = spread_times(len(clean), clean.device)
    noise = torch.randn_like(clean)
    return (
        schedule.add_noise(clean, noise, times),
        times,
        schedule.get_velocity(clean, noise, times),
    )


class BaseLosses(nn.Module):
    """The v-prediction loss of a batch at random times, where pixels are true.

    adaptive: weigh places by the polyp's share. segment: a frozen segmenter to refine against, which takes
    frames (B, 3, H, W), 0 to 1, to logits (B, 1, H, W); None for no refinement. It sees the estimate at 32
    pixels enlarged to its own size, in which it still finds polyps: Dice .77 on real frames that were made
    so small, .87 on the frames themselves (kvasir_test, every third).
    """

    def __init__(self, *, adaptive: bool = False, segment: nn.Module | None = None) -> None:
        super().__init__()
        self.adaptive = adaptive
        self.segment = segment
        self.schedule = cosine_schedule()

    def forward(self, network: nn.Module, batch: Batch, spent: float) -> dict[str, Tensor]:
        """batch: see `small_frames`; the label's second map is the polyp's share of each pixel."""
        clean, label, seen, look = batch
        count = len(clean)
        noisy, times, wanted = noised(self.schedule, clean)
        told = (torch.rand(count, device=clean.device) >= SILENT).float()
        look = torch.where(torch.rand(count, device=clean.device) >= SILENT, look, torch.full_like(look, ANY))
        predicted = network(noisy, times, label * told.view(-1, 1, 1, 1), look)
        weights = seen * adaptive_weights(label[:, 1:]) if self.adaptive else seen
        found = {"loss": denoising_loss(predicted, wanted, weights)}
        if self.segment is not None:
            found["polyp"] = self._refinement(noisy, times, predicted, label, told)
            found["v"], found["loss"] = found["loss"].detach(), found["loss"] + REFINEMENT * found["polyp"]
        return found

    def _refinement(
        self, noisy: Tensor, times: Tensor, predicted: Tensor, label: Tensor, told: Tensor
    ) -> Tensor:
        """ArSDM's refinement on some rows: early estimates show no polyp yet, late ones that of the noise."""
        assert self.segment is not None
        rows = torch.arange(len(times) // 4, 3 * len(times) // 4, 2, device=times.device)
        kept = self.schedule.alphas_cumprod.to(times.device)[times[rows]]
        drawn = clean_estimate(noisy[rows], predicted[rows].float(), kept)
        frames = (enlarged(drawn, SIZE // SMALL).clamp(-1, 1) + 1) / 2
        masks = enlarged(label[rows, 1:], SIZE // SMALL).clamp(0, 1).round()
        return refinement_loss(frames, masks, self.segment, kept * told[rows])


def train_base(data: Path, minutes: float, steps: int = 0, run: str = BASE_RUN) -> nn.Module:
    """The base from nothing, in runs/RUN, for `minutes` or `steps` in total; the averaged network."""
    with first_alone():
        rows = small_frames(training_frames(data))
    network, done = fit(
        run,
        BaseSdm().fit_gaussian(rows[0]),
        partial(batches, rows),
        BaseLosses(),
        rate=RATE,
        minutes=minutes,
        steps=steps,
    )
    print(run, done, flush=True)
    return network
