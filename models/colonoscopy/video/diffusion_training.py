"""Training the U-Nets of PVDM and LVDM on latents that were encoded once."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from models.colonoscopy.synthesis.training import spread_times
from models.colonoscopy.video import lvdm, pvdm
from models.colonoscopy.video.autoencoder_training import SIZE
from models.colonoscopy.video.base import CLIP
from models.colonoscopy.video.clip_by_clip import ENDING
from models.colonoscopy.video.clip_tensors import as_clips
from models.colonoscopy.video.denoiser import Denoiser, scale_and_shift, schedule
from models.colonoscopy.video.lvdm import VideoUNet
from models.colonoscopy.video.lvdm_autoencoder import LvdmAutoencoder
from models.colonoscopy.video.pvdm import LatentVideoUNet
from models.colonoscopy.video.pvdm_autoencoder import PvdmAutoencoder
from models.core import device
from models.core.checkpoints import load_checkpoint
from models.core.training import RUNS, first_alone, fit, save_half, unwrapped

CLIPS = 1500  # that are encoded
BATCH = 16
RATE = 3e-4
GOES_ON = 0.3  # of PVDM's examples that are told the clip before, as for UCF-101


class NoiseLosses(nn.Module):
    """L1 of the noise that is predicted in clips of latents, as both papers'."""

    def __init__(self, beta_last: float) -> None:
        super().__init__()
        self.schedule = schedule(beta_last)

    def forward(self, network: nn.Module, latents: Tensor, spent: float) -> dict[str, Tensor]:
        """latents: (B, channels, t, h, w), the autoencoder's."""
        return {"loss": self.error(network, unwrapped(network).normalised(latents))}

    def error(self, network: nn.Module, clean: Tensor, *given: Tensor) -> Tensor:
        """Of normalised latents (B, channels, ...), with what else the network is given."""
        times, noise = spread_times(len(clean), clean.device), torch.randn_like(clean)
        predicted = network(self.schedule.add_noise(clean, noise, times), times, *given)
        return l1_loss(predicted.float(), noise)


class ContinuationLosses(NoiseLosses):
    """The same of pairs of clips: the second given the first, else one of the two given nothing."""

    def forward(self, network: nn.Module, latents: Tensor, spent: float) -> dict[str, Tensor]:
        """latents: (B, 2, channels, tokens), the autoencoder's of two clips, one after the other."""
        first, second = (unwrapped(network).normalised(half) for half in latents.unbind(1))
        chance = torch.rand(len(latents), 1, 1, device=latents.device)
        told = (chance < GOES_ON).to(first.dtype)
        alone = (chance > (1 + GOES_ON) / 2).to(first.dtype)  # half of the untold, of the first clip
        return {"loss": self.error(network, alone * first + (1 - alone) * second, told * first)}


@torch.inference_mode()
def pvdm_latents(autoencoder: PvdmAutoencoder, frames: Tensor) -> Tensor:
    """uint8 frames (B, 2T, S, S, 3) as latents (B, 2, channels, tokens)."""
    halves = as_clips(frames).chunk(2, 2)
    return torch.stack([autoencoder.encode(half) for half in halves], 1)


@torch.inference_mode()
def lvdm_latents(autoencoder: LvdmAutoencoder, frames: Tensor) -> Tensor:
    """uint8 frames (B, T, S, S, 3) as latents (B, channels, t, h, w), their mean."""
    return autoencoder.encode(as_clips(frames)).mean


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


def prepared(name: str, latents: Tensor) -> tuple[Denoiser, NoiseLosses]:
    """A new network, "pvdm" or "lvdm", that knows how large latents are, and its losses.

    latents: all that it will learn from, as `pvdm_latents` or `lvdm_latents` give them.
    """
    scale, shift = scale_and_shift(latents.flatten(0, 1) if name == "pvdm" else latents)
    if name == "pvdm":
        of_planes = replace(pvdm.SHIPPED, scale=scale, shift=shift)
        return LatentVideoUNet(of_planes), ContinuationLosses(of_planes.beta_last)
    of_clips = replace(lvdm.SHIPPED, scale=scale, shift=shift)
    return VideoUNet(of_clips), NoiseLosses(of_clips.beta_last)


def train(name: str, data: Path, minutes: float, out: Path) -> None:
    """Train "pvdm" or "lvdm" from nothing, in runs/NAME, for `minutes` in total.

    The averaged network goes to `out` in fp16. Raises UserError as `load_checkpoint`: the autoencoder is
    trained before.
    """
    from models.colonoscopy.video.clips import batches as clips

    kind, encode, frames = (
        (PvdmAutoencoder, pvdm_latents, 2 * CLIP) if name == "pvdm" else (LvdmAutoencoder, lvdm_latents, CLIP)
    )
    autoencoder: Any = load_checkpoint(kind, name + ENDING)
    with first_alone():
        drawn = clips(data, SIZE, 1, frames, 0)
        latents = encoded(
            RUNS / f"{name}_latents.npz",
            lambda one: encode(autoencoder, one.to(autoencoder.device)),
            drawn,
            CLIPS,
        )
    network, losses = prepared(name, latents)
    average, done = fit(name, network, partial(batches, latents), losses, rate=RATE, minutes=minutes)
    print(name, done, flush=True)
    save_half(average, out)
