"""The Meshed-Memory Transformer (M2; Cornia et al., CVPR 2020), of which X-Trans2Cap's captioners are made.

An encoder whose attention has memory slots beside the objects, and a decoder
that reads all encoder layers at once through learned gates. Parameters have the
released names.

B captions, N object tokens, T words, L encoder layers, h heads of width d.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import relu
from transformers.cache_utils import Cache

from models.scene.captioning.spoken_words import PAD


class Attention(nn.Module):
    """Multi-head attention; with `memory` > 0 it also attends to that many learned slots (section 3.1)."""

    fc_q: nn.Linear
    fc_k: nn.Linear
    fc_v: nn.Linear
    fc_o: nn.Linear

    def __init__(self, width: int, heads: int, memory: int = 0) -> None:
        super().__init__()
        self.heads, self.memory = heads, memory
        for name in ("fc_q", "fc_k", "fc_v", "fc_o"):
            layer = nn.Linear(width, width)
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
            self.add_module(name, layer)
        if memory:
            self.m_k = nn.Parameter(torch.randn(1, memory, width) * (heads / width) ** 0.5)
            self.m_v = nn.Parameter(torch.randn(1, memory, width) / memory**0.5)

    def split(self, values: Tensor) -> Tensor:
        """(B, N, width) -> (B, h, N, d)."""
        return values.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def remembered(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (B, h, N + memory, d) of tokens (B, N, width)."""
        keys, values = self.fc_k(tokens), self.fc_v(tokens)
        if self.memory:
            rows, width = len(tokens), tokens.shape[-1]
            # The slots are stored small and scaled up, so that they learn faster than the other weights.
            keys = torch.cat([keys, (width / self.heads) ** 0.5 * self.m_k.expand(rows, -1, -1)], 1)
            values = torch.cat([values, self.memory**0.5 * self.m_v.expand(rows, -1, -1)], 1)
        return self.split(keys), self.split(values)

    def weights(self, asking: Tensor, keys: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, h, T, N) how much each asker looks at each key; what the mask forbids gets nothing.

        asking: (B, T, width). keys: (B, h, N, d). mask: broadcast to (B, h, T, N), bool.
        """
        match = self.split(self.fc_q(asking)) @ keys.transpose(2, 3).to(asking.dtype)
        match = match / keys.shape[-1] ** 0.5
        return (match if mask is None else match.masked_fill(~mask, -torch.inf)).softmax(-1)

    def read(self, asking: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, T, width). values: (B, h, N, d). Else as `weights`.

        Spelled out: torch's fused attention takes five times as long to train on a CPU at these sizes.
        """
        found = self.weights(asking, keys, mask)
        return self.fc_o((found @ values.to(found.dtype)).transpose(1, 2).flatten(2))


class Attended(nn.Module):
    """Attention, dropout, residual, layer norm."""

    def __init__(self, width: int, heads: int, dropout: float, memory: int = 0) -> None:
        super().__init__()
        self.attention = Attention(width, heads, memory)
        self.dropout = nn.Dropout(dropout)
        self.layer_norm = nn.LayerNorm(width)

    def forward(self, asking: Tensor, pair: tuple[Tensor, Tensor], mask: Tensor | None = None) -> Tensor:
        """asking: (B, T, width). pair: keys and values (B, h, N, d). mask: (B, N) bool, keys that exist.

        What follows the masked keys, the memory slots, always exists.
        """
        if mask is not None:
            slots = mask.new_ones(len(mask), pair[0].shape[2] - mask.shape[1])
            mask = torch.cat([mask, slots], 1)[:, None, None]
        return self.layer_norm(asking + self.dropout(self.attention.read(asking, *pair, mask)))

    def causal(self, words: Tensor, past: Cache | None, layer: int) -> Tensor:
        """Each word attends to itself and those before it; `past` holds what was said already."""
        keys, values = self.attention.remembered(words)
        if past is not None:
            keys, values = past.update(keys, values, layer)
        told, known = words.shape[1], keys.shape[2]
        before = torch.ones(told, known, dtype=torch.bool, device=words.device).tril(known - told)
        return self.layer_norm(words + self.dropout(self.attention.read(words, keys, values, before)))


class FeedForward(nn.Module):
    """Position-wise, post-norm."""

    def __init__(self, width: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, inner), nn.Linear(inner, width)
        self.inside, self.outside = nn.Dropout(dropout), nn.Dropout(dropout)
        self.layer_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) to the same."""
        return self.layer_norm(x + self.outside(self.fc2(self.inside(relu(self.fc1(x))))))


class EncoderLayer(nn.Module):
    """Memory-augmented self-attention and a feed-forward."""

    def __init__(self, width: int, heads: int, inner: int, memory: int, dropout: float) -> None:
        super().__init__()
        self.mhatt = Attended(width, heads, dropout, memory)
        self.pwff = FeedForward(width, inner, dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x: (B, N, width). mask: (B, N) bool."""
        return self.pwff(self.mhatt(x, self.mhatt.attention.remembered(x), mask))


class Encoder(nn.Module):
    """Object tokens to the outputs of every layer.

    With `beside`, the outputs of another encoder, it is X-Trans2Cap's Cross-Modal
    Fusion as released: the sum, layer by layer, goes into the next layer.
    """

    def __init__(
        self, tokens: int, width: int, heads: int, inner: int, layers: int, memory: int, dropout: float
    ) -> None:
        super().__init__()
        self.fc = nn.Linear(tokens, width)
        self.dropout = nn.Dropout(dropout)
        self.layer_norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(EncoderLayer(width, heads, inner, memory, dropout) for _ in range(layers))

    def forward(self, tokens: Tensor, mask: Tensor, beside: Tensor | None = None) -> Tensor:
        """(B, L, N, width). tokens: (B, N, tokens). mask: (B, N) bool. beside: (B, L, N, width) or None."""
        out = self.layer_norm(self.dropout(relu(self.fc(tokens))))
        levels = []
        for level, layer in enumerate(self.layers):
            out = layer(out, mask)
            if beside is not None:
                out = out + beside[:, level]
            levels.append(out)
        return torch.stack(levels, 1)


class MeshedLayer(nn.Module):
    """Causal self-attention, gated cross-attention to every encoder layer (section 3.2), feed-forward."""

    def __init__(self, width: int, heads: int, inner: int, levels: int, dropout: float) -> None:
        super().__init__()
        self.levels = levels
        self.self_att = Attended(width, heads, dropout)
        self.enc_att = Attended(width, heads, dropout)
        self.pwff = FeedForward(width, inner, dropout)
        for level in range(1, levels + 1):
            gate = nn.Linear(2 * width, width)
            nn.init.xavier_uniform_(gate.weight)
            nn.init.zeros_(gate.bias)
            self.add_module(f"fc_alpha{level}", gate)

    def forward(
        self, words: Tensor, said: Tensor, seen: Tensor, mask: Tensor, past: Cache | None, layer: int
    ) -> Tensor:
        """words: (B, T, width). said: (B, T, 1), 0 at padding. seen: (B, L, 2, h, N, d). mask: (B, N)."""
        words = self.self_att.causal(words, past, layer) * said
        total = torch.zeros_like(words)
        for level in range(self.levels):
            found = self.enc_att(words, (seen[:, level, 0], seen[:, level, 1]), mask) * said
            gate = getattr(self, f"fc_alpha{level + 1}")(torch.cat([words, found], -1))
            total = total + gate.sigmoid() * found
        return self.pwff(total / math.sqrt(self.levels) * said) * said


class Decoder(nn.Module):
    """Words so far to logits of the next. longest: words a caption may have, "sos" and "eos" among them."""

    def __init__(
        self,
        vocabulary: int,
        longest: int,
        width: int,
        heads: int,
        inner: int,
        levels: int,
        layers: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.longest = longest
        self.word_emb = nn.Embedding(vocabulary, width, padding_idx=PAD)
        self.pos_emb = nn.Embedding.from_pretrained(sinusoids(longest + 1, width), freeze=True)
        self.layers = nn.ModuleList(MeshedLayer(width, heads, inner, levels, dropout) for _ in range(layers))
        self.fc = nn.Linear(width, vocabulary, bias=False)

    def look(self, levels: Tensor) -> Tensor:
        """(B, layers, L, 2, h, N, d): keys and values of the encoder's outputs (B, L, N, width)."""
        pairs = []
        layer: Any
        for layer in self.layers:
            rows, many = levels.shape[:2]
            pair = torch.stack(layer.enc_att.attention.remembered(levels.flatten(0, 1)), 1)
            pairs.append(pair.unflatten(0, (rows, many)))
        return torch.stack(pairs, 1)

    def forward(
        self, ids: Tensor, seen: Tensor, mask: Tensor, past: Cache | None = None
    ) -> tuple[Tensor, Tensor]:
        """(B, T, vocabulary) logits and (B, layers, T, width) outputs of the layers.

        ids: (B, T), padded at the right; with `past` only the words after those it holds.
        """
        said = (ids != PAD)[..., None]
        start = past.get_seq_length() if past is not None else 0
        places = torch.arange(start + 1, start + 1 + ids.shape[1], device=ids.device)
        out = self.word_emb(ids) + self.pos_emb(places * said[..., 0])
        outputs = []
        for place, layer in enumerate(self.layers):
            out = layer(out, said, seen[:, place], mask, past, place)
            outputs.append(out)
        return self.fc(out), torch.stack(outputs, 1)

    def attended(self, ids: Tensor, seen: Tensor, mask: Tensor) -> Tensor:
        """(B, T, N) how much each word looked at each object: the first layer's mean over heads and levels.

        Arguments as in `forward`.
        """
        layer: Any = self.layers[0]
        said = (ids != PAD)[..., None]
        places = torch.arange(1, 1 + ids.shape[1], device=ids.device)
        words = self.word_emb(ids) + self.pos_emb(places * said[..., 0])
        asked = layer.self_att.causal(words, None, 0) * said
        levels = seen[:, 0, :, 0].unbind(1)
        exists = mask[:, None, None]
        looks = [layer.enc_att.attention.weights(asked, keys, exists) for keys in levels]
        return torch.stack(looks).mean((0, 2)) * said


def sinusoids(count: int, width: int) -> Tensor:
    """(count, width) positions; 0, the padding's, is zero."""
    angle = torch.arange(count)[:, None] / 10000 ** (2 * torch.arange(width // 2) / width)
    table = torch.stack([angle.sin(), angle.cos()], -1).flatten(1)
    table[0] = 0
    return table


class Captioner(nn.Module):
    """Encoder and decoder: the student, or, with `beside`, the teacher."""

    def __init__(
        self,
        tokens: int,
        vocabulary: int,
        *,
        longest: int,
        width: int,
        heads: int,
        inner: int,
        layers: int,
        decoder_layers: int,
        memory: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(tokens, width, heads, inner, layers, memory, dropout)
        self.decoder = Decoder(vocabulary, longest, width, heads, inner, layers, decoder_layers, dropout)
