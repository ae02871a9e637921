"""A learned vocabulary: a sentence as the places of its words."""

import re
from collections.abc import Sequence

WORD = re.compile(r"[a-z]+|[0-9]|[^\sa-z0-9]")
LONGEST = 48  # words
UNKNOWN = 1

Read = tuple[int, int, int]  # a word's place in the vocabulary, its first character, and that after its last


class Vocabulary:
    """The words that a network knows; places count from 2, after padding and the unknown word."""

    def __init__(self, words: Sequence[str]) -> None:
        self.places = {word: place for place, word in enumerate(words, 2)}

    def read(self, sentence: str) -> list[Read]:
        """At most LONGEST words; one that is unknown for a sentence without any."""
        found = [
            (self.places.get(match.group(), UNKNOWN), *match.span())
            for match in WORD.finditer(sentence.lower())
        ]
        return found[:LONGEST] or [(UNKNOWN, 0, 0)]
