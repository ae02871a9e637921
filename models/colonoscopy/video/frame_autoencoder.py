"""LVDM's 2D autoencoder: each frame by itself, eight times smaller a side; the film keeps its length.

Source: He et al., 2022, the configuration whose first stage is latent diffusion's KL-f8 (Rombach et al., CVPR
2022), which the talk trained on polyps; the network is diffusers' `AutoencoderKL`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from models.colonoscopy.synthesis.sdm import HasDevice
from models.colonoscopy.video.lvdm_autoencoder import AROUND, PARTS
from models.core.pretrained import fill, read_tensors


@dataclass(frozen=True)
class FrameAutoencoderConfig:
    """The defaults are the published sizes. widths: channels at each half size. blocks: at each."""

    widths: tuple[int, ...] = (128, 256, 512, 512)
    blocks: int = 2
    channels: int = 4
    groups: int = 32


PUBLISHED = FrameAutoencoderConfig()


class FrameAutoencoder(HasDevice, PyTorchModelHubMixin):
    """Clips of any length to latents of the same length, and back."""

    frames_each = 1

    def __init__(self, config: FrameAutoencoderConfig = PUBLISHED) -> None:
        super().__init__()
        self.config = config
        levels = len(config.widths)
        self.frames: nn.Module = AutoencoderKL(
            block_out_channels=config.widths,
            layers_per_block=config.blocks,
            latent_channels=config.channels,
            norm_num_groups=config.groups,
            down_block_types=("DownEncoderBlock2D",) * levels,
            up_block_types=("UpDecoderBlock2D",) * levels,
        )

    @classmethod
    def from_published(
        cls, path: str | Path, config: FrameAutoencoderConfig = PUBLISHED
    ) -> "FrameAutoencoder":
        """The network with released weights: of its own checkpoint, or of the diffusion model's.

        Raises as `load_published` does.
        """
        network = cls(config)
        fill(network.frames, _renamed(read_tensors(path), len(config.widths)), Path(path).name, str)
        return network.eval()

    def encode(self, clips: Tensor) -> Tensor:
        """Clips (B, 3, T, H, W) in -1..1 to latents (B, channels, T, H / 8, W / 8), their mean."""
        rows = clips.transpose(1, 2).flatten(0, 1)
        found: Tensor = self.frames.encode(rows).latent_dist.mean  # type: ignore[operator]
        return found.unflatten(0, (len(clips), -1)).transpose(1, 2)

    def decode(self, latents: Tensor) -> Tensor:
        """Latents (B, channels, T, h, w) to clips (B, 3, T, 8 h, 8 w), frame by frame."""
        rows = latents.transpose(1, 2).flatten(0, 1)
        drawn = torch.cat([self.frames.decode(row).sample for row in rows.split(1)])  # type: ignore[operator]
        return drawn.unflatten(0, (len(latents), -1)).transpose(1, 2)

    def forward(self, clips: Tensor) -> Tensor:
        """Clips drawn again."""
        return self.decode(self.encode(clips))


def _renamed(tensors: Mapping[str, Tensor], levels: int) -> dict[str, Tensor]:
    """Stored tensors of the first stage by diffusers' names; others are left out."""
    own = {name.removeprefix(AROUND): value for name, value in tensors.items()}
    blocks = {"down_block_types": [""] * levels, "up_block_types": [""] * levels}
    own = {name: value for name, value in own.items() if name.startswith(PARTS)}
    found: dict[str, Tensor] = convert_ldm_vae_checkpoint(own, blocks)
    return found
