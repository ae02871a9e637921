"""What the network reads of many sentences: MiniLM's token vectors, or indices of a learned vocabulary.

MiniLM costs more than a training step, so its vectors are computed once and kept in runs/words.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.core import device
from models.core.text import token_vectors
from models.core.training import RUNS
from models.scene.grounding.vocabulary import WORD

AT_ONCE = 128
LONGEST = 48


class WordVectors:
    """(T, 384) float16 token vectors of each sentence it was made with."""

    def __init__(self, sentences: Iterable[str]) -> None:
        texts = sorted(set(sentences), key=lambda text: (len(text), text))
        key = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
        stored = RUNS / "words" / f"{key}.npz"
        if not stored.exists():
            _compute(texts, stored)
        with np.load(stored) as arrays:
            self.vectors, self.ends = arrays["vectors"], arrays["ends"]
        self.places = {text: place for place, text in enumerate(texts)}

    def __getitem__(self, sentence: str) -> NDArray[np.float16]:
        place = self.places[sentence]
        start = self.ends[place - 1] if place else 0
        return self.vectors[start : min(self.ends[place], start + LONGEST)]


class WordIndices:
    """(T,) int64 places of each sentence's words in a vocabulary; 0 is padding, 1 a word it does not know."""

    def __init__(self, sentences: Iterable[str], least: int = 3) -> None:
        counts = Counter(word for sentence in sentences for word in _words(sentence))
        self._known = sorted(word for word, count in counts.items() if count >= least)
        self.places = {word: place for place, word in enumerate(self._known, 2)}

    @property
    def known(self) -> list[str]:
        """The words, in the order of their places."""
        return self._known

    def save(self, path: Path) -> None:
        """Write the vocabulary as a JSON list."""
        path.write_text(json.dumps(self._known))

    @classmethod
    def load(cls, path: Path) -> "WordIndices":
        """Read what `save` wrote."""
        return cls(json.loads(path.read_text()), least=1)

    def __len__(self) -> int:
        return len(self.places) + 2

    def __getitem__(self, sentence: str) -> NDArray[np.int64]:
        return np.array([self.places.get(word, 1) for word in _words(sentence)[:LONGEST]] or [1])


def _words(sentence: str) -> list[str]:
    return [match.group() for match in WORD.finditer(sentence.lower())]


def _compute(texts: list[str], stored: Path) -> None:
    vectors, counts = [], []
    for start in range(0, len(texts), AT_ONCE):
        where = device.best()
        with torch.autocast(where, torch.bfloat16, enabled=device.bf16(where)):
            tokens = token_vectors(texts[start : start + AT_ONCE])
        for row, mask in zip(tokens.vectors, tokens.mask, strict=True):
            vectors.append(row[mask].half().numpy())
            counts.append(int(mask.sum()))
    stored.parent.mkdir(parents=True, exist_ok=True)
    partial = stored.with_suffix(".part.npz")
    np.savez(partial, vectors=np.concatenate(vectors), ends=np.cumsum(counts))
    partial.replace(stored)
