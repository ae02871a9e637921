"""The cascade at work: from a mask and a look to frames, small ones first, which are the preview."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from models.colonoscopy import LOOKS
from models.colonoscopy.data.images import Frame, Mask, fitted
from models.colonoscopy.synthesis.base import Step, check, one_after_another
from models.colonoscopy.synthesis.cascade import ANY, SMALL, BaseSdm, cosine_schedule, small_label
from models.colonoscopy.synthesis.denoising import Predict, denoise, guided
from models.colonoscopy.synthesis.latent_detail import LatentDetail
from models.colonoscopy.synthesis.latent_detail import load as load_detail
from models.colonoscopy.synthesis.super_resolution import enlarged
from models.core.checkpoints import load_checkpoint

SIZE = 256
GUIDANCE = 2.0
OF_BASE = 0.6  # of the work


class Cascade:
    """A `FrameGenerator` of two stages."""

    looks = LOOKS

    def __init__(self, base: BaseSdm, detail: LatentDetail) -> None:
        self.base, self.detail = base.eval(), detail
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
            yield OF_BASE * share, picture(enlarged(small, SIZE // SMALL))
        for share, frame in self.detail(small, mask, generator):
            yield OF_BASE + (1 - OF_BASE) * share, picture(frame)

    def _small(
        self, mask: Tensor, generator: torch.Generator, steps: int, sampler: str, look: str, guidance: float
    ) -> Iterator[tuple[float, Tensor]]:
        """The base's estimates of the small frame (1, 3, SMALL, SMALL)."""
        label = small_label(mask, SMALL)
        places = torch.tensor([look_place(look)], device=label.device)
        v = guided(
            lambda noisy, times, label: self.base(noisy, times, label, places.expand(len(times))),
            label,
            guidance,
        )
        yield from self._denoise(v, SMALL, generator, steps, sampler)

    def _denoise(
        self, v: Predict, size: int, generator: torch.Generator, steps: int, sampler: str
    ) -> Iterator[tuple[float, Tensor]]:
        """See `denoise`; frames of a size, in -1..1."""
        noisy = torch.randn((1, 3, size, size), generator=generator).to(self.base.device)
        for share, frame in denoise(self.schedule, v, noisy, generator, steps=steps, sampler=sampler):
            yield share, frame.clamp(-1, 1)


def look_place(look: str) -> int:
    """The row of a look in the embedding."""
    return ANY if look == "any" else LOOKS.index(look)


def pixels(frame: Frame) -> Tensor:
    """A uint8 frame (H, W, 3) as (1, 3, H, W) in -1..1."""
    return torch.from_numpy(frame).permute(2, 0, 1)[None].float() / 127.5 - 1


def picture(frame: Tensor) -> Frame:
    """(1, 3, H, W) in -1..1 as a uint8 frame."""
    return ((frame[0].float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).cpu().numpy()


def load(name: str) -> Cascade:
    """The cascade whose base is checkpoints/NAME. Raises as `load_checkpoint` does."""
    return Cascade(load_checkpoint(BaseSdm, name), load_detail())
