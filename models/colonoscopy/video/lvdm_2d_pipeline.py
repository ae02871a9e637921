"""LVDM's 2D variant at work: the first clip from noise alone, later ones from the half clip before them.

Source: He et al., 2022, section 3.3, whose long variant goes on from known frames. Under a mask the network
hears where the polyp is in every frame, and may know the first frame.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.colonoscopy.data.images import Frame, Mask, fitted, outside
from models.colonoscopy.synthesis.arsdm import schedule
from models.colonoscopy.synthesis.autoencoder import Autoencoder, label_maps
from models.colonoscopy.synthesis.denoising import Predict, guided
from models.colonoscopy.synthesis.latent_diffusion import SIZE, latent_shape
from models.colonoscopy.video.base import CLIP, FilmFrame, FilmOrder, check
from models.colonoscopy.video.camera import FLOW, Depth, grid, moved, path, plausible_depth, sampled, sources
from models.colonoscopy.video.clip_by_clip import ClipByClip
from models.colonoscopy.video.clip_tensors import as_clips, as_frames
from models.colonoscopy.video.first_frame import first_frame, shipped_cascade
from models.colonoscopy.video.lvdm_2d import ClipDiffusion, known
from models.colonoscopy.video.moving_mask import between, carried_mask
from models.core.checkpoints import load_checkpoint
from models.core.progress import Drawing, Progress

GUIDANCE = 1.5  # above it polyps glow
FIRST = 0.1  # of the work is the frame that a film begins with
WALL = 1.6  # how far away tissue is of which nothing is known, in units of the nearest


class FrameLatentFilms(ClipByClip[ClipDiffusion]):
    """A `VideoGenerator` that goes on from half a clip to the next."""

    again = CLIP // 2
    _length = CLIP

    def __init__(self, network: ClipDiffusion, autoencoder: Autoencoder) -> None:
        super().__init__(network, schedule())
        self.autoencoder = autoencoder.eval()

    def _shape(self) -> tuple[int, ...]:
        return 1, *latent_shape(CLIP, self.network.config.channels)

    def _predict(self, before: Tensor | None, part: slice) -> Predict:
        told, silent = self._told(before), self._silent()
        return lambda noisy, times: self.network(noisy, times, silent, told)

    def _told(self, before: Tensor | None) -> Tensor:
        """See `known`: the last frames of the clip before, or none."""
        latents, count = torch.zeros(self._shape(), device=self.network.device), 0
        if before is not None:
            count = self.again
            latents[:, :count] = before[:, -count:]
        return known(latents, torch.tensor([count], device=latents.device))

    def _silent(self) -> Tensor:
        """The label maps that tell no mask."""
        shape = (*self._shape()[:2], self.network.config.labels, *self._shape()[3:])
        return torch.zeros(shape, device=self.network.device)

    def _preview(self, latents: Tensor, at: int) -> Frame:
        return as_frames(self._decoded(latents[:, at : at + 1]))[0]

    def _decoded(self, latents: Tensor) -> Tensor:
        frames = torch.cat([self.autoencoder.decode(frame) for frame in latents[0].split(1)])
        return frames.transpose(0, 1)[None]


class _MaskedFilm(FrameLatentFilms):
    """One film. masks: (N, SIZE, SIZE), the polyp in each frame. first: (SIZE, SIZE, 3), None if unknown."""

    def __init__(
        self,
        network: ClipDiffusion,
        autoencoder: Autoencoder,
        masks: NDArray[np.bool_],
        first: Frame | None,
    ) -> None:
        super().__init__(network, autoencoder)
        self.masks, self.first = masks, first

    def _mask(self, at: int) -> Mask:
        return np.asarray(self.masks[at])

    def _told(self, before: Tensor | None) -> Tensor:
        if before is not None or self.first is None:
            return super()._told(before)
        latents = torch.zeros(self._shape(), device=self.network.device)
        frame = as_clips(torch.from_numpy(self.first)[None, None])[:, :, 0].to(latents.device)
        latents[:, 0] = self.autoencoder.encode(frame)
        return known(latents, torch.tensor([1], device=latents.device))

    def _predict(self, before: Tensor | None, part: slice) -> Predict:
        rows = np.minimum(np.arange(part.start, part.stop), len(self.masks) - 1)
        told = self._told(before)
        label = label_maps(torch.from_numpy(self.masks[rows]).float()).to(told.device)[None]
        return guided(
            lambda noisy, times, heard: self.network(
                noisy, times, heard, told.expand(len(noisy), *told.shape[1:])
            ),
            label,
            GUIDANCE,
        )


class MaskedLatentFilms:
    """A `VideoGenerator` of the same networks under a mask in every frame."""

    knows_mask = True
    looks = ("any",)

    def __init__(self, network: ClipDiffusion, autoencoder: Autoencoder) -> None:
        self.network, self.autoencoder = network, autoencoder

    @torch.inference_mode()
    def __call__(self, order: FilmOrder) -> Iterator[Progress | FilmFrame]:
        """See `VideoGenerator`. Frames are uint8 (256, 256, 3). Raises UserError as `check`."""
        check(order, self.looks)
        mask, first, begun = fitted(order.mask, SIZE, SIZE), None, 0.0
        if order.frame is not None:
            for share, first in first_frame(order, mask, shipped_cascade):
                begun = FIRST * share
                yield Progress(begun, "drawing", Drawing(0, first))
        film = _MaskedFilm(self.network, self.autoencoder, moving_masks(order, mask, first), first)
        for step in film(order):
            if isinstance(step, Progress):
                step = replace(step, fraction=begun + (1 - begun) * step.fraction)
            yield step


def moving_masks(order: FilmOrder, mask: Mask, first: Frame | None) -> NDArray[np.bool_]:
    """(N, SIZE, SIZE): the mask carried by the camera, or on its way to the last one.

    Of a film whose first frame isn't known the wall is flat.
    """
    if order.mask_last is not None:
        last = fitted(order.mask_last, SIZE, SIZE)
        shares = np.linspace(0, 1, order.count)
        return np.stack([between(mask, last, float(share)) for share in shares])
    depth = Depth(np.full((FLOW, FLOW), WALL, np.float32))
    if first is not None:
        depth = plausible_depth(first, mask, ~outside(first)).at(FLOW)
    whole = np.stack(grid(SIZE), -1)
    poses = path(order.move, order.count, np.random.default_rng(order.seed))
    return np.stack([carried_mask(mask, sampled(sources(moved(depth, pose)), whole)) for pose in poses])


def load(checkpoint: str) -> FrameLatentFilms:
    """The networks of a film. Raises as `load_checkpoint` does."""
    return FrameLatentFilms(*_networks(checkpoint))


def load_masked(checkpoint: str) -> MaskedLatentFilms:
    """The same under a mask. Raises as `load_checkpoint` does."""
    return MaskedLatentFilms(*_networks(checkpoint))


def _networks(checkpoint: str) -> tuple[ClipDiffusion, Autoencoder]:
    return (
        load_checkpoint(ClipDiffusion, checkpoint),
        load_checkpoint(Autoencoder, "colonoscopy_autoencoder"),
    )
