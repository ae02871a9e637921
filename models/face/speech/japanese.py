"""Japanese as it sounds: characters in kana by janome, kana in the IPA that Kokoro learnt."""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Any

from models.core.import_lock import LOADING

VOWELS = "aiɯeo"
ROWS = {
    "": "アイウエオ", "k": "カキクケコ", "ɡ": "ガギグゲゴ", "s": "サシスセソ", "ʣ": "ザジズゼゾ",
    "t": "タチツテト", "d": "ダヂヅデド", "n": "ナニヌネノ", "h": "ハヒフヘホ", "b": "バビブベボ",
    "p": "パピプペポ", "m": "マミムメモ", "j": "ヤ.ユ.ヨ", "ɾ": "ラリルレロ", "β": "ワ....",
}  # fmt: skip
# Kana whose consonant or vowel is not that of their row.
OWN = {
    "シ": "ɕi", "ジ": "ʥi", "ス": "sɨ", "ズ": "zɨ", "チ": "ʨi", "ヂ": "ʥi", "ツ": "ʦɨ", "ヅ": "zɨ",
    "ニ": "ɲi", "ヒ": "çi", "フ": "ɸɯ", "ヰ": "i", "ヱ": "e", "ヲ": "o", "ヴ": "vɯ",
}  # fmt: skip
SOFT = "キギビピミリ"  # palatal before i, marked as such
BEFORE_Y = SOFT + "シジチヂニヒ"  # and those whose consonant goes with ャュョ
BEFORE_VOWEL = {"フ": "ɸ", "ヴ": "v", "ウ": "β", "ク": "kᵝ", "グ": "ɡᵝ", "ツ": "ʦ"}  # ファ, ヴィ, ウェ
PAIRS = {"ティ": "tʲi", "ディ": "dʲi", "テュ": "tʲɨ", "デュ": "dʲɨ", "トゥ": "tɯ", "ドゥ": "dɯ", "イェ": "je",
         "フュ": "ɸʲɨ"}  # fmt: skip
SMALL = dict(zip("ァィゥェォャュョヮヵヶ", (*VOWELS, "ja", "jɯ", "jo", "βa", "ka", "ke"), strict=True))
NASALS = {"m": "mpb", "ŋ": "kɡ", "ɲ": "ɲʨʥ", "n": "ntdɾz"}  # what ン is, by what follows; else ɴ
ENCLITIC = ("助詞", "助動詞", "記号")  # particles, endings and signs lean on the word before them


def _table() -> dict[str, str]:
    """The sounds of each kana and of each pair that is one syllable."""
    table = {
        kana: consonant + vowel
        for consonant, row in ROWS.items()
        for kana, vowel in zip(row, VOWELS, strict=True)
        if kana != "."
    }
    table |= {kana: table[kana][0] + "ʲi" for kana in SOFT} | OWN | SMALL
    for kana in BEFORE_Y:
        table |= {kana + small: table[kana][:-1] + v for small, v in zip("ャュョェ", "aɨoe", strict=True)}
    for kana, consonant in BEFORE_VOWEL.items():
        soft = "ʲ" if kana in "フヴツ" else ""
        table |= {
            kana + small: consonant + soft * (v == "i") + v
            for small, v in zip("ァィェォ", "aieo", strict=True)
        }
    return table | PAIRS


TABLE = _table()


def kana(text: str) -> Iterator[tuple[str, bool]]:
    """Words in katakana as they sound, and whether each leans on the one before: 今日は is キョー, ワ."""
    months = re.sub(r"(?<=[0-9０-９])月", "ガツ", text)
    for token in _tokenizer().tokenize(unicodedata.normalize("NFKC", months)):
        kind, kind2 = token.part_of_speech.split(",")[:2]
        said = token.surface if token.phonetic == "*" else token.phonetic
        yield said, kind in ENCLITIC or kind2 in ("接尾", "非自立")


def phonemes(text: str) -> str:
    """A text as Kokoro reads it, a space between phrases; what has no kana stays as it is."""
    phrases = "".join(word if leans else f" {word}" for word, leans in kana(text))
    return " ".join(_sounds(phrase) for phrase in phrases.split())


def _sounds(phrase: str) -> str:
    written = "".join(chr(ord(c) + 0x60) if "ぁ" <= c <= "ゖ" else c for c in phrase)  # hiragana to katakana
    sounds, place = [], 0
    while place < len(written):
        width = 2 if written[place : place + 2] in TABLE else 1
        piece = written[place : place + width]
        sounds.append(TABLE.get(piece, {"ー": "ː", "ッ": "ʔ"}.get(piece, piece)))
        place += width
    for index, sound in enumerate(sounds):
        if sound == "ン":
            after = "".join(sounds[index + 1 : index + 2])[:1] or " "
            sounds[index] = next((nasal for nasal, before in NASALS.items() if after in before), "ɴ")
    return "".join(sounds)


@cache
def _tokenizer() -> Any:
    with LOADING:
        from janome.tokenizer import Tokenizer

        return Tokenizer()
