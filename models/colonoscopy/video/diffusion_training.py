"""Training PVDM's U-Net on latents that were encoded once."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from models.colonoscopy.synthesis.training import spread_times
from models.colonoscopy.video import pvdm
from models.colonoscopy.video.autoencoder_training import SIZE
from models.colonoscopy.video.base import CLIP
from models.colonoscopy.video.clip_by_clip import ENDING
from models.colonoscopy.video.clip_tensors import as_clips
from models.colonoscopy.video.denoiser import scale_and_shift, schedule
from models.colonoscopy.video.pvdm import LatentVideoUNet
from models.colonoscopy.video.pvdm_autoencoder import PvdmAutoencoder
from models.core import device
from models.core.checkpoints import load_checkpoint
from models.core.training import RUNS, first_alone, fit, save_half, unwrapped

NAME = "pvdm"
CLIPS = 1500  # that are encoded
BATCH = 16
RATE = 3e-4
GOES_ON = 0.3  # of PVDM's examples that are told the clip before, as for UCF-101


class ContinuationLosses(nn.Module):
    """L1 of the noise in pairs of clips: the second given the first, else one of the two given nothing."""

    def __init__(self, beta_last: float) -> None:
        super().__init__()
        self.schedule = schedule(beta_last)

    def forward(self, network: nn.Module, latents: Tensor, spent: float) -> dict[str, Tensor]:
        """latents: (B, 2, channels, tokens), the autoencoder's of two clips, one after the other."""
        first, second = (unwrapped(network).normalised(half) for half in latents.unbind(1))
        chance = torch.rand(len(latents), 1, 1, device=latents.device)
        told = (chance < GOES_ON).to(first.dtype)
        alone = (chance > (1 + GOES_ON) / 2).to(first.dtype)  # half of the untold, of the first clip
        clean = alone * first + (1 - alone) * second
        times, noise = spread_times(len(clean), clean.device), torch.randn_like(clean)
        predicted = network(self.schedule.add_noise(clean, noise, times), times, told * first)
        return {"loss": l1_loss(predicted.float(), noise)}


@torch.inference_mode()
def pvdm_latents(autoencoder: PvdmAutoencoder, frames: Tensor) -> Tensor:
    """uint8 frames (B, 2T, S, S, 3) as latents (B, 2, channels, tokens)."""
    halves = as_clips(frames).chunk(2, 2)
    return torch.stack([autoencoder.encode(half) for half in halves], 1)


def encoded(file: Path, encode: Callable[[Tensor], Tensor], clips: Iterable[Tensor], count: int) -> Tensor:
    """Latents of `count` clips in fp16, encoded once and kept in a file (.npz).

    clips: batches of uint8 frames (B, T, S, S, 3).
    """
    if not file.exists():
        found: list[Tensor] = []
        for frames in clips:
            with torch.autocast("cpu", torch.bfloat16, enabled=device.bf16("cpu")):
                found.extend(encode(frames).cpu().half())
            if len(found) >= count:
                break
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part.npz")
        np.savez(part, latents=torch.stack(found[:count]).numpy())
        part.replace(file)
    with np.load(file) as kept:
        return torch.from_numpy(kept["latents"])


def batches(latents: Tensor, seed: int, batch: int = BATCH) -> Iterator[Tensor]:
    """Endless random rows of latents."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield latents[torch.randint(len(latents), (batch,), generator=generator)].float()


def prepared(latents: Tensor) -> tuple[LatentVideoUNet, ContinuationLosses]:
    """A new network that knows how large latents are, and its losses.

    latents: all that it will learn from, as `pvdm_latents` gives them.
    """
    scale, shift = scale_and_shift(latents.flatten(0, 1))
    of_planes = replace(pvdm.SHIPPED, scale=scale, shift=shift)
    return LatentVideoUNet(of_planes), ContinuationLosses(of_planes.beta_last)


def train(data: Path, minutes: float, out: Path) -> None:
    """PVDM from nothing, in runs/pvdm, for `minutes` in total; the average goes to `out` in fp16.

    Raises UserError as `load_checkpoint`: the autoencoder is trained before.
    """
    from models.colonoscopy.video.clips import batches as clips

    autoencoder: PvdmAutoencoder = load_checkpoint(PvdmAutoencoder, NAME + ENDING)
    with first_alone():
        latents = encoded(
            RUNS / "pvdm_latents.npz",
            lambda one: pvdm_latents(autoencoder, one.to(autoencoder.device)),
            clips(data, SIZE, 1, 2 * CLIP, 0),
            CLIPS,
        )
    network, losses = prepared(latents)
    average, done = fit(NAME, network, partial(batches, latents), losses, rate=RATE, minutes=minutes)
    print(NAME, done, flush=True)
    save_half(average, out)
