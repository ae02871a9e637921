"""A text as the sounds that Kokoro reads, letters of an IPA of its own (misaki's): by language another way.

English comes from hibari's pronouncing dictionary, French, Spanish, Italian, Portuguese and Hindi from
espeak-ng, Mandarin from pinyin and Japanese from kana.
"""

import re
from functools import cache
from typing import Any

from models.core.errors import UserError
from models.core.import_lock import LOADING
from models.face.speech import espeak, japanese, mandarin

# What Kokoro calls the sounds of two letters that espeak-ng ties.
TIED = {
    "a^ɪ": "I", "a^ʊ": "W", "d^z": "ʣ", "d^ʒ": "ʤ", "e^ɪ": "A", "o^ʊ": "O", "ə^ʊ": "Q", "t^s": "ʦ",
    "t^ʃ": "ʧ", "ɔ^ɪ": "Y",
}  # fmt: skip
WIDE = str.maketrans(
    {"、": ", ", "，": ", ", "。": ". ", "．": ". ", "！": "! ", "？": "? ", "：": ": ", "；": "; ",
     "（": " (", "）": ") ", "「": " “", "」": "” ", "《": " “", "》": "” ", "・": " "}
)  # fmt: skip
SIGNS = str.maketrans("–।॥", "—..", '“”"«»()¿¡')
# A pause, which espeak-ng would swallow; the point of 3.5 is none.
_PAUSE = re.compile(r"([।॥]|[;:,.!?…]+(?=[\s)”\"»]|$)|[—–]|[“”\"«»()¿¡]+)")
_LEAST = 20  # letters of what is said in one breath; the network slurs what is shorter


def phonemes(text: str, language: str, british: bool = False) -> str:
    """The sounds of a text of one language, by its code.

    Raises UserError: voice_missing, package_missing.
    """
    if language == "en":
        return str(_english(british)(text))
    if language == "zh":
        return mandarin.phonemes(text).translate(WIDE)
    if language == "ja":
        return japanese.phonemes(text).translate(WIDE)
    pieces = _PAUSE.split(text)
    return "".join(
        _kept(piece) if index % 2 else _tied(espeak.phonemes(piece, language))
        for index, piece in enumerate(pieces)
        if piece.strip()
    )


def _kept(pause: str) -> str:
    """Signs as the network knows them, without brackets and quotes."""
    return pause.translate(SIGNS) + " "


def _tied(sounds: str) -> str:
    for pair, letter in TIED.items():
        sounds = sounds.replace(pair, letter)
    return sounds.replace(espeak.TIE, "").replace("-", "")


@cache
def _english(british: bool) -> Any:
    with LOADING:
        try:
            from hibari.g2p import G2P
        except ImportError as error:
            raise UserError("package_missing", name="hibari-tts") from error
        return G2P(british=british)


def breaths(sounds: str, most: int = 200) -> list[str]:
    """Sounds in pieces of at most `most` letters, each said in one breath; memory grows with it.

    Whole sentences together, and only of one that is too long parts, words or letters; a short rest goes with
    what is before it.
    """
    pieces = [sounds]
    for ends in (r"(?<=[.!?…]) ", r"(?<=[,;:—]) ", " "):
        parts = [[piece] if len(piece) <= most else re.split(ends, piece) for piece in pieces]
        pieces = [together for some in parts for together in _joined(some, most)]
    pieces = [piece[start : start + most] for piece in pieces for start in range(0, len(piece), most)]
    if len(pieces) > 1 and len(pieces[-1]) < _LEAST:
        pieces[-2:] = [" ".join(pieces[-2:])]
    return [piece.strip() for piece in pieces if piece.strip()]


def _joined(parts: list[str], most: int) -> list[str]:
    """Neighbours put together while they are no longer than `most`."""
    found: list[str] = []
    for part in parts:
        if found and len(found[-1]) + 1 + len(part) <= most:
            found[-1] += f" {part}"
        else:
            found.append(part)
    return found
