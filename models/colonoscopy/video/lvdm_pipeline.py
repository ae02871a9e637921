"""LVDM at work: clips of 16 frames, each from noise alone.

Source: He et al., 2022, its configuration for short clips, which knows no continuation: a film that is longer
than a clip is several clips one after another, with a cut between them.
"""

from torch import Tensor

from models.colonoscopy.synthesis.denoising import Predict
from models.colonoscopy.video.clip_by_clip import ClipByClip, load_pair
from models.colonoscopy.video.denoiser import schedule
from models.colonoscopy.video.frame_autoencoder import FrameAutoencoder
from models.colonoscopy.video.lvdm import FrameVideoUNet, VideoUNet
from models.colonoscopy.video.lvdm_autoencoder import LvdmAutoencoder


class LvdmFilms(ClipByClip[VideoUNet]):
    """A `VideoGenerator` of clips that know nothing of each other."""

    def __init__(self, network: VideoUNet, autoencoder: LvdmAutoencoder | FrameAutoencoder) -> None:
        super().__init__(network, schedule(network.config.beta_last))
        self.autoencoder = autoencoder.eval()

    @property
    def _length(self) -> int:
        return self.network.config.frames * self.autoencoder.frames_each

    def _shape(self) -> tuple[int, ...]:
        config = self.network.config
        return 1, config.channels, config.frames, config.side, config.side

    def _predict(self, before: Tensor | None, part: slice) -> Predict:
        return self.network

    def _decoded(self, latents: Tensor) -> Tensor:
        return self.autoencoder.decode(self.network.restored(latents))


def load_2d(checkpoint: str) -> LvdmFilms:
    """The same with the 2D autoencoder. Raises as `load_pair` does."""
    return LvdmFilms(*load_pair(FrameVideoUNet, FrameAutoencoder, "lvdm_2d_autoencoder", checkpoint))


def load(checkpoint: str) -> LvdmFilms:
    """The pipeline of a checkpoint and its autoencoder's. Raises as `load_pair` does."""
    return LvdmFilms(*load_pair(VideoUNet, LvdmAutoencoder, "lvdm_autoencoder", checkpoint))
