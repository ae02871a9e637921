"""LVDM's 2D variant at work: the first clip from noise alone, later ones from the half clip before them.

Source: He et al., 2022, section 3.3, whose long variant goes on from known frames.
"""

import torch
from torch import Tensor

from models.colonoscopy.data.images import Frame
from models.colonoscopy.synthesis.arsdm import schedule
from models.colonoscopy.synthesis.autoencoder import Autoencoder
from models.colonoscopy.synthesis.denoising import Predict
from models.colonoscopy.synthesis.latent_diffusion import latent_shape
from models.colonoscopy.video.base import CLIP
from models.colonoscopy.video.clip_by_clip import ClipByClip
from models.colonoscopy.video.clip_tensors import as_frames
from models.colonoscopy.video.lvdm_2d import ClipDiffusion, known
from models.core.checkpoints import load_checkpoint


class FrameLatentFilms(ClipByClip[ClipDiffusion]):
    """A `VideoGenerator` that goes on from half a clip to the next."""

    again = CLIP // 2
    _length = CLIP

    def __init__(self, network: ClipDiffusion, autoencoder: Autoencoder) -> None:
        super().__init__(network, schedule())
        self.autoencoder = autoencoder.eval()

    def _shape(self) -> tuple[int, ...]:
        return 1, *latent_shape(CLIP, self.network.config.channels)

    def _predict(self, before: Tensor | None) -> Predict:
        latents = torch.zeros(self._shape(), device=self.network.device)
        if before is not None:
            latents[:, : self.again] = before[:, -self.again :]
        told = known(latents, torch.tensor([0 if before is None else self.again], device=latents.device))
        silent = latents.new_zeros(1, CLIP, self.network.config.labels, *latents.shape[-2:])
        return lambda noisy, times: self.network(noisy, times, silent, told)

    def _preview(self, latents: Tensor, at: int) -> Frame:
        return as_frames(self._decoded(latents[:, at : at + 1]))[0]

    def _decoded(self, latents: Tensor) -> Tensor:
        frames = torch.cat([self.autoencoder.decode(frame) for frame in latents[0].split(1)])
        return frames.transpose(0, 1)[None]


def load(checkpoint: str) -> FrameLatentFilms:
    """The networks of a film. Raises as `load_checkpoint` does."""
    return FrameLatentFilms(
        load_checkpoint(ClipDiffusion, checkpoint), load_checkpoint(Autoencoder, "colonoscopy_autoencoder")
    )
