"""PVDM at work: the first clip from noise alone, each next one as the continuation of the one before.

Source: Yu et al., CVPR 2023, section 3.3. The released sampler is DDIM of 400 steps; here it is DPM-Solver++,
as everywhere in this lab.
"""

from torch import Tensor

from models.colonoscopy.synthesis.denoising import Predict
from models.colonoscopy.video.clip_by_clip import ClipByClip, load_pair
from models.colonoscopy.video.denoiser import schedule
from models.colonoscopy.video.pvdm import LatentVideoUNet
from models.colonoscopy.video.pvdm_autoencoder import PvdmAutoencoder


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


def load(checkpoint: str) -> PvdmFilms:
    """The pipeline of a checkpoint and its autoencoder's. Raises as `load_pair` does."""
    return PvdmFilms(*load_pair(LatentVideoUNet, PvdmAutoencoder, "pvdm_autoencoder", checkpoint))
