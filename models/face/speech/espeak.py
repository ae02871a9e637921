"""espeak-ng (GPL), a program of its own that is run beside this one: a text's sounds by name, or spoken."""

import re
import shutil
import subprocess

import numpy as np
from numpy.typing import NDArray

from models.core.errors import UserError
from models.face import RATE
from models.face.speech.languages import LANGUAGES

DEADLINE = 60.0  # seconds that it may take
PACE = "155"  # words a minute; its own 175 is hasty
TIE = "^"  # between the letters of one sound: t^ʃ


def speak(text: str, language: str, variant: str) -> tuple[NDArray[np.float32], int]:
    """A text of a language by its code, in one of its timbres, as "f3": samples (N,) and their rate.

    Raises UserError("voice_missing").
    """
    wave = _run(text, language, "-v", f"{LANGUAGES[language].espeak}+{variant}", "-s", PACE, "--stdout")
    # A WAV whose header claims two gigabytes, as it was written to a pipe: 44 bytes, then 16-bit samples.
    samples = np.frombuffer(wave[44:], "<i2").astype(np.float32)
    return samples / np.float32(32768), int.from_bytes(wave[24:28], "little") or RATE


def phonemes(text: str, language: str, voice: str | None = None) -> str:
    """A text's sounds in IPA with stress, letters of one sound tied by "^".

    voice: another of its voices than the language's. Raises as `speak` does.
    """
    name = voice or LANGUAGES[language].espeak
    said = _run(text, language, "-v", name, "-q", "--ipa=3", f"--tie={TIE}").decode()
    return re.sub(r"\([a-z-]+\)", "", " ".join(said.split()))  # (en): it reads a word as another language


def _run(text: str, language: str, *options: str) -> bytes:
    """What it writes."""
    program = shutil.which("espeak-ng")
    if program is None:
        raise UserError("voice_missing", language=LANGUAGES[language].label)
    try:
        done = subprocess.run(
            [program, *options, "--stdin"],
            input=text.encode(),
            capture_output=True,
            timeout=DEADLINE,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise UserError("voice_missing", language=LANGUAGES[language].label) from error
    return done.stdout
