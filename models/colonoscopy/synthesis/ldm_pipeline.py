"""LDM at work: the trained networks as a diffusers pipeline that shows its work."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, DiffusionPipeline, DPMSolverMultistepScheduler
from torch import Tensor

from models.colonoscopy.data.images import Frame, Mask, fitted
from models.colonoscopy.synthesis.arsdm import clean_estimate, schedule
from models.colonoscopy.synthesis.autoencoder import Autoencoder, label_maps
from models.colonoscopy.synthesis.base import Step, check, one_after_another
from models.colonoscopy.synthesis.latent_diffusion import SIZE, LatentDiffusion, latent_shape
from models.core import device
from models.core.checkpoints import load_checkpoint

PREVIEWS = 5  # a frame, about
GUIDANCE = 2.0


class LatentPipeline(DiffusionPipeline):
    """Draws frames for a mask. scheduler: the one that the U-Net was trained with."""

    unet: LatentDiffusion
    autoencoder: Autoencoder
    looks = ("any",)  # these networks were told of no clinic

    def __init__(self, unet: LatentDiffusion, autoencoder: Autoencoder, scheduler: DDIMScheduler) -> None:
        super().__init__()
        self.register_modules(unet=unet.eval(), autoencoder=autoencoder.eval(), scheduler=scheduler)

    @torch.inference_mode()
    def __call__(
        self,
        mask: Mask,
        count: int = 1,
        seed: int = 0,
        steps: int = 20,
        sampler: str = "dpm",
        look: str = "any",
        eta: float = 1.0,
        guidance: float = GUIDANCE,
    ) -> Iterator[Step]:
        """Draw `count` frames one after another; close the iterator to stop at the next step.

        mask: bool (H, W) of any size, True on the polyp. seed: frame i begins with the noise of seed + i,
        whatever the model and the mask. sampler: "dpm", DPM-Solver++ of second order, or "ddim" with eta,
        the share of fresh noise in each step (the paper's is 1). guidance: above 1 the difference that the
        mask makes is exaggerated (classifier-free guidance), at twice the time.
        Yields Progress with a `Drawing`, a frame that is done or what it will be, and at
        last all frames, uint8 (256, 256, 3). Raises UserError: steps_range, sampler_unknown, look_unknown for
        another look than "any": these networks know none.
        """
        check(steps, sampler, look, self.looks)
        drawn = torch.from_numpy(np.ascontiguousarray(fitted(mask, SIZE, SIZE)))
        label = label_maps(drawn[None].float()).to(self.device)
        yield from one_after_another(
            count,
            lambda index: (
                (at / steps, self._decoded(latents))
                for at, latents in self._denoise(label, seed + index, steps, sampler, eta, guidance)
            ),
        )

    def _denoise(
        self, label: Tensor, seed: int, steps: int, sampler: str, eta: float, guidance: float
    ) -> Iterator[tuple[int, Tensor]]:
        """The steps done and the clean image expected then, every few steps; the last is the image."""
        generator = torch.Generator().manual_seed(seed)
        shape = latent_shape(1, self.unet.config.channels)
        latents = torch.randn(shape, generator=generator).to(self.device)
        kind = DDIMScheduler if sampler == "ddim" else DPMSolverMultistepScheduler
        scheduler = kind.from_config(self.scheduler.config)
        options: dict[str, Any] = {}
        if sampler == "ddim":
            # At the first step, where nothing is left of the image, an eta of 1 is the root of a rounded 0.
            options = {"eta": min(eta, 0.9999), "generator": generator}
        scheduler.set_timesteps(steps)
        kept = self.scheduler.alphas_cumprod.to(self.device)
        every = max(1, steps // PREVIEWS)
        for done, time in enumerate(scheduler.timesteps.tolist(), 1):
            times = torch.tensor([time], device=self.device)
            if guidance == 1:
                v = self.unet(latents, times, label)
            else:
                both = torch.cat([torch.zeros_like(label), label])
                v_alone, v = self.unet(latents.expand(2, -1, -1, -1), times.expand(2), both).chunk(2)
                v = v_alone + guidance * (v - v_alone)
            if done % every == 0 and done < steps:
                yield done, clean_estimate(latents, v, kept[times])
            latents = scheduler.step(v, time, latents, **options).prev_sample
        yield steps, latents

    def _decoded(self, latents: Tensor) -> Frame:
        """Latents (1, C, h, w) as a uint8 frame."""
        frame = self.autoencoder.decode(latents)[0].clamp(-1, 1)
        return ((frame + 1) * 127.5).round().byte().permute(1, 2, 0).cpu().numpy()


def load(name: str) -> LatentPipeline:
    """The pipeline of a checkpoint. Raises as `load_checkpoint` does."""
    unet = load_checkpoint(LatentDiffusion, name)
    autoencoder = load_checkpoint(Autoencoder, "colonoscopy_autoencoder")
    return LatentPipeline(unet, autoencoder, schedule()).to(device.best())
