"""The language module of InstanceRefer: a sentence as four attention-weighted vectors.

Source: Yuan et al., ICCV 2021, section 3.2 and the released code: words are projected, a GRU reads them, and
four heads look at different words: what the object is (class), how it looks (attribute), what stands around
it (relation) and where in the room it is (scene).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

WIDTH = 256


@dataclass(frozen=True)
class Language:
    """What B sentences of T words say.

    attribute, relation, scene: (B, 256) word vectors, weighted by each head's attention.
    classes: (B, classes) logits of the class that is asked for.
    states: (B, T, 256) GRU outputs, 0 after a sentence's end. mask: (B, T) bool, True at words.
    attention: (B, 4, T), heads class, attribute, relation, scene; each sums to 1 over the words.
    """

    attribute: Tensor
    relation: Tensor
    scene: Tensor
    classes: Tensor
    states: Tensor
    mask: Tensor
    attention: Tensor


class LanguageModule(nn.Module):
    """Word vectors -> Language."""

    def __init__(self, word_width: int, classes: int) -> None:
        super().__init__()
        self.word_projection = nn.Sequential(
            nn.Linear(word_width, WIDTH), nn.ReLU(), nn.Dropout(0.1), nn.Linear(WIDTH, WIDTH), nn.ReLU()
        )
        self.gru = nn.GRU(WIDTH, WIDTH // 2, num_layers=2, batch_first=True, bidirectional=True)
        self.fc_cls = nn.Linear(WIDTH, 1)
        self.fc_a = nn.Linear(WIDTH, 1)
        self.fc_rel = nn.Linear(WIDTH, 1)
        self.fc_scene = nn.Linear(WIDTH, 1)
        self.lang_cls = nn.Sequential(nn.Linear(WIDTH, classes))

    def forward(self, words: Tensor, mask: Tensor) -> Language:
        """words: (B, T, word_width). mask: (B, T) bool, True at words, which stand before all padding."""
        projected = self.word_projection(words)
        states = self._read(projected, mask)
        heads = (self.fc_cls, self.fc_a, self.fc_rel, self.fc_scene)
        logits = torch.cat([head(states) for head in heads], 2).transpose(1, 2)
        attention = logits.masked_fill(~mask[:, None], torch.finfo(logits.dtype).min).softmax(2)
        named, attribute, relation, scene = (attention @ projected).unbind(1)
        return Language(attribute, relation, scene, self.lang_cls(named), states, mask, attention)

    def _read(self, projected: Tensor, mask: Tensor) -> Tensor:
        """(B, T, 256) GRU outputs; an empty sentence is read as one word of padding."""
        length = mask.sum(1).clamp(min=1).cpu()
        packed = pack_padded_sequence(projected, length, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True, total_length=mask.shape[1])
        return states
