"""The cascade at work: from a mask and a look to frames, small ones first, which are the preview."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler
from torch import Tensor
from torch.nn.functional import interpolate

from models.colonoscopy import LOOKS
from models.colonoscopy.data.images import Frame, Mask, fitted
from models.colonoscopy.synthesis.arsdm import clean_estimate
from models.colonoscopy.synthesis.base import Step, check, one_after_another
from models.colonoscopy.synthesis.cascade import (
    ANY,
    MIDDLE,
    SMALL,
    BaseSdm,
    Sharpener,
    SuperSdm,
    cosine_schedule,
    enlarged,
    small_label,
)
from models.colonoscopy.synthesis.sdm import one_hot
from models.core import device
from models.core.checkpoints import load_checkpoint

SIZE = 256
PREVIEWS = 5  # a stage, about
GUIDANCE = 2.0
SUPER_STEPS = 12
NOISE = 0.05  # put on the small frame before super-resolution, which forgives what the base got wrong
SHARE = 0.7  # of the progress that is the base's


Velocity = Callable[[Tensor, Tensor], Tensor]  # of a noisy frame at times, (B,)


class Cascade:
    """A `FrameGenerator` of three networks."""

    looks = LOOKS

    def __init__(self, base: BaseSdm, super_resolution: SuperSdm, sharpener: Sharpener) -> None:
        self.base, self.super, self.sharpener = base.eval(), super_resolution.eval(), sharpener.eval()
        self.schedule = cosine_schedule()

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
        guidance: float = GUIDANCE,
    ) -> Iterator[Step]:
        """See `FrameGenerator`. guidance: above 1 the difference that the mask makes is exaggerated.

        Raises UserError: steps_range, sampler_unknown, look_unknown.
        """
        check(steps, sampler, look, self.looks)
        drawn = torch.from_numpy(np.ascontiguousarray(fitted(mask, SIZE, SIZE))).float()[None]
        drawn = drawn.to(self.base.device)
        yield from one_after_another(
            count, lambda index: self._frames(drawn, seed + index, steps, sampler, look, guidance)
        )

    def _frames(
        self, mask: Tensor, seed: int, steps: int, sampler: str, look: str, guidance: float
    ) -> Iterator[tuple[float, Frame]]:
        """The share of the work that is done and the frame expected then; the last is the frame."""
        generator = torch.Generator().manual_seed(seed)
        small = torch.zeros(1, 3, SMALL, SMALL)
        for share, small in self._small(mask, generator, steps, sampler, look, guidance):
            yield SHARE * share, picture(enlarged(small, SIZE // SMALL))
        middle = small
        for share, middle in self.enlarge(small, mask, generator):
            if share < 1:
                yield SHARE + (1 - SHARE) * share, picture(enlarged(middle, SIZE // MIDDLE))
        yield 1.0, picture(self.sharpener(middle))

    def _small(
        self, mask: Tensor, generator: torch.Generator, steps: int, sampler: str, look: str, guidance: float
    ) -> Iterator[tuple[float, Tensor]]:
        """The base's estimates of the small frame (1, 3, SMALL, SMALL)."""
        label = small_label(mask, SMALL)
        places = torch.tensor([look_place(look)], device=label.device)
        both = torch.cat([torch.zeros_like(label), label])

        def v(noisy: Tensor, times: Tensor) -> Tensor:
            if guidance == 1:
                return self.base(noisy, times, label, places)
            alone, told = self.base(
                noisy.expand(2, -1, -1, -1), times.expand(2), both, places.expand(2)
            ).chunk(2)
            return alone + guidance * (told - alone)

        yield from self._denoise(v, (1, 3, SMALL, SMALL), generator, steps, sampler)

    def enlarge(
        self, small: Tensor, mask: Tensor, generator: torch.Generator, steps: int = SUPER_STEPS
    ) -> Iterator[tuple[float, Tensor]]:
        """Super-resolution's estimates of the frame (1, 3, MIDDLE, MIDDLE)."""
        noise = torch.randn(small.shape, generator=generator).to(small.device)
        blurred = enlarged(small + NOISE * noise)
        label = one_hot(interpolate(mask[:, None], (MIDDLE, MIDDLE))[:, 0])
        level = torch.full((1,), NOISE, device=small.device)
        yield from self._denoise(
            lambda noisy, times: self.super(noisy, times, label, blurred, level),
            (1, 3, MIDDLE, MIDDLE),
            generator,
            steps,
            "dpm",
        )

    def _denoise(
        self,
        v: Velocity,
        shape: tuple[int, int, int, int],
        generator: torch.Generator,
        steps: int,
        sampler: str,
    ) -> Iterator[tuple[float, Tensor]]:
        """The share of steps done and the clean frame expected then, now and again; the last is the frame."""
        noisy = torch.randn(shape, generator=generator).to(self.base.device)
        options: dict[str, Any] = {}
        if sampler == "ddim":
            scheduler = DDIMScheduler.from_config(self.schedule.config)
            # At the first step, where nothing is left of the image, an eta of 1 is the root of a rounded 0.
            options = {"eta": 0.9999, "generator": generator}
        else:
            scheduler = DPMSolverMultistepScheduler.from_config(self.schedule.config)
        scheduler.set_timesteps(steps)
        kept = self.schedule.alphas_cumprod.to(noisy.device)
        every = max(1, steps // PREVIEWS)
        for done, time in enumerate(scheduler.timesteps.tolist(), 1):
            times = torch.tensor([time], device=noisy.device)
            predicted = v(noisy, times)
            if done % every == 1 and done < steps:
                yield done / steps, clean_estimate(noisy, predicted, kept[times]).clamp(-1, 1)
            noisy = scheduler.step(predicted, time, noisy, **options).prev_sample
        yield 1.0, noisy.clamp(-1, 1)


def look_place(look: str) -> int:
    """The row of a look in the embedding."""
    return ANY if look == "any" else LOOKS.index(look)


def picture(frame: Tensor) -> Frame:
    """(1, 3, H, W) in -1..1 as a uint8 frame."""
    return ((frame[0].float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).cpu().numpy()


def load(name: str) -> Cascade:
    """The cascade whose base is checkpoints/NAME. Raises as `load_checkpoint` does."""
    base = load_checkpoint(BaseSdm, name)
    networks = (
        load_checkpoint(SuperSdm, "colonoscopy_super"),
        load_checkpoint(Sharpener, "colonoscopy_sharpener"),
    )
    return Cascade(*(network.to(device.best()) for network in (base, *networks)))
