"""The cascade's second stage: LDM draws what a small frame lacks, from a time at which that is still seen.

A frame of 32 pixels is, enlarged, what the latents' first components say. Under noise LDM takes it for a
frame that is half drawn, and goes on from there under the mask (SDEdit; Meng et al., ICLR 2022): folds,
vessels and highlights come from it, composition, palette and the polyp's place from the small frame. What is
known of a frame already is put into every estimate, so around a hole it stays.
"""

from collections.abc import Iterator
from functools import cache

import torch
from diffusers import DDIMScheduler
from torch import Tensor
from torch.nn.functional import max_pool2d

from models.colonoscopy.synthesis.arsdm import clean_estimate, schedule, v_of
from models.colonoscopy.synthesis.autoencoder import FACTOR, Autoencoder, label_maps
from models.colonoscopy.synthesis.denoising import Predict, denoise, guided
from models.colonoscopy.synthesis.latent_diffusion import SIZE, LatentDiffusion
from models.colonoscopy.synthesis.super_resolution import enlarged
from models.core.checkpoints import load_checkpoint

SINCE, STEPS = 600, 10  # of the schedule's 1,000 times; how often the network is asked
GUIDANCE = 3.0


class LatentDetail:
    """Small frames (1, 3, h, h) in -1..1 become frames (1, 3, SIZE, SIZE)."""

    def __init__(self, unet: LatentDiffusion, autoencoder: Autoencoder) -> None:
        self.unet, self.autoencoder = unet.eval(), autoencoder.eval()
        self.schedule = schedule()

    def __call__(
        self,
        small: Tensor,
        mask: Tensor,
        generator: torch.Generator,
        *,
        guidance: float = GUIDANCE,
        opposite: Tensor | None = None,
        known: tuple[Tensor, Tensor] | None = None,
    ) -> Iterator[tuple[float, Tensor]]:
        """The share of the work that is done and the frame expected then; the last is the frame.

        mask: (1, S, S), the polyp. guidance, opposite: see `guided`, of a mask like the first. known: a frame
        (1, 3, SIZE, SIZE) and what of it is not known (1, 1, SIZE, SIZE), 0 to 1.
        """
        start = self.autoencoder.encode(enlarged(small, SIZE // small.shape[-1]))
        other = None if opposite is None else label_maps(opposite)
        predict = guided(self.unet, label_maps(mask), guidance, other)
        if known is not None:
            kept = self.autoencoder.encode(known[0])
            open_ = max_pool2d(known[1], FACTOR)
            start = open_ * start + (1 - open_) * kept
            predict = self._knowing(predict, kept, open_)
        noise = torch.randn(start.shape, generator=generator).to(start)
        for share, latents in redrawn(self.schedule, predict, start, noise, since=SINCE, steps=STEPS):
            yield share, self.autoencoder.decode(latents)

    def _knowing(self, predict: Predict, kept: Tensor, open_: Tensor) -> Predict:
        """The prediction v whose clean latents are `kept` where nothing is open."""

        def knowing(noisy: Tensor, times: Tensor) -> Tensor:
            left = self.schedule.alphas_cumprod.to(noisy.device)[times]
            clean = open_ * clean_estimate(noisy, predict(noisy, times), left) + (1 - open_) * kept
            return v_of(noisy, clean, left)

        return knowing


def redrawn(
    schedule: DDIMScheduler, predict: Predict, start: Tensor, noise: Tensor, *, since: int, steps: int
) -> Iterator[tuple[float, Tensor]]:
    """See `denoise`, from clean latents under as much noise as there is at the time `since`."""
    left = schedule.alphas_cumprod[since]
    noisy = left.sqrt() * start + (1 - left).sqrt() * noise
    unused = torch.Generator()  # the sampler adds no noise
    return denoise(schedule, predict, noisy, unused, steps=steps, sampler="dpm", since=since)


@cache
def load() -> LatentDetail:
    """The stage that ships, the same for all cascades. Raises as `load_checkpoint` does."""
    unet = load_checkpoint(LatentDiffusion, "ldm")
    return LatentDetail(unet, load_checkpoint(Autoencoder, "colonoscopy_autoencoder"))
