"""Training the autoencoders of PVDM and LVDM: to draw a clip again, true in its pixels and to the eye.

As both papers' first stage, without the adversary of their second; LVDM's weight on the divergence from a
standard normal is 0 in the release.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from models.colonoscopy.video.base import CLIP
from models.colonoscopy.video.clip_tensors import as_clips
from models.colonoscopy.video.lvdm_autoencoder import LvdmAutoencoder
from models.colonoscopy.video.pvdm_autoencoder import PvdmAutoencoder
from models.core.perceptual import PerceptualLoss
from models.core.training import fit, save_half

KINDS: dict[str, type[PvdmAutoencoder | LvdmAutoencoder]] = {
    "pvdm_autoencoder": PvdmAutoencoder,
    "lvdm_autoencoder": LvdmAutoencoder,
}
SIZE, CROP = 128, 64  # of the frames; of the squares that LVDM's learns from
BATCH = 2
RATE = 1e-3
PERCEPTUAL = 0.2


class AutoencoderLosses(nn.Module):
    """L1 of the whole clip, and the perceptual loss of one frame of it, as PVDM's."""

    def __init__(self) -> None:
        super().__init__()
        self.perceptual = PerceptualLoss().load_vgg16()

    def forward(self, network: nn.Module, frames: Tensor, spent: float) -> dict[str, Tensor]:
        """frames: uint8 (B, T, S, S, 3)."""
        wanted = as_clips(frames)
        drawn = network(wanted).float()
        rows = torch.arange(len(wanted), device=wanted.device)
        at = torch.randint(wanted.shape[2], (len(wanted),), device=wanted.device)
        found = {
            "l1": l1_loss(drawn, wanted),
            "perceptual": self.perceptual(drawn[rows, :, at], wanted[rows, :, at]),
        }
        return {"loss": found["l1"] + PERCEPTUAL * found["perceptual"], **found}


def crops(clips: Iterator[Tensor], seed: int) -> Iterator[Tensor]:
    """Squares of CROP pixels: a network of convolutions alone learns as much from a quarter of the work."""
    rng = np.random.default_rng(seed)
    for frames in clips:
        top, left = rng.integers(SIZE - CROP + 1, size=2)
        yield frames[:, :, top : top + CROP, left : left + CROP]


def train(name: str, data: Path, minutes: float, out: Path) -> None:
    """One of KINDS from nothing, in runs/NAME, for `minutes` in total; the average goes to `out` in fp16."""
    from models.colonoscopy.video.clips import batches as clips

    def batches(seed: int) -> Iterator[Tensor]:
        whole = clips(data, SIZE, BATCH, CLIP, seed)
        return crops(whole, seed) if name == "lvdm_autoencoder" else whole

    network, done = fit(name, KINDS[name](), batches, AutoencoderLosses(), rate=RATE, minutes=minutes)
    print(name, done, flush=True)
    save_half(network, out)
