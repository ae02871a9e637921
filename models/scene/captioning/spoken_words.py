"""The words that a captioner says: ids and texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

PAD, UNKNOWN, END = 0, 1, 3
STYLES = {"scanrefer": 2, "nr3d": 4}  # the first word tells the decoder whose way of speaking to take
FIRST_WORD = 5
SILENT = (PAD, UNKNOWN, *STYLES.values())  # never said


@dataclass(frozen=True)
class SpokenWords:
    """A vocabulary.

    words: ids 0 to 4 are padding, unknown, ScanRefer's start, end and Nr3D's start. longest: ids of a caption
    at most, start and end among them.
    """

    words: tuple[str, ...]
    longest: int

    @cached_property
    def places(self) -> dict[str, int]:
        """The id of each word."""
        return {word: place for place, word in enumerate(self.words)}

    def ids(self, words: Sequence[str], style: str) -> list[int]:
        """Start, words, end; cut to what a caption may have."""
        inside = [self.places.get(word, UNKNOWN) for word in words][: self.longest - 2]
        return [STYLES[style], *inside, END]

    def text(self, ids: Sequence[int]) -> list[str]:
        """The words between start and end."""
        return [self.words[i] for i in ids if i >= FIRST_WORD or i == UNKNOWN]


def padded_ids(rows: Sequence[Sequence[int]]) -> Tensor:
    """(B, T) of captions of different lengths."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[PAD] * (longest - len(row))] for row in rows])
