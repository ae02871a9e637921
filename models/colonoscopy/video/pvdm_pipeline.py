"""PVDM at work: the first clip from noise alone, each next one as the continuation of the one before.

Source: Yu et al., CVPR 2023, section 3.3. The released sampler is DDIM of 400 steps; here it is DPM-Solver++,
as everywhere in this lab.
"""

import torch
from torch import Tensor

from models.colonoscopy.data.images import Frame
from models.colonoscopy.synthesis.arsdm import schedule as cosine
from models.colonoscopy.synthesis.autoencoder import Autoencoder
from models.colonoscopy.synthesis.denoising import Predict
from models.colonoscopy.video.base import CLIP
from models.colonoscopy.video.clip_by_clip import ENDING, ClipByClip, load_pair
from models.colonoscopy.video.clip_tensors import as_frames
from models.colonoscopy.video.denoiser import schedule
from models.colonoscopy.video.projected import PlaneDiffusion, ProjectedAutoencoder, ending
from models.colonoscopy.video.pvdm import LatentVideoUNet
from models.colonoscopy.video.pvdm_autoencoder import PvdmAutoencoder
from models.core.checkpoints import load_checkpoint


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
    """A `VideoGenerator` of the networks that ship, which draw planes of LDM's latents."""

    _length = CLIP

    def __init__(
        self, network: PlaneDiffusion, projection: ProjectedAutoencoder, frames: Autoencoder
    ) -> None:
        super().__init__(network, cosine())
        self.projection, self.frames = projection.eval(), frames.eval()

    def _shape(self) -> tuple[int, ...]:
        return 1, self.network.config.channels, self.projection.config.tokens

    def _predict(self, before: Tensor | None, part: slice) -> Predict:
        where = self.network.device
        known, told = torch.zeros(self._shape(), device=where), torch.zeros(1, device=where)
        if before is not None:
            known, told = ending(before, self.projection.decode(before)[:, :, -1]), told + 1
        return lambda noisy, times: self.network(noisy, times, known, told)

    def _preview(self, latents: Tensor, at: int) -> Frame:
        frame = self.projection.decode(latents)[:, :, at]
        return as_frames(self.frames.decode(frame)[:, :, None])[0]

    def _decoded(self, latents: Tensor) -> Tensor:
        clip = self.projection.decode(latents)[0].transpose(0, 1)
        return torch.cat([self.frames.decode(frame) for frame in clip.split(1)]).transpose(0, 1)[None]


def load(checkpoint: str) -> ProjectedFilms:
    """The networks that ship. Raises as `load_checkpoint` does."""
    return ProjectedFilms(
        load_checkpoint(PlaneDiffusion, checkpoint),
        load_checkpoint(ProjectedAutoencoder, checkpoint + ENDING),
        load_checkpoint(Autoencoder, "colonoscopy_autoencoder"),
    )


def load_published(checkpoint: str) -> PvdmFilms:
    """The pipeline of imported weights and their autoencoder's. Raises as `load_pair` does."""
    return PvdmFilms(*load_pair(LatentVideoUNet, PvdmAutoencoder, "pvdm_autoencoder", checkpoint))
