"""Text becomes speech, offline: by Kokoro's and hibari's networks, other languages by espeak-ng.

espeak-ng (GPL, a program of its own, run beside this one) spells out what it cannot read, so Mandarin
reaches it as pinyin with tones and Japanese as kana of how it sounds. A text in a script that a language
isn't written in is refused instead of being read letter by letter. Every voice was read back by a recogniser
(`evaluation`), and those that it understood badly are not offered.
"""

import json
import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.core.errors import UserError
from models.core.import_lock import LOADING
from models.face import RATE
from models.face.speech import espeak, japanese, kokoro, mandarin
from models.face.speech.languages import LANGUAGES, LATIN
from models.face.speech.phonemes import phonemes
from models.face.speech.text_normalization import normalised

MAX_DIGITS = 30  # of a number; the English voice has no names for more than 36
MAX_TEXT = 2000  # characters: some two minutes
LEVEL, PEAK = 0.1, 0.95  # power's root, -20 dB, that speech is brought to; the largest sample there may be
MOST_ERRORS = 20.0  # per cent of letters that a recogniser may miss of a voice that is offered

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Voice:
    """A voice that can be asked for: speak(text, voice.language, voice.name).

    kind: "female" or "male". engine: "kokoro", "hibari" or "espeak", what makes the sound. style: how the
    engine calls the voice.
    """

    language: str
    name: str
    kind: str
    engine: str
    style: str

    @property
    def title(self) -> str:
        """Its own name, "" where it has none."""
        return "" if self.engine == "espeak" else self.name.capitalize()

    @property
    def label(self) -> str:
        """What tells it from others, for people to read."""
        sign = {"female": "♀", "male": "♂"}[self.kind]
        return f"{LANGUAGES[self.language].label} · {self.title or 'espeak-ng'} {sign}"


MEASURED = kokoro.FOLDER / "measured.json"  # `evaluate voices` writes it
# Kokoro's voices of each language by their names there: language and kind come first, "af_bella".
STYLES = {
    "en": ("af_bella", "am_michael", "bf_emma", "bm_george"),
    "zh": ("zf_xiaoxiao", "zf_xiaoyi", "zm_yunjian", "zm_yunyang"),
    "ja": ("jf_alpha", "jm_kumo"),
    "fr": ("ff_siwis",),
    "es": ("ef_dora", "em_alex"),
    "it": ("if_sara", "im_nicola"),
    "pt": ("pf_dora", "pm_alex"),
    "hi": ("hf_alpha", "hm_omega"),
}
KINDS = {"f": "female", "m": "male"}
VARIANTS = {"female": "f3", "male": "m3"}  # espeak-ng's timbres


@cache
def known() -> tuple[Voice, ...]:
    """Every voice there is, by language, women first: the example portrait is one's."""
    voices = []
    for code in LANGUAGES:
        # The one voice that lies in hibari's package; it would download others.
        voices += [Voice("en", "heart", "female", "hibari", "heart")] if code == "en" else []
        voices += [
            Voice(code, style.partition("_")[2], KINDS[style[1]], "kokoro", style)
            for style in STYLES.get(code, ())
        ]
        voices += [Voice(code, kind, kind, "espeak", variant) for kind, variant in VARIANTS.items()]
    return tuple(voices)


@cache
def offered() -> tuple[Voice, ...]:
    """The voices that can be asked for, a language's first one being what it speaks with unless told.

    Those of which a recogniser missed too much are left out, but for espeak-ng's in a language that no
    network speaks well.
    """
    bad = {(row["language"], row["voice"]) for row in measured() if row["errors"] > MOST_ERRORS}
    good = [voice for voice in known() if (voice.language, voice.name) not in bad]
    networks = {voice.language for voice in good if voice.engine != "espeak"}
    needed = [voice for voice in known() if voice.engine == "espeak" and voice.language not in networks]
    return tuple(voice for voice in known() if voice in good or voice in needed)


def measured() -> list[dict[str, Any]]:
    """What `evaluate voices` found of each voice: language, voice, errors (per cent) and more."""
    rows: list[dict[str, Any]] = json.loads(MEASURED.read_text(encoding="utf-8"))
    return rows


def speak(text: str, language: str, voice: str | None = None) -> Array:
    """A text as speech: (N,) float32 at 16 kHz, the same every time.

    Raises UserError: text_empty (nothing that can be said), text_long, text_script (not what the language is
    written in), language_unknown, voice_unknown, voice_missing (espeak-ng isn't installed), package_missing,
    package_broken.
    """
    chosen = find(language, voice)
    said = cleaned(text)
    check_script(said, language)
    samples = spoken(cleaned(normalised(said, language)), chosen)
    if len(samples) == 0 or not np.abs(samples).max() > 0:
        raise UserError("text_empty")
    return samples


def find(language: str, name: str | None = None) -> Voice:
    """An offered voice of a language, the first where no name is given.

    Raises UserError: language_unknown, voice_unknown.
    """
    if language not in LANGUAGES:
        raise UserError("language_unknown", name=language[:20], choices=", ".join(LANGUAGES))
    able = [one for one in offered() if one.language == language]
    for one in able:
        if one.name == (name or able[0].name):
            return one
    raise UserError("voice_unknown", name=str(name)[:20], choices=", ".join(one.name for one in able))


def fitting(language: str, kind: str) -> Voice:
    """The first offered voice of a language of a kind, "female" or "male"; the first of all where none is.

    Raises UserError("language_unknown").
    """
    able = [one for one in offered() if one.language == language and one.kind == kind]
    return able[0] if able else find(language)


def spoken(text: str, voice: Voice) -> Array:
    """A normalised text in any voice that is known: (N,) at 16 kHz, as loud as the others.

    Raises as `speak` does.
    """
    samples, rate = _sound(text, voice)
    found = _resampled(samples, rate)
    loudness = np.sqrt(np.square(found).mean()) if len(found) else 0.0
    if not loudness > 0:
        return found
    return found * np.float32(min(LEVEL / loudness, PEAK / np.abs(found).max()))


def _sound(text: str, voice: Voice) -> tuple[Array, int]:
    """What the voice's engine makes of a text, and its rate."""
    if voice.engine == "hibari":
        return _hibari()(text, seed=0), _hibari().sample_rate
    parts = in_languages(text, voice.language)
    if voice.engine == "kokoro":
        british = voice.style.startswith("b")
        sounds = [phonemes(part, code, british) for part, code in parts]
        said = re.sub(r" +(?=[;:,.!?…])", "", " ".join(sounds))
        return kokoro.speak(said, voice.style), kokoro.RATE
    pieces = [espeak.speak(spelled(part, code), code, voice.style) for part, code in parts]
    return np.concatenate([piece for piece, _ in pieces]), pieces[0][1]


def in_languages(text: str, language: str) -> list[tuple[str, str]]:
    """Parts of a text and who reads them: Latin words in another script are English, as 今天是Monday."""
    if LANGUAGES[language].scripts == LATIN:
        return [(text, language)]
    pieces = re.split(r"((?:[A-Za-z][A-Za-z'’]*)(?:[ -]+[A-Za-z][A-Za-z'’]*)*)", text)
    parts: list[tuple[str, str]] = []
    for number, piece in enumerate(pieces):
        if any(c.isalnum() for c in piece):
            parts.append((piece, "en" if number % 2 else language))
        elif parts:  # signs end what is before them
            parts[-1] = (parts[-1][0] + piece, parts[-1][1])
    return parts


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
        return " ".join(mandarin.pinyin(text))
    return " ".join(word for word, _ in japanese.kana(text)) if language == "ja" else text


@cache
def _hibari() -> Any:
    with LOADING:
        try:
            from hibari import Hibari
        except ImportError as error:
            raise UserError("package_missing", name="hibari-tts") from error
        return Hibari(voice="heart")


def _resampled(samples: Array, rate: int) -> Array:
    """Samples (N,) at a rate in hertz as (M,) at 16 kHz."""
    from scipy.signal import resample_poly

    common = int(np.gcd(rate, RATE))
    return np.asarray(resample_poly(samples, RATE // common, rate // common), np.float32)
