"""LDM at work: the trained networks as a diffusers pipeline that shows its work."""

from collections.abc import Iterator

import numpy as np
import torch
from diffusers import DDIMScheduler, DiffusionPipeline
from torch import Tensor

from models.colonoscopy.data.images import Frame, Mask, fitted
from models.colonoscopy.synthesis.arsdm import schedule
from models.colonoscopy.synthesis.autoencoder import Autoencoder, label_maps
from models.colonoscopy.synthesis.base import Step, check, one_after_another
from models.colonoscopy.synthesis.denoising import denoise, guided
from models.colonoscopy.synthesis.latent_diffusion import SIZE, LatentDiffusion, latent_shape
from models.core import device
from models.core.checkpoints import load_checkpoint

GUIDANCE = 3.0


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
        guidance: float = GUIDANCE,
    ) -> Iterator[Step]:
        """Draw `count` frames one after another; close the iterator to stop at the next step.

        mask: bool (H, W) of any size, True on the polyp. seed: frame i begins with the noise of seed + i,
        whatever the model and the mask. sampler: see `denoise`. guidance: see `guided`.
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
                (share, self._decoded(latents))
                for share, latents in self._denoise(label, seed + index, steps, sampler, guidance)
            ),
        )

    def _denoise(
        self, label: Tensor, seed: int, steps: int, sampler: str, guidance: float
    ) -> Iterator[tuple[float, Tensor]]:
        """See `denoise`; latents of one frame."""
        generator = torch.Generator().manual_seed(seed)
        noisy = torch.randn(latent_shape(1, self.unet.config.channels), generator=generator)
        yield from denoise(
            self.scheduler,
            guided(self.unet, label, guidance),
            noisy.to(self.device),
            generator,
            steps=steps,
            sampler=sampler,
        )

    def _decoded(self, latents: Tensor) -> Frame:
        """Latents (1, C, h, w) as a uint8 frame."""
        frame = self.autoencoder.decode(latents)[0].clamp(-1, 1)
        return ((frame + 1) * 127.5).round().byte().permute(1, 2, 0).cpu().numpy()


def load(name: str) -> LatentPipeline:
    """The pipeline of a checkpoint. Raises as `load_checkpoint` does."""
    unet = load_checkpoint(LatentDiffusion, name)
    autoencoder = load_checkpoint(Autoencoder, "colonoscopy_autoencoder")
    return LatentPipeline(unet, autoencoder, schedule()).to(device.best())
