"""PVDM at work: the first clip from noise alone, each next one as the continuation of the one before.

Source: Yu et al., CVPR 2023, section 3.3. The released sampler is DDIM of 400 steps; here it is DPM-Solver++,
as everywhere in this lab.
"""

from collections.abc import Iterator
from copy import copy

import torch
from torch import Tensor

from models.colonoscopy.data.images import Frame
from models.colonoscopy.synthesis.arsdm import schedule as cosine
from models.colonoscopy.synthesis.autoencoder import Autoencoder
from models.colonoscopy.synthesis.denoising import Predict
from models.colonoscopy.synthesis.latent_detail import redrawn
from models.colonoscopy.synthesis.latent_diffusion import LatentDiffusion, latent_shape
from models.colonoscopy.video.base import CLIP, FilmFrame, FilmOrder
from models.colonoscopy.video.clip_by_clip import ENDING, ClipByClip, load_pair
from models.colonoscopy.video.clip_tensors import as_frames
from models.colonoscopy.video.denoiser import schedule
from models.colonoscopy.video.projected import PlaneDiffusion, ProjectedAutoencoder, ending
from models.colonoscopy.video.pvdm import LatentVideoUNet
from models.colonoscopy.video.pvdm_autoencoder import PvdmAutoencoder
from models.core.checkpoints import load_checkpoint
from models.core.progress import Progress

FADING = 8  # frames in which the clip before fades away
SINCE, STEPS = 400, 8  # of the schedule's 1,000 times, from which on LDM draws; how often it is asked


class PvdmFilms(ClipByClip[LatentVideoUNet]):
    """A `VideoGenerator` that goes on from clip to clip."""

    def __init__(self, network: LatentVideoUNet, autoencoder: PvdmAutoencoder) -> None:
        super().__init__(network, schedule(network.config.beta_last))
        self.autoencoder = autoencoder.eval()

    @property
    def _length(self) -> int:
        return self.network.config.frames

    def _shape(self) -> tuple[int, ...]:
        return 1, self.network.config.channels, self.network.config.tokens

    def _predict(self, before: Tensor | None, part: slice) -> Predict:
        return lambda noisy, times: self.network(noisy, times, before)

    def _decoded(self, latents: Tensor) -> Tensor:
        # The autoencoder's own are a hyperbolic tangent's.
        return self.autoencoder.decode(self.network.restored(latents).clamp(-1, 1))


class ProjectedFilms(ClipByClip[PlaneDiffusion]):
    """A `VideoGenerator` of the networks that ship, which draw planes of LDM's latents.

    What a clip is told of the one before does not make its first frame follow the last exactly, so the last
    fades away in the latents of the first frames.

    Planes hold what lasts, and how it moves; fine tissue they don't. LDM, in whose latents they are, draws it
    in each frame as in a cascade (`redrawn`), from the same noise in all frames of a film, so that it stays.
    """

    _length = CLIP

    def __init__(
        self,
        network: PlaneDiffusion,
        projection: ProjectedAutoencoder,
        detail: LatentDiffusion,
        frames: Autoencoder,
    ) -> None:
        super().__init__(network, cosine())
        self.projection, self.detail, self.frames = projection.eval(), detail.eval(), frames.eval()
        self.noise = torch.zeros(latent_shape(1, detail.config.channels))

    def __call__(self, order: FilmOrder) -> Iterator[Progress | FilmFrame]:
        """See `ClipByClip`."""
        film = copy(self)
        film.noise = torch.randn(self.noise.shape, generator=torch.Generator().manual_seed(order.seed))
        return super(ProjectedFilms, film).__call__(order)

    def _shape(self) -> tuple[int, ...]:
        return 1, self.network.config.channels, self.projection.config.tokens

    def _predict(self, before: Tensor | None, part: slice) -> Predict:
        where = self.network.device
        known, told = torch.zeros(self._shape(), device=where), torch.zeros(1, device=where)
        if before is not None:
            known, told = ending(self.projection.encode(before), before[:, :, -1]), told + 1
        return lambda noisy, times: self.network(noisy, times, known, told)

    def _clip(
        self, before: Tensor | None, part: slice, generator: torch.Generator, steps: int
    ) -> Iterator[tuple[float, Tensor]]:
        """See `ClipByClip`; here the latents are LDM's, of every frame (1, channels, T, h, w)."""
        left = (1 - torch.arange(1.0, CLIP + 1) / (FADING + 1)).clamp(min=0).view(-1, 1, 1)
        for share, planes in super()._clip(before, part, generator, steps):
            clip = self.projection.decode(planes)
            if before is not None:
                clip = clip + left.to(clip.device) * (before[:, :, -1:] - clip[:, :, :1])
            yield share, clip

    def _preview(self, latents: Tensor, at: int) -> Frame:
        return as_frames(self.frames.decode(latents[:, :, at])[:, :, None])[0]

    def _decoded(self, latents: Tensor) -> Tensor:
        drawn = self._detailed(latents[0].transpose(0, 1)).split(1)
        return torch.cat([self.frames.decode(frame) for frame in drawn]).transpose(0, 1)[None]

    def _detailed(self, frames: Tensor) -> Tensor:
        """Latents (T, channels, h, w) as LDM, told no mask, draws them on."""
        silent = frames.new_zeros(len(frames), self.detail.config.labels, *frames.shape[2:])

        def predict(noisy: Tensor, times: Tensor) -> Tensor:
            return self.detail(noisy, times.expand(len(noisy)), silent)

        noise = self.noise.to(frames)
        *_, (_, drawn) = redrawn(self.scheduler, predict, frames, noise, since=SINCE, steps=STEPS)
        return drawn


class PlanesAlone(ProjectedFilms):
    """What LDM is given, as a film: the baseline of its part."""

    def _detailed(self, frames: Tensor) -> Tensor:
        return frames


def load(checkpoint: str, kind: type[ProjectedFilms] = ProjectedFilms) -> ProjectedFilms:
    """The networks that ship. Raises as `load_checkpoint` does."""
    return kind(
        load_checkpoint(PlaneDiffusion, checkpoint),
        load_checkpoint(ProjectedAutoencoder, checkpoint + ENDING),
        load_checkpoint(LatentDiffusion, "ldm"),
        load_checkpoint(Autoencoder, "colonoscopy_autoencoder"),
    )


def load_published(checkpoint: str) -> PvdmFilms:
    """The pipeline of imported weights and their autoencoder's. Raises as `load_pair` does."""
    return PvdmFilms(*load_pair(LatentVideoUNet, PvdmAutoencoder, "pvdm_autoencoder", checkpoint))
