"""Text becomes speech, offline: English by hibari's network, other languages by espeak-ng.

espeak-ng (GPL, a program of its own, run beside this one) spells out what it cannot read, so Mandarin
reaches it as pinyin with tones and Japanese as kana of how it sounds. A text in a script that a language
isn't written in is refused instead of being read letter by letter.
"""

import re
import shutil
import subprocess
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.core.errors import UserError
from models.core.import_lock import LOADING
from models.face import RATE
from models.face.speech.text_normalization import normalised

MAX_DIGITS = 30  # of a number; the English voice has no names for more than 36
MAX_TEXT = 2000  # characters: some two minutes
DEADLINE = 60.0  # seconds that espeak-ng may take
PACE = "155"  # words a minute; its own 175 is hasty

Array = NDArray[np.float32]

LATIN, CYRILLIC, GREEK, HANGUL, INDIC = ("LATIN",), ("CYRILLIC",), ("GREEK",), ("HANGUL",), ("DEVANAGARI",)
HAN, KANA = ("CJK",), ("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA")


@dataclass(frozen=True)
class Language:
    """A language: its own name, its voice in espeak-ng, and how Unicode's names of its letters begin."""

    label: str
    espeak: str
    scripts: tuple[str, ...] = LATIN


@dataclass(frozen=True)
class Voice:
    """A voice that can be asked for: speak(text, voice.language, voice.name). label: for people to read."""

    language: str
    label: str
    name: str


LANGUAGES = {
    "en": Language("English", "en-us"),
    "zh": Language("中文（普通话）", "cmn-latn-pinyin", HAN),
    "yue": Language("中文（粤语）", "yue", HAN),
    "ja": Language("日本語", "ja", KANA),
    "ko": Language("한국어", "ko", HANGUL),
    "de": Language("Deutsch", "de"),
    "fr": Language("Français", "fr-fr"),
    "es": Language("Español", "es"),
    "it": Language("Italiano", "it"),
    "pt": Language("Português", "pt-br"),
    "nl": Language("Nederlands", "nl"),
    "pl": Language("Polski", "pl"),
    "cs": Language("Čeština", "cs"),
    "sv": Language("Svenska", "sv"),
    "fi": Language("Suomi", "fi"),
    "hu": Language("Magyar", "hu"),
    "tr": Language("Türkçe", "tr"),
    "el": Language("Ελληνικά", "el", GREEK),
    "ru": Language("Русский", "ru", CYRILLIC),
    "uk": Language("Українська", "uk", CYRILLIC),
    "hi": Language("हिन्दी", "hi", INDIC),
    "vi": Language("Tiếng Việt", "vi"),
    "id": Language("Bahasa Indonesia", "id"),
}
NEURAL = "heart"  # the one voice that lies in hibari's package; it would download others
VARIANTS = {"male": ("m3", "♂"), "female": ("f3", "♀")}  # espeak-ng's timbres


def offered() -> list[Voice]:
    """Every voice, a language's first one being what it speaks with unless another is asked for."""
    voices = [Voice("en", f"{LANGUAGES['en'].label} · Heart", NEURAL)]
    for code, language in LANGUAGES.items():
        voices += [Voice(code, f"{language.label} {sign}", name) for name, (_, sign) in VARIANTS.items()]
    return voices


def speak(text: str, language: str, voice: str | None = None) -> Array:
    """A text as speech: (N,) float32 at 16 kHz, the same every time.

    Raises UserError: text_empty (nothing that can be said), text_long, text_script (not what the language is
    written in), language_unknown, voice_unknown, voice_missing (espeak-ng isn't installed), package_missing.
    """
    if language not in LANGUAGES:
        raise UserError("language_unknown", name=language[:20], choices=", ".join(LANGUAGES))
    voices = [one.name for one in offered() if one.language == language]
    if voice and voice not in voices:
        raise UserError("voice_unknown", name=voice[:20], choices=", ".join(voices))
    said = cleaned(text)
    check_script(said, language)
    said = cleaned(normalised(said, language))
    chosen = voice or voices[0]
    if chosen == NEURAL:
        samples, rate = _neural(said)
    else:
        parts = [_espeak(spelled(part, code), code, chosen) for part, code in in_languages(said, language)]
        samples, rate = np.concatenate([part for part, _ in parts]), parts[0][1]
    if len(samples) == 0 or not np.abs(samples).max() > 0:
        raise UserError("text_empty")
    return _resampled(samples, rate)


def in_languages(text: str, language: str) -> list[tuple[str, str]]:
    """Parts of a text and who reads them: Latin words in another script are English, as 今天是Monday."""
    if LANGUAGES[language].scripts == LATIN:
        return [(text, language)]
    pieces = re.split(r"((?:[A-Za-z][A-Za-z'’]*)(?:[ -]+[A-Za-z][A-Za-z'’]*)*)", text)
    parts = [(piece, "en" if number % 2 else language) for number, piece in enumerate(pieces)]
    return [(piece, code) for piece, code in parts if any(c.isalnum() for c in piece)]


def cleaned(text: str) -> str:
    """Text without control characters and without what espeak-ng would take for phonemes, [[like this]].

    Raises UserError: text_empty, text_long, text_number.
    """
    if len(text) > MAX_TEXT:
        raise UserError("text_long", count=len(text), limit=MAX_TEXT)
    kept = "".join(c if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn") else " " for c in text)
    kept = re.sub(r"\s+", " ", kept.replace("[", "(").replace("]", ")")).strip()
    if not any(c.isalnum() for c in kept):
        raise UserError("text_empty")
    if re.search(rf"\d{{{MAX_DIGITS + 1}}}", kept.replace(",", "")):
        raise UserError("text_number", limit=MAX_DIGITS)
    return kept


def check_script(text: str, language: str) -> None:
    """Raises UserError("text_script") where more than half of the words aren't the language's own.

    A Chinese character is a word: 今天是Monday has three of four.
    """
    words = re.findall(
        r"[^\W\d_A-Za-z\u00c0-\u024f\u0370-\u052f]|[A-Za-z\u00c0-\u024f]+|[\u0370-\u052f]+", text
    )
    own = sum(unicodedata.name(word[0], "").startswith(LANGUAGES[language].scripts) for word in words)
    if 2 * own < len(words):
        raise UserError("text_script", language=LANGUAGES[language].label)


def spelled(text: str, language: str) -> str:
    """What espeak-ng is given to read: pinyin, kana, or the text itself."""
    if language == "zh":
        return _pinyin(text)
    return _kana(text) if language == "ja" else text


def _pinyin(text: str) -> str:
    from pypinyin import Style, lazy_pinyin

    years = re.sub(r"\d{4}(?=年)", lambda m: "".join("零一二三四五六七八九"[int(d)] for d in m[0]), text)
    parts = re.sub(r"(\d+(?:\.\d+)?)\s*[%％]", r"百分之\1", years)
    return " ".join(lazy_pinyin(parts, style=Style.TONE3, neutral_tone_with_five=True))


def _kana(text: str) -> str:
    months = re.sub(r"(?<=[0-9０-９])月", "ガツ", text)
    return " ".join(
        token.surface if token.phonetic == "*" else token.phonetic
        for token in _japanese().tokenize(unicodedata.normalize("NFKC", months))
    )


@cache
def _japanese() -> Any:
    with LOADING:
        from janome.tokenizer import Tokenizer

        return Tokenizer()


def _neural(text: str) -> tuple[Array, int]:
    return _hibari()(text, seed=0), _hibari().sample_rate


@cache
def _hibari() -> Any:
    with LOADING:
        try:
            from hibari import Hibari
        except ImportError as error:
            raise UserError("package_missing", name="hibari-tts") from error
        return Hibari(voice=NEURAL)


def _espeak(text: str, language: str, voice: str) -> tuple[Array, int]:
    program = shutil.which("espeak-ng")
    if program is None:
        raise UserError("voice_missing", language=LANGUAGES[language].label)
    name = f"{LANGUAGES[language].espeak}+{VARIANTS[voice][0]}"
    try:
        done = subprocess.run(
            [program, "-v", name, "-s", PACE, "--stdin", "--stdout"],
            input=text.encode(),
            capture_output=True,
            timeout=DEADLINE,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise UserError("voice_missing", language=LANGUAGES[language].label) from error
    # A WAV whose header claims two gigabytes, as it was written to a pipe: 44 bytes, then 16-bit samples.
    rate = int.from_bytes(done.stdout[24:28], "little")
    samples = np.frombuffer(done.stdout[44:], "<i2").astype(np.float32)
    return samples / np.float32(32768), rate or RATE


def _resampled(samples: Array, rate: int) -> Array:
    from scipy.signal import resample_poly

    common = int(np.gcd(rate, RATE))
    found = resample_poly(samples, RATE // common, rate // common)
    return np.clip(found, -1, 1).astype(np.float32)
