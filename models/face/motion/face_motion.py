"""From what is heard to how a face moves: vertices of the mesh and 52 blendshapes, 25 times a second.

After the audio-to-expression transformer of GSmoothFace (Zhang et al., 2025): coefficients of a linear face
model, learned with errors of the vertices that they make. Three things differ. All frames come at once and
not one after another, so that a minute costs sixty times a second. A windowed linear layer, solved in closed
form on the same clips, carries what is true of everybody; the transformer adds to it. The face model is the
principal components of tracked faces (`basis`), made for the mouth.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from huggingface_hub import PyTorchModelHubMixin
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.core.checkpoints import load_checkpoint
from models.face import FPS
from models.face.sources.mesh import BLENDSHAPES, LOWER_INNER, MOUTH_CORNERS, UPPER_INNER, VERTICES
from models.face.speech.features import MELS, WIDTH, Heard, crossfade, starts

NAME = "face_motion"
FEATURES = WIDTH + 2 * MELS
LOCAL = 2 * FPS  # frames to either side that attention sees one by one
POOL = 8  # frames in a token of the stream that remembers long
CHUNK, OVERLAP = 20 * FPS, 4 * FPS  # frames that are computed at once, and how many of them twice
HOLD, FADE = 12, 5  # frames that a mouth waits in a pause before it closes, and takes to do so

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Motion:
    """How a face moves, by a linear model of faces: a few numbers a frame, so that an hour is small.

    weights: (T, K), how much of each of `shapes`, (K, 478, 3) cm, a frame is away from the face's rest, in
    the face's own space. blendshapes: (T, 52) 0..1.
    """

    weights: Array
    shapes: Array
    blendshapes: Array

    def __len__(self) -> int:
        return len(self.weights)

    def deltas(self, start: int = 0, end: int | None = None) -> Array:
        """Frames `start` to `end` as vertices' ways from rest: (N, 478, 3) cm."""
        return np.tensordot(self.weights[start:end], self.shapes, 1)

    def with_shape(self, weight: Array, shape: Array) -> "Motion":
        """Moved by one shape (478, 3) more, by as much as its weight (T,) says."""
        weights = np.concatenate([self.weights, weight[:, None]], axis=1)
        return replace(self, weights=weights, shapes=np.concatenate([self.shapes, shape[None]]))


class FaceMotion(nn.Module, PyTorchModelHubMixin):
    """The network. width, layers, heads: of the transformer. components: of the face model.

    reduced: how many combinations of the features the linear layer reads, and again of the features without
    the recording's mean; reach: its frames to either side.
    gain: how much of the transformer is added to each output, chosen on people who were held out.
    stretch: by how much the mouth's opening, width and rounding go further than the regression says, which is
    drawn to the mean of what people do; chosen on the same people, see `articulated`.
    """

    basis: Tensor
    offset: Tensor
    centre: Tensor
    spread: Tensor
    reduce: Tensor
    gain: Tensor
    stretch: Tensor

    def __init__(
        self,
        components: int = 32,
        width: int = 128,
        layers: int = 3,
        heads: int = 4,
        reduced: int = 64,
        reach: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.components, self.heads = components, heads
        outputs = components + len(BLENDSHAPES)
        self.register_buffer("basis", torch.zeros(components, VERTICES * 3))
        self.register_buffer("offset", torch.zeros(VERTICES * 3))
        self.register_buffer("centre", torch.zeros(FEATURES))
        self.register_buffer("spread", torch.ones(FEATURES))
        self.register_buffer("reduce", torch.zeros(2, FEATURES, reduced))
        self.line = nn.Conv1d(2 * reduced, outputs, 2 * reach + 1).requires_grad_(False)
        self.enter = nn.Conv1d(2 * FEATURES + 2, width, 3)
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))
        self.leave = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, outputs))
        self.register_buffer("gain", torch.ones(outputs))
        self.register_buffer("stretch", torch.ones(3))
        self.drop = nn.Dropout(dropout)
        for parameter in self.leave[1].parameters():  # adds little to the line at first
            nn.init.normal_(parameter, std=0.01)

    def forward(self, features: Tensor, voice: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
        """Coefficients (B, T, components) of `basis`, and blendshapes (B, T, 52).

        features: (B, T, 544), whisper and mel of `Heard`. voice: (B, T, 2), its energy and voiced. mean: (B,
        544), of the features of the whole recording, without which people and rooms are more alike.
        """
        plain, own = features - self.centre, features - mean[:, None]
        reduced = torch.cat([plain @ self.reduce[0], own @ self.reduce[1]], dim=2).transpose(1, 2)
        line = self.line(_widened(reduced, self.line.kernel_size[0])).transpose(1, 2)
        heard = torch.cat([plain / self.spread, own / self.spread, voice], dim=2)
        hidden = self.enter(_widened(heard.transpose(1, 2), 3)).transpose(1, 2)
        hidden = self.drop(functional.gelu(hidden))
        bias = attention_bias(hidden.shape[1], self.heads, hidden)
        for block in self.blocks:
            hidden = block(hidden, bias)
        found = line + self.gain * self.leave(hidden)
        return found[..., : self.components], found[..., self.components :]

    @torch.inference_mode()
    def predict(self, heard: Heard, articulation: float = 1.0) -> Motion:
        """How a face moves that says what is heard; in silence its mouth closes.

        articulation: how far the mouth moves, 1 as far as people's does.
        """
        where = self.basis.device
        total = torch.zeros(len(heard), self.components + len(BLENDSHAPES))
        weights = torch.zeros(len(heard), 1)
        mean = torch.from_numpy(np.concatenate([heard.whisper.mean(0), heard.mel.mean(0)])).to(where)
        for start in starts(len(heard), CHUNK, OVERLAP):
            end = min(start + CHUNK, len(heard))
            features, voice = (part[None].to(where) for part in tensors(heard.part(start, end)))
            found = torch.cat(self(features, voice, mean[None]), dim=2)[0].cpu()
            weight = torch.from_numpy(crossfade(end - start, start > 0, end < len(heard), OVERLAP))[:, None]
            total[start:end] += weight * found
            weights[start:end] += weight
        speaks = torch.from_numpy(speaking(heard.voiced))[:, None]
        coefficients, shapes = (total / weights).split([self.components, len(BLENDSHAPES)], dim=1)
        faces = torch.cat([self.basis, self.offset[None]]).unflatten(1, (VERTICES, 3)).cpu()
        coefficients = articulated(coefficients, faces, articulation * self.stretch.cpu(), speaks)
        moved = torch.cat([coefficients, torch.ones_like(speaks)], dim=1) * speaks
        return Motion(moved.numpy(), faces.numpy(), (shapes.clamp(0, 1) * speaks).numpy())


def articulated(coefficients: Tensor, faces: Tensor, stretch: Tensor, speaks: Tensor) -> Tensor:
    """Coefficients (T, K) of faces (K + 1, 478, 3), the last of which is always added, whose mouth goes
    further from its mean while it `speaks` (T, 1): opening, width and rounding by `stretch` (3,).

    Each is changed by the likeliest movement that leaves the two others alone. Lips do not go through each
    other by it.
    """
    extents = mouth_extents(faces)
    values = coefficients @ extents[:-1] + extents[-1]
    mean = (values * speaks).sum(0) / speaks.sum().clamp_min(1)
    more = (stretch - 1) * (values - mean)
    gap = values[:, 0]
    more[:, 0] = torch.maximum(more[:, 0], torch.minimum(-gap, torch.zeros_like(gap)))
    return coefficients + more @ torch.linalg.pinv(extents[:-1])


def mouth_extents(faces: Tensor) -> Tensor:
    """What each of the ways (N, 478, 3) adds to the gap between the lips, the mouth's width and how far the
    lips' middle stands out of its corners, to first order: (N, 3) cm.
    """
    upper, lower, left, right = (faces[:, at] for at in (UPPER_INNER, LOWER_INNER, *MOUTH_CORNERS))
    out = (upper + lower - left - right)[:, 2] / 2
    return torch.stack([(upper - lower)[:, 1], (right - left)[:, 0], out], dim=1)


def load(name: str = NAME) -> FaceMotion:
    """A network of checkpoints/NAME. Raises UserError as `load_checkpoint` does."""
    network: FaceMotion = load_checkpoint(FaceMotion, name)
    return network


class Block(nn.Module):
    """A layer of the transformer, normalised first: attention to frames nearby and to pooled ones afar."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.ask, self.tell = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.join = nn.Linear(width, width)
        self.think = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """x: (B, T, width). bias: see `attention_bias`."""
        normed = self.before(x)
        pooled = functional.avg_pool1d(normed.transpose(1, 2), POOL, ceil_mode=True).transpose(1, 2)
        memory = torch.cat([normed, pooled], dim=1)
        asked, keys, values = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in (self.ask(normed), *self.tell(memory).chunk(2, dim=2))
        )
        seen = functional.scaled_dot_product_attention(asked, keys, values, bias.to(asked.dtype))
        x = x + self.drop(self.join(seen.transpose(1, 2).flatten(2)))
        return x + self.drop(self.think(self.between(x)))


def attention_bias(frames: int, heads: int, like: Tensor) -> Tensor:
    """What is added to attention's scores: (heads, frames, frames + pooled), on the device of `like`.

    The further, the less (ALiBi, Press et al., 2022), half of the heads steeply; single frames end at LOCAL,
    pooled ones, which stand for POOL frames each, fade eight times more slowly and do not end.
    """
    at = torch.arange(frames, device=like.device, dtype=torch.float32)
    pooled = at[::POOL] + (POOL - 1) / 2
    slopes = 2.0 ** (-8 * torch.arange(1, heads + 1, device=like.device) / heads)
    near = (at[:, None] - at[None]).abs()
    far = (at[:, None] - pooled[None]).abs() / POOL
    ends = torch.where(near > LOCAL, -math.inf, 0.0)
    return torch.cat([ends - slopes[:, None, None] * near, -slopes[:, None, None] * far], dim=2)


def tensors(heard: Heard) -> tuple[Tensor, Tensor]:
    """Features (T, 544) and voice (T, 2) as `FaceMotion` reads them."""
    features = np.concatenate([heard.whisper, heard.mel], axis=1)
    voice = np.stack([heard.energy, heard.voiced], axis=1)
    return torch.from_numpy(features), torch.from_numpy(voice.astype(np.float32))


def speaking(voiced: NDArray[np.bool_]) -> Array:
    """How far a mouth may move, (T,) 0 to 1: fully near speech, not at all in a pause that lasts."""
    if not voiced.any():
        return np.zeros(len(voiced), np.float32)
    there = np.flatnonzero(voiced)
    at = np.arange(len(voiced))
    after = np.searchsorted(there, at).clip(0, len(there) - 1)
    distance = np.minimum(np.abs(there[after] - at), np.abs(at - there[np.maximum(after - 1, 0)]))
    part = np.clip((HOLD + FADE - distance) / FADE, 0, 1)
    return (part * part * (3 - 2 * part)).astype(np.float32)


def _widened(x: Tensor, kernel: int) -> Tensor:
    """x (B, C, T) with its ends repeated, so that a convolution of `kernel` keeps T."""
    return functional.pad(x, (kernel // 2, kernel // 2), mode="replicate")
