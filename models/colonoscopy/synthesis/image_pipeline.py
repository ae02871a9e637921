"""The released SDM at work, in image space: from a mask to a frame of 384 pixels, with its own schedule.

Source: Du et al., MICCAI 2023, and its released code: the network predicts noise, "scaled linear" betas from
.0015 to .0205, no guidance; its own sampler is DDIM of 200 steps with eta 1, at the times 1, 6, ... 996.
"""

from collections.abc import Iterator

import numpy as np
import torch
from diffusers import DDIMScheduler
from torch import Tensor

from models.colonoscopy.data.images import Mask, fitted
from models.colonoscopy.synthesis.arsdm import STEPS
from models.colonoscopy.synthesis.base import Step, check, one_after_another
from models.colonoscopy.synthesis.denoising import denoise
from models.colonoscopy.synthesis.generator import picture
from models.colonoscopy.synthesis.sdm import SdmUNet, one_hot
from models.core.checkpoints import load_checkpoint

SIZE = 384
ONLY_LOOK = ("any",)


class ImageSdm:
    """A `FrameGenerator` of one network. size: of the frames, in pixels."""

    looks = ONLY_LOOK

    def __init__(self, network: SdmUNet, size: int = SIZE) -> None:
        self.network, self.size = network.eval(), size

    @torch.inference_mode()
    def __call__(
        self,
        mask: Mask,
        *,
        count: int = 1,
        seed: int = 0,
        steps: int = 20,
        sampler: str = "dpm",
        look: str = "any",
    ) -> Iterator[Step]:
        """See `FrameGenerator`. Raises UserError: steps_range, sampler_unknown, look_unknown."""
        check(steps, sampler, look, ONLY_LOOK)
        drawn = torch.from_numpy(np.ascontiguousarray(fitted(mask, self.size, self.size)))
        label = one_hot(drawn[None].float()).to(self.network.device)
        yield from one_after_another(
            count,
            lambda index: (
                (share, picture(image)) for share, image in self._denoise(label, seed + index, steps, sampler)
            ),
        )

    def _denoise(self, label: Tensor, seed: int, steps: int, sampler: str) -> Iterator[tuple[float, Tensor]]:
        """The share of steps done and the clean image expected then, now and again; the last is the image."""
        generator = torch.Generator().manual_seed(seed)
        noisy = torch.randn((1, 3, self.size, self.size), generator=generator).to(label.device)
        yield from denoise(
            schedule(steps),
            lambda noisy, times: self.network(noisy, times, label),
            noisy,
            generator,
            steps=steps,
            sampler=sampler,
        )


def schedule(steps: int) -> DDIMScheduler:
    """The release's, whose times begin at 1; where all are asked for there is no time beyond the last."""
    return DDIMScheduler(
        num_train_timesteps=STEPS,
        beta_start=0.0015,
        beta_end=0.0205,
        beta_schedule="scaled_linear",
        prediction_type="epsilon",
        timestep_spacing="leading",
        steps_offset=int(steps < STEPS),
        set_alpha_to_one=False,
        clip_sample=False,
    )


def load(checkpoint: str) -> ImageSdm:
    """An imported network. Raises as `load_checkpoint` does."""
    return ImageSdm(load_checkpoint(SdmUNet, checkpoint))
