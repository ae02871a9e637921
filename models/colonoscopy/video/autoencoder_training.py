"""Training PVDM's autoencoder: to draw a clip again, true in its pixels and to the eye.

As the paper's first stage, without the adversary of its second.
"""

from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from models.colonoscopy.video.base import CLIP
from models.colonoscopy.video.clip_tensors import as_clips
from models.colonoscopy.video.pvdm_autoencoder import PvdmAutoencoder
from models.core.perceptual import PerceptualLoss
from models.core.training import fit, save_half

NAME = "pvdm_autoencoder"
SIZE = 128  # of the frames
BATCH = 2
RATE = 1e-3
PERCEPTUAL = 0.2


class AutoencoderLosses(nn.Module):
    """L1 of the whole clip, and the perceptual loss of one frame of it."""

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


def train(data: Path, minutes: float, out: Path) -> None:
    """From nothing, in runs/NAME, for `minutes` in total; the average goes to `out` in fp16."""
    from models.colonoscopy.video.clips import batches as clips

    drawn = partial(clips, data, SIZE, BATCH, CLIP)
    network, done = fit(NAME, PvdmAutoencoder(), drawn, AutoencoderLosses(), rate=RATE, minutes=minutes)
    print(NAME, done, flush=True)
    save_half(network, out)
