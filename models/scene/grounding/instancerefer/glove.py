"""GloVe's word vectors (Pennington et al., EMNLP 2014) beside an imported InstanceRefer.

Its code looks words up in all of the 400,000 vectors of the release "6B". So many are kept here too, the most
frequent, which come first: not in the network's file, but in one from which only a sentence's rows are read.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.core.errors import UserError

MOST = 400_000
LONGEST_LINE = 16_384  # bytes; 300 numbers and a word take 3,000
UNKNOWN = "unk"
WORDS, NUMBERS = "words.txt", "words.f32"


def write_vectors(source: Path, folder: Path, width: int) -> None:
    """Keep the first words of a file of GloVe's, a word and `width` numbers a line, read line by line.

    Raises UserError: words_broken naming the line, words_unk where there is no vector for unknown words, and
    file_missing.
    """
    known: set[str] = set()
    try:
        file = source.open("rb")
    except OSError:
        raise UserError("file_missing", name=source.name) from None
    with (
        file,
        (folder / WORDS).open("w", encoding="utf-8", newline="\n") as words,
        (folder / NUMBERS).open("wb") as numbers,
    ):
        for place in range(1, MOST + 1):
            if not (line := file.readline(LONGEST_LINE)):
                break
            word, vector = _read(line, width)
            if vector is None:
                raise UserError("words_broken", file=source.name, line=place, width=width)
            if word not in known:
                known.add(word)
                words.write(f"{word}\n")
                numbers.write(vector.tobytes())
    if UNKNOWN not in known:
        raise UserError("words_unk", file=source.name)


def _read(line: bytes, width: int) -> tuple[str, NDArray[np.float32] | None]:
    """A word and its vector, None where the line isn't one. A few words of GloVe's have spaces in them."""
    parts = line.decode("utf-8", errors="replace").rstrip("\r\n").rsplit(" ", width)
    word = " ".join(parts[0].split())
    if len(parts) != width + 1 or not word:
        return "", None
    try:
        vector = np.array(parts[1:], dtype="<f4")
    except ValueError:
        return "", None
    return word, vector if np.isfinite(vector).all() else None


class WordVectors:
    """The vectors that were kept in a checkpoint's folder."""

    def __init__(self, folder: Path, width: int) -> None:
        """Raises UserError("checkpoint_broken") where they aren't there or don't fit each other."""
        try:
            words = (folder / WORDS).read_text(encoding="utf-8").split("\n")[:-1]
            self.rows = {word: row for row, word in enumerate(words)}
            self.numbers = np.memmap(folder / NUMBERS, "<f4", "r", shape=(len(words), width))
            self.unknown = self.rows[UNKNOWN]
        except (OSError, ValueError, KeyError) as error:
            raise UserError("checkpoint_broken", file=f"checkpoints/{folder.name}/{WORDS}") from error

    def __call__(self, words: Sequence[str]) -> NDArray[np.float32]:
        """(T, width) of lower-case words; one that isn't known is read as "unk"."""
        return np.asarray(self.numbers[[self.rows.get(word, self.unknown) for word in words]])
