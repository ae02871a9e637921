"""LVDM's U-Net: convolutions over each frame of latents, attention over its places, then over time.

Source: He et al., "Latent Video Diffusion Models for High-Fidelity Long Video Generation", 2022, section 3.2,
and its released code, of the unconditional short clips. Modules are named as in the released weights.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn
from torch.nn.functional import interpolate

from models.colonoscopy.synthesis.sdm import AVERAGED, GROUPS, zeroed
from models.colonoscopy.video.denoiser import Denoiser, DenoiserConfig
from models.core.nn.attention import attend
from models.core.pretrained import fill, read_tensors

FLAT, AROUND_IT = (1, 3, 3), (0, 1, 1)  # a kernel that sees one frame at a time, and its padding
PLAIN = "model.diffusion_model."


@dataclass(frozen=True)
class VideoUNetConfig(DenoiserConfig):
    """The defaults are the published sizes. frames, side: of a clip's latents; distances in time beyond that
    many are alike.
    scale, shift: of the weights for SkyTimelapse.
    """

    channels: int = 4
    width: int = 256
    multiples: tuple[int, ...] = (1, 2, 3, 4)
    blocks: int = 3
    attention: tuple[int, ...] = (2, 4, 8)
    heads: int = 4
    beta_last: float = 0.0155
    scale: tuple[float, ...] = (0.33422927,)
    shift: tuple[float, ...] = (1.4606637,)
    frames: int = 4
    side: int = 32


PUBLISHED = VideoUNetConfig()
# On the latents of `frame_autoencoder.py`, one for each frame, scaled as latent diffusion scales them.
PUBLISHED_2D = VideoUNetConfig(scale=(0.18215,), shift=(0.0,), frames=16)


class ResBlock(nn.Module):
    """Norm, SiLU, convolution, twice, around a shortcut; the time scales and shifts the second norm."""

    def __init__(self, before: int, time: int, after: int) -> None:
        super().__init__()
        self.in_layers = nn.Sequential(
            nn.GroupNorm(GROUPS, before), nn.SiLU(), nn.Conv3d(before, after, FLAT, padding=AROUND_IT)
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(time, 2 * after))
        self.out_layers = nn.Sequential(
            nn.GroupNorm(GROUPS, after),
            nn.SiLU(),
            nn.Identity(),  # the release's dropout of nothing, for the names
            zeroed(nn.Conv3d(after, after, FLAT, padding=AROUND_IT)),
        )
        self.skip_connection = nn.Conv3d(before, after, 1) if before != after else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """x: (B, before, T, H, W). time: (B, time)."""
        scale, shift = self.emb_layers(time)[:, :, None, None, None].chunk(2, 1)
        h = self.out_layers[0](self.in_layers(x)) * (1 + scale) + shift
        return self.skip_connection(x) + self.out_layers[1:](h)


class Downsample(nn.Module):
    """Half the height and width."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.op = nn.Conv3d(channels, channels, FLAT, (1, 2, 2), AROUND_IT)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """(B, channels, T, H, W); the time is not looked at."""
        return self.op(x)


class Upsample(nn.Module):
    """Twice the height and width."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(channels, channels, FLAT, padding=AROUND_IT)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """(B, channels, T, H, W); the time is not looked at."""
        return self.conv(interpolate(x, scale_factor=(1, 2, 2), mode="nearest"))


class RelativePosition(nn.Module):
    """A vector for each distance in time, up to the farthest."""

    def __init__(self, farthest: int, head: int) -> None:
        super().__init__()
        self.farthest = farthest
        self.embeddings_table = nn.Parameter(torch.empty(2 * farthest + 1, head))
        nn.init.xavier_uniform_(self.embeddings_table)

    def forward(self, frames: int) -> Tensor:
        """(frames, frames, head): of each frame the way to each other."""
        places = torch.arange(frames, device=self.embeddings_table.device)
        ways = (places - places[:, None]).clamp(-self.farthest, self.farthest)
        return self.embeddings_table[ways + self.farthest]


class STAttentionBlock(nn.Module):
    """Self-attention among the places of each frame, then among the frames at each place."""

    def __init__(self, channels: int, heads: int, frames: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_s, self.norm_t = nn.GroupNorm(GROUPS, channels), nn.GroupNorm(GROUPS, channels)
        self.qkv_s, self.qkv_t = nn.Conv1d(channels, 3 * channels, 1), nn.Conv1d(channels, 3 * channels, 1)
        self.relative_position_k = RelativePosition(frames, channels // heads)
        self.relative_position_v = RelativePosition(frames, channels // heads)
        self.proj_out_s = zeroed(nn.Conv1d(channels, channels, 1))
        self.proj_out_t = zeroed(nn.Conv1d(channels, channels, 1))

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """(B, channels, T, H, W) to the same; the time is not looked at."""
        count, _, frames, height, width = x.shape
        rows = x.transpose(1, 2).flatten(0, 1).flatten(2)  # (B T, channels, H W)
        rows = rows + self.proj_out_s(_merged(attend(*self._heads(self.qkv_s(self.norm_s(rows))))))
        columns = rows.unflatten(0, (count, frames)).permute(0, 3, 2, 1).flatten(0, 1)  # (B H W, channels, T)
        found = self._among_frames(*self._heads(self.qkv_t(self.norm_t(columns))))
        columns = columns + self.proj_out_t(_merged(found))
        return columns.unflatten(0, (count, height, width)).permute(0, 3, 4, 1, 2)

    def _heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3 x channels, N) as queries, keys and values (B, heads, N, head)."""
        q, k, v = x.unflatten(1, (3, self.heads, -1)).transpose(-1, -2).unbind(1)
        return q, k, v

    def _among_frames(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attention with distances. As the release was trained: a score's distance is seen from the key,
        whose query meets it, and it is divided by the fourth root of the head's size only.
        """
        frames, head = q.shape[-2:]
        scores = (q * head**-0.5) @ k.transpose(-1, -2)
        far = torch.einsum("...kc,kqc->...qk", q * head**-0.25, self.relative_position_k(frames))
        shares = (scores + far).softmax(-1).to(v.dtype)
        ways = self.relative_position_v(frames).to(v.dtype)
        return shares @ v + torch.einsum("...qk,qkc->...qc", shares, ways)


def _merged(x: Tensor) -> Tensor:
    """(B, heads, N, head) as (B, channels, N)."""
    return x.transpose(-1, -2).flatten(1, 2)


class VideoUNet(Denoiser, PyTorchModelHubMixin):
    """Predicts the noise in the latents of a clip."""

    config: VideoUNetConfig

    def __init__(self, config: VideoUNetConfig = PUBLISHED) -> None:
        super().__init__(config, config.channels)

    @classmethod
    def from_published(cls, path: str | Path, config: VideoUNetConfig = PUBLISHED) -> "VideoUNet":
        """The network of a released checkpoint, which holds the autoencoder too.

        Of its weights those that were averaged over training, which stand in it under names without dots;
        where there are none, the plain ones. It doesn't hold its scale and shift: for weights of other data
        than SkyTimelapse give them with the config. Raises as `read_tensors` and `fill` do.
        """
        tensors = read_tensors(path)
        averaged = any(name.startswith(AVERAGED + "diffusion_model") for name in tensors)

        def stored(name: str) -> str:
            return AVERAGED + f"diffusion_model.{name}".replace(".", "") if averaged else PLAIN + name

        network = cls(config)
        fill(network, tensors, Path(path).name, {stored(name): name for name in network.state_dict()}.get)
        return network.eval()

    def _convolution(self, before: int, after: int) -> nn.Module:
        return nn.Conv3d(before, after, FLAT, padding=AROUND_IT)

    def _residual(self, before: int, after: int) -> nn.Module:
        return ResBlock(before, 4 * self.config.width, after)

    def _attention(self, channels: int) -> nn.Module:
        return STAttentionBlock(channels, self.config.heads, self.config.frames)

    def _down(self, channels: int) -> nn.Module:
        return Downsample(channels)

    def _up(self, channels: int) -> nn.Module:
        return Upsample(channels)

    def forward(self, noisy: Tensor, times: Tensor) -> Tensor:
        """noisy: (B, channels, T, H, W). times: (B,), 0 to 999. Returns the noise, as `noisy`."""
        time = self.time(times)
        h, kept = noisy, []
        for block in self.input_blocks.children():
            h = _through(block, h, time)
            kept.append(h)
        h = _through(self.middle_block, h, time)
        for block in self.output_blocks.children():
            h = _through(block, torch.cat([h, kept.pop()], 1), time)
        return self.out(h)


def _through(block: nn.Module, h: Tensor, time: Tensor) -> Tensor:
    for layer in block.children():
        h = layer(h) if isinstance(layer, nn.Conv3d) else layer(h, time)
    return h


class FrameVideoUNet(VideoUNet):
    """The same on the 2D autoencoder's latents, of as many frames as the clip has."""

    def __init__(self, config: VideoUNetConfig = PUBLISHED_2D) -> None:
        super().__init__(config)

    @classmethod
    def from_published(cls, path: str | Path, config: VideoUNetConfig = PUBLISHED_2D) -> "FrameVideoUNet":
        """As `VideoUNet.from_published`."""
        network = super().from_published(path, config)
        assert isinstance(network, cls)
        return network
