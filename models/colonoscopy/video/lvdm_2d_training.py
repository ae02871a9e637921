"""Training LVDM's 2D variant on made clips, from LDM's weights."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from models.colonoscopy.synthesis.arsdm import denoising_loss, schedule
from models.colonoscopy.synthesis.autoencoder import FACTOR, Autoencoder, label_maps
from models.colonoscopy.synthesis.latent_diffusion import SIZE, LatentDiffusion
from models.colonoscopy.synthesis.training import noised
from models.colonoscopy.synthesis.whole_frames import training_frames
from models.colonoscopy.video.base import CLIP
from models.colonoscopy.video.clip_tensors import as_clips
from models.colonoscopy.video.clips import Clip, made_clips
from models.colonoscopy.video.lvdm_2d import LVDM_2D, ClipDiffusion, known
from models.core.checkpoints import load_checkpoint
from models.core.training import RUNS, first_alone, fit, save_half

CLIPS = 1500  # that are encoded
BATCH = 1
RATE = 2e-4
SILENT = 0.5  # share of the clips that are told no mask
BEGINNINGS = (0, 0, 1, CLIP // 2)  # how many frames are known, each as often

Batch = tuple[Tensor, Tensor]


@torch.inference_mode()
def encoded(autoencoder: Autoencoder, clip: Clip) -> Batch:
    """A clip of SIZE pixels as latents (T, channels, h, w) and label maps (T, labels, h, w)."""
    frames = as_clips(torch.from_numpy(clip.frames)[None])[0].transpose(0, 1).to(autoencoder.device)
    masks = torch.from_numpy(clip.masks).float().to(autoencoder.device)
    return autoencoder.encode(frames).cpu(), label_maps(masks).cpu()


def encoded_clips(data: Path, count: int, file: Path, frames: int = CLIP) -> Batch:
    """Latents and label maps of made clips (count, frames, ...), made once and kept in a file (.npz)."""
    if not file.exists():
        autoencoder = load_checkpoint(Autoencoder, "colonoscopy_autoencoder")
        clips = made_clips(training_frames(data), frames, SIZE, seed=0)
        side = SIZE // FACTOR
        latents = np.empty((count, frames, LVDM_2D.channels, side, side), np.float16)
        labels = np.empty((count, frames, LVDM_2D.labels, side, side), np.float16)
        for row in range(count):
            latents[row], labels[row] = encoded(autoencoder, next(clips))
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part.npz")
        np.savez(part, latents=latents, labels=labels)
        part.replace(file)
    with np.load(file) as kept:
        return torch.from_numpy(kept["latents"]), torch.from_numpy(kept["labels"])


def batches(latents: Tensor, labels: Tensor, seed: int, batch: int = BATCH) -> Iterator[Batch]:
    """Endless random clips with their label maps."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        rows = torch.randint(len(latents), (batch,), generator=generator)
        yield latents[rows].float(), labels[rows].float()


class ClipLosses(nn.Module):
    """The v-prediction loss of clips at random times, of the frames that aren't known."""

    def __init__(self) -> None:
        super().__init__()
        self.schedule = schedule()

    def forward(self, network: nn.Module, batch: Batch, spent: float) -> dict[str, Tensor]:
        """batch: see `batches`."""
        clean, labels = batch
        noisy, times, wanted = noised(self.schedule, clean)
        which = torch.randint(len(BEGINNINGS), (len(clean),), device=clean.device)
        told = known(clean, torch.tensor(BEGINNINGS, device=clean.device)[which])
        heard = (torch.rand(len(clean), device=clean.device) >= SILENT).float()
        predicted = network(noisy, times, labels * heard.view(-1, 1, 1, 1, 1), told)
        open_ = 1 - told[:, :, -1:].flatten(0, 1)
        return {"loss": denoising_loss(predicted.flatten(0, 1), wanted.flatten(0, 1), open_ / open_.mean())}


def train(data: Path, minutes: float, out: Path) -> None:
    """LVDM's 2D variant in runs/lvdm for `minutes` in total; the average goes to `out` in fp16.

    Raises UserError as `load_checkpoint`: LDM and its autoencoder are trained before.
    """
    with first_alone():
        latents, labels = encoded_clips(data, CLIPS, RUNS / "lvdm_latents.npz")
    network = ClipDiffusion().begin_as(load_checkpoint(LatentDiffusion, "ldm")).fit_power(latents)
    average, done = fit(
        "lvdm", network, partial(batches, latents, labels), ClipLosses(), rate=RATE, minutes=minutes
    )
    print("lvdm", done, flush=True)
    save_half(average, out)
