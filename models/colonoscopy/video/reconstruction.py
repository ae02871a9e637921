"""What the films' autoencoders keep of a clip: each draws it again from its latents."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor, nn

from models.colonoscopy.data.images import Frame
from models.colonoscopy.synthesis.autoencoder import Autoencoder
from models.colonoscopy.synthesis.latent_diffusion import SIZE as FRAME
from models.colonoscopy.video.clip_tensors import as_clips, as_frames
from models.colonoscopy.video.projected import ProjectedAutoencoder
from models.colonoscopy.video.reference_clips import held_out, real_clips
from models.core import device
from models.core.checkpoints import is_here, load_checkpoint

CLIPS = 20  # of each kind
SIZE = 128  # of the clips that are looked at
PLANES = "pvdm_autoencoder"

Rows = list[dict[str, Any]]
Again = Callable[[Sequence[Frame]], list[Frame]]


def reconstruction(data: Path) -> Rows:
    """PSNR and SSIM of the autoencoders that ship."""
    rows = []
    for name, (size, again) in {"last frame repeated": (SIZE, _repeated), **autoencoders()}.items():
        sets = {
            "made": [list(one.frames) for one in held_out(data, size, CLIPS)],
            "real": real_clips(data, size)[::3],
        }
        for kind, clips in sets.items():
            both = [(np.stack(clip), np.stack(again(clip))) for clip in clips]
            pairs = [(a, b) for clip, drawn in both for a, b in zip(clip, drawn, strict=True)]
            rows.append(
                {
                    "autoencoder": name,
                    "pixels": size,
                    "clips": kind,
                    "PSNR": f"{np.mean([peak_signal_noise_ratio(*one) for one in both]):.2f}",
                    "SSIM": f"{np.mean([structural_similarity(a, b, channel_axis=2) for a, b in pairs]):.3f}",
                    "n": len(clips),
                }
            )
    return rows


def _repeated(clip: Sequence[Frame]) -> list[Frame]:
    return [clip[-1]] * len(clip)


def autoencoders() -> dict[str, tuple[int, Again]]:
    """Those that are here: the size each sees, and from clip to clip, of 16 frames.

    LVDM's is LDM's, frame by frame; PVDM's sees what that one makes of them. Its planes alone are the
    baseline of its transformers.
    """
    ways: dict[str, Callable[[], Callable[[Tensor], Tensor]]] = {"LVDM's": nn.Identity}
    if is_here(PLANES):
        ways["PVDM's, untrained"] = lambda: ProjectedAutoencoder().to(device.best()).eval()
        ways["PVDM's"] = lambda: load_checkpoint(ProjectedAutoencoder, PLANES)
    return {title: (FRAME, _by_latents(way())) for title, way in ways.items()}


def _by_latents(through: Callable[[Tensor], Tensor]) -> Again:
    """through: what becomes of the latents (1, channels, T, h, w) of a clip's frames."""
    autoencoder = load_checkpoint(Autoencoder, "colonoscopy_autoencoder")

    @torch.inference_mode()
    def again(clip: Sequence[Frame]) -> list[Frame]:
        latents = torch.cat([autoencoder.encode(one) for one in _pixels(clip)[0].transpose(0, 1).split(1)])
        latents = through(latents.transpose(0, 1)[None])[0].transpose(0, 1)
        drawn = torch.cat([autoencoder.decode(one) for one in latents.split(1)])
        return list(as_frames(drawn.transpose(0, 1)[None]))

    return again


def _pixels(clip: Sequence[Frame]) -> Tensor:
    return as_clips(torch.from_numpy(np.stack(clip))[None]).to(device.best())
