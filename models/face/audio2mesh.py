"""From sound to a face that speaks: a temporal transformer onto a basis of face motion.

After GSmoothFace (Zhang et al. 2023, section 3.2, "A2EP"): long audio context, coefficients of a
linear face model, supervision by the vertices that they make. Theirs decodes frame after frame;
this one is an encoder, because a sound is whole when it is asked about, and it adds to a linear
filter that is solved in closed form, because some minutes of speech teach a transformer what the
filter lacks sooner than everything from nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from huggingface_hub import PyTorchModelHubMixin
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention

from models.face.speech import MELS, STATES, Heard
from models.face.topology import LOWER_INNER, UPPER_INNER, VERTICES

Floats = NDArray[np.float32]

NEAR = 50  # frames, two seconds, that are heard one by one to each side
POOL = 8  # frames that are heard as one beyond that
CHUNK, OVERLAP = 500, 50  # frames at once, and those that two chunks share and fade over
CLOSING, LEAST = 8, 0.02  # directions that may close a mouth, and what moving costs
FADE = 5  # frames in which the mouth closes where nobody speaks


@dataclass(frozen=True)
class Motion:
    """A face's motion over T frames, free of whose face it is.

    coefficients: (T, K), of `basis` (K, 478, 3) in cm. blendshapes: (T, 52) in [0, 1], called `names`.
    """

    coefficients: Floats
    basis: Floats
    blendshapes: Floats
    names: tuple[str, ...]

    def displacements(self, frames: slice = slice(None)) -> Floats:
        """(T, 478, 3) in cm, to be added to a face at rest; of some of the frames."""
        return np.asarray(np.tensordot(self.coefficients[frames], self.basis, 1), np.float32)


def closed(vertices: Floats, basis: Floats) -> Floats:
    """A face (478, 3) with its lips brought together along the basis (K, 478, 3), as at rest.

    The least motion, in standard deviations, after which the inner lips meet: a ridge.
    """
    upper, lower = list(UPPER_INNER), list(LOWER_INNER)
    ways = (basis[:CLOSING, upper] - basis[:CLOSING, lower]).reshape(CLOSING, -1)
    apart = (vertices[upper] - vertices[lower]).ravel()
    kept = ways @ ways.T + LEAST * np.eye(CLOSING)
    amount = np.linalg.solve(kept, ways @ apart)
    return np.asarray(vertices - np.tensordot(amount, basis[:CLOSING], 1), np.float32)


class _Layer(nn.Module):
    """Attention over near frames, the nearer the more (ALiBi), and pooled ones; then a perceptron."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.norm_after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.asks = nn.Linear(width, width)
        self.holds = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.think = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * width, width)
        )
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, bias: Tensor, mask: Tensor) -> Tensor:
        batch, frames, width = x.shape
        y = self.norm(x)
        shares = mask / _pooled(mask).clamp(min=1e-6).repeat_interleave(POOL, 1)[:, :frames] / POOL
        far = _pooled(y * shares[..., None]) * POOL
        k, v = self.holds(torch.cat([y, far], 1)).chunk(2, -1)
        q, k, v = (
            t.view(batch, -1, self.heads, width // self.heads).transpose(1, 2) for t in (self.asks(y), k, v)
        )
        found = scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))
        x = x + self.drop(self.out(found.transpose(1, 2).reshape(batch, frames, width)))
        return x + self.drop(self.think(self.norm_after(x)))


def _pooled(x: Tensor) -> Tensor:
    """Means of POOL frames each, (B, T, ...) to (B, ceil(T / POOL), ...), zeros beyond the end."""
    more = -x.shape[1] % POOL
    x = pad(x, (0, 0) * (x.dim() - 2) + (0, more))
    return x.reshape(x.shape[0], -1, POOL, *x.shape[2:]).mean(2)


class FaceMotion(nn.Module, PyTorchModelHubMixin):
    """Speech to coefficients of a face basis and to blendshapes.

    names: of the blendshapes, in their order. states, mels: principal components kept of Whisper's states and
    of the spectrogram. basis: how many directions faces move in. reach: frames that the linear filter hears
    to each side.
    """

    def __init__(
        self,
        *,
        names: Sequence[str],
        states: int = 96,
        mels: int = 40,
        basis: int = 32,
        reach: int = 4,
        width: int = 128,
        layers: int = 2,
        heads: int = 4,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.names = tuple(names)
        self.heads = heads
        inside = states + mels
        self.register_buffer("state_mean", torch.zeros(STATES))
        self.register_buffer("state_axes", torch.zeros(STATES, states))
        self.register_buffer("mel_mean", torch.zeros(MELS))
        self.register_buffer("mel_axes", torch.zeros(MELS, mels))
        self.register_buffer("basis", torch.zeros(basis, VERTICES, 3))  # a row: one standard deviation
        self.linear = nn.Conv1d(inside, basis + len(self.names), 2 * reach + 1, padding=reach)
        self.stem = nn.Conv1d(inside + 1, width, 5, padding=2)
        self.layers = nn.ModuleList(_Layer(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, basis + len(self.names))
        self.drop = nn.Dropout(dropout)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def features(self, states: Tensor, mels: Tensor, voiced: Tensor) -> Tensor:
        """(B, T, F): whitened principal components, minus their mean where someone speaks.

        That mean is mostly the speaker and the room. states (B, T, 768), mels (B, T, 320), voiced (B, T).
        """
        parts = ((states - self.state_mean) @ self.state_axes, (mels - self.mel_mean) @ self.mel_axes)
        x = torch.cat(parts, -1)
        share = voiced[..., None].to(x.dtype)
        return x - (x * share).sum(1, keepdim=True) / share.sum(1, keepdim=True).clamp(min=1)

    def forward(self, x: Tensor, voiced: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Coefficients (B, T, K) in standard deviations and blendshapes (B, T, 52) from features.

        x: (B, T, F) of `features`. voiced: (B, T). mask: (B, T), True where a clip has a frame.
        """
        share = mask[..., None].to(x.dtype)
        x = x * share
        told = self.linear(x.transpose(1, 2)).transpose(1, 2)
        y = torch.cat([x, voiced[..., None].to(x.dtype) * share], -1)
        y = self.drop(self.stem(y.transpose(1, 2)).transpose(1, 2))
        bias = self._bias(mask)
        for layer in self.layers:
            y = layer(y, bias, share[..., 0])
        out = told + self.head(self.norm(y))
        size = self.basis.shape[0]  # type: ignore[union-attr]
        return out[..., :size], out[..., size:]

    def _bias(self, mask: Tensor) -> Tensor:
        """(B, heads, T, T + T / POOL): what each frame may hear, and the further the fainter."""
        frames = mask.shape[1]
        places = torch.arange(frames, device=mask.device)
        apart = (places[:, None] - places).abs().float()
        slopes = 2.0 ** -torch.arange(1, self.heads + 1, device=mask.device)
        near = -slopes[:, None, None] * apart
        near = near.masked_fill(apart > NEAR, -torch.inf).expand(len(mask), -1, -1, -1)
        near = near.masked_fill(~mask[:, None, None], -torch.inf)
        far = torch.where(_pooled(mask[..., None].float())[..., 0] > 0, 0.0, -torch.inf)
        far = far[:, None, None].expand(-1, self.heads, frames, -1)
        here = torch.eye(frames, dtype=torch.bool, device=mask.device)  # padding hears itself, not nothing
        near = near.masked_fill(here, 0.0)
        return torch.cat([near, far], -1)

    @torch.inference_mode()
    def predict(self, heard: Heard) -> Motion:
        """The motion of a sound of any length; memory grows by the coefficients alone."""
        device = self.head.weight.device
        states, mels, voiced = (
            torch.as_tensor(part, device=device)[None] for part in (heard.states, heard.mels, heard.voiced)
        )
        x = self.features(states, mels, voiced)
        frames = x.shape[1]
        found = np.zeros((frames, self.head.out_features), np.float32)
        weight = np.zeros((frames, 1), np.float32)
        for start in range(0, max(1, frames - OVERLAP), CHUNK - OVERLAP):
            part = slice(start, min(start + CHUNK, frames))
            given = voiced[:, part]
            out = torch.cat(self(x[:, part], given, torch.ones_like(given)), -1)[0].float().cpu().numpy()
            fade = _fade(len(out), start > 0, part.stop < frames)
            found[part] += out * fade
            weight[part] += fade
        found /= weight
        size = self.basis.shape[0]  # type: ignore[union-attr]
        speaks = _eased(heard.voiced)
        basis = self.basis.float().cpu().numpy()  # type: ignore[union-attr,operator]
        return Motion(found[:, :size] * speaks, basis, np.clip(found[:, size:] * speaks, 0, 1), self.names)


def _fade(frames: int, before: bool, after: bool) -> Floats:
    """(frames, 1) weights of a chunk: rising over what it shares with the one before, falling likewise."""
    ramp = (np.arange(OVERLAP, dtype=np.float32) + 0.5) / OVERLAP
    weight = np.ones(frames, np.float32)
    if before:
        weight[:OVERLAP] = ramp[:frames]
    if after:
        weight[-OVERLAP:] = ramp[::-1]
    return weight[:, None]


def _eased(voiced: NDArray[np.bool_]) -> Floats:
    """(T, 1): 1 where someone speaks, 0 where nobody does, with no jump between."""
    window = np.hanning(2 * FADE + 1)
    return np.asarray(np.convolve(voiced, window / window.sum(), "same")[:, None], np.float32)[: len(voiced)]
