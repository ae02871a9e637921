"""Films that are drawn a clip at a time by a diffusion model of latents, which is told nothing of the order
but its length, seed and steps.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from diffusers import DDIMScheduler
from numpy.typing import NDArray
from torch import Tensor

from models.colonoscopy.data.images import Frame, Mask
from models.colonoscopy.synthesis.denoising import Predict, denoise
from models.colonoscopy.synthesis.sdm import HasDevice
from models.colonoscopy.video.base import FilmFrame, FilmOrder, check
from models.colonoscopy.video.clip_tensors import as_frames
from models.core.checkpoints import imported, is_here, load_checkpoint
from models.core.errors import UserError
from models.core.progress import Drawing, Progress

ENDING = "_autoencoder"

D = TypeVar("D", bound=HasDevice)


class ClipByClip(ABC, Generic[D]):
    """A `VideoGenerator` of a U-Net and the autoencoder of its latents.

    scheduler: the one that the network was trained with. again: how many frames of the clip before a later
    clip begins with.
    """

    knows_mask = False
    looks = ("any",)
    again = 0

    def __init__(self, network: D, scheduler: DDIMScheduler) -> None:
        self.network: D = network.eval()
        self.scheduler = scheduler

    @property
    @abstractmethod
    def _length(self) -> int:
        """Frames of a clip."""

    @abstractmethod
    def _shape(self) -> tuple[int, ...]:
        """Of a clip's latents, the first axis 1."""

    @abstractmethod
    def _predict(self, before: Tensor | None, part: slice) -> Predict:
        """The network of a clip. before: latents of the clip before, None of the first. part: its frames."""

    @abstractmethod
    def _decoded(self, latents: Tensor) -> Tensor:
        """The network's latents of a clip as the clip (1, 3, T, H, W) in -1..1."""

    @torch.inference_mode()
    def __call__(self, order: FilmOrder) -> Iterator[Progress | FilmFrame]:
        """See `VideoGenerator`: of a film one clip is in memory, and the latents of the one before.

        Raises UserError as `check`.
        """
        check(order)
        generator = torch.Generator().manual_seed(order.seed)
        done, before = 0, None
        while done < order.count:
            seen = 0 if before is None else self.again
            count = min(self._length - seen, order.count - done)
            part = slice(done - seen, done - seen + self._length)
            for share, latents in self._clip(before, part, generator, order.steps):
                drawing = Drawing(done, self._preview(latents, seen))
                yield Progress((done + share * count) / order.count, "drawing", drawing)
            before = latents
            for frame in self._frames(latents)[seen : seen + count]:
                yield FilmFrame(done, frame, self._mask(done))
                done += 1

    def _mask(self, at: int) -> Mask | None:
        """The polyp in a frame, where the method knows it."""
        return None

    def _clip(
        self, before: Tensor | None, part: slice, generator: torch.Generator, steps: int
    ) -> Iterator[tuple[float, Tensor]]:
        """See `denoise`: latents of a clip. before, part: as in `_predict`."""
        noisy = torch.randn(self._shape(), generator=generator).to(self.network.device)
        return denoise(
            self.scheduler, self._predict(before, part), noisy, generator, steps=steps, sampler="dpm"
        )

    def _preview(self, latents: Tensor, at: int) -> Frame:
        """One frame of a clip: of an autoencoder that sees time the clip is drawn whole."""
        return self._frames(latents)[at]

    def _frames(self, latents: Tensor) -> NDArray[np.uint8]:
        """Latents of a clip as frames (T, S, S, 3)."""
        return as_frames(self._decoded(latents))


def load_pair(unet: type[Any], autoencoder: type[Any], method: str, checkpoint: str) -> tuple[Any, Any]:
    """The networks of checkpoints NAME and NAME_autoencoder. method: that imports the second.

    Raises as `load_checkpoint` does, and UserError("autoencoder_missing").
    """
    wanted = checkpoint + ENDING
    if checkpoint in imported() and not is_here(wanted):
        raise UserError("autoencoder_missing", name=checkpoint, wanted=wanted, method=method)
    return load_checkpoint(unet, checkpoint), load_checkpoint(autoencoder, wanted)
