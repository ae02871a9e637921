"""How well voices are understood: sentences are spoken and read back, and letters that differ are counted."""

import json
import resource
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.core.errors import UserError
from models.core.results import markdown, write
from models.face import RATE
from models.face.speech import readback, voices
from models.face.speech.sentences import SENTENCES
from models.face.speech.text_normalization import normalised

QUIET = 0.005  # amplitude of silence


@dataclass
class _Tally:
    """What is summed over the sentences of a voice. Seconds; silence: before and after, the most of each."""

    wrong: int = 0
    letters: int = 0
    spoken: float = 0.0
    work: float = 0.0
    power: float = 0.0
    peak: float = 0.0
    silence: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def add(self, samples: NDArray[np.float32], work: float, errors: tuple[int, int]) -> None:
        """One more sentence: its sound at 16 kHz, a core's work on it, and letters wrong, of how many."""
        self.wrong, self.letters = self.wrong + errors[0], self.letters + errors[1]
        self.spoken, self.work = self.spoken + len(samples) / RATE, self.work + work
        self.power += float(np.square(samples).sum())
        self.peak = max(self.peak, float(np.abs(samples).max()))
        loud = np.flatnonzero(np.abs(samples) > QUIET)
        ends = (loud[0] / RATE, (len(samples) - 1 - loud[-1]) / RATE)
        self.silence = [max(pair) for pair in zip(self.silence, ends, strict=True)]


def evaluate(language: str | None = None) -> dict[str, Any]:
    """Measure every known voice of the languages that have SENTENCES, and write the table that is read.

    language: of one alone, by its code; the figures of the others stay. Raises UserError("language_unknown").
    """
    if language is not None and language not in SENTENCES:
        raise UserError("language_unknown", name=language[:20], choices=", ".join(SENTENCES))
    for code in SENTENCES if language is None else (language,):
        _remember(code, [_measure(voice) for voice in voices.known() if voice.language == code])
    offered = {(voice.language, voice.name) for voice in voices.offered()}
    rows = [{**row, "offered": (row["language"], row["voice"]) in offered} for row in voices.measured()]
    table = markdown([_shown(row) for row in rows])
    print(table)
    write("face-voices", f"{_ABOUT}\n\n{table}\n\n`python -m models.face evaluate voices`")
    return {"voices": rows}


def _shown(row: dict[str, Any]) -> dict[str, object]:
    return {
        "language": row["language"],
        "voice": row["voice"],
        "by": row["engine"],
        "letters wrong, %": float(row["errors"]),
        "work, s": f"{row['work']:.2f}",
        "level, dB": f"{row['level']:.0f}",
        "peak": f"{row['peak']:.2f}",
        "silence before, after, s": f"{row['before']:.2f}, {row['after']:.2f}",
        "offered": "yes" if row["offered"] else "no",
    }


def _measure(voice: voices.Voice) -> dict[str, Any]:
    """A voice's figures.

    errors: per cent. work: seconds of one core for each of sound. level: dB of full scale. before, after: s.
    """
    sentences = SENTENCES[voice.language]
    voices.spoken(sentences[0], voice)  # networks get ready
    tally = _Tally()
    for sentence in sentences:
        said = voices.cleaned(normalised(sentence, voice.language))
        before = _worked()
        samples = voices.spoken(said, voice)
        work = _worked() - before
        heard = readback.read_back(samples, voice.language)
        tally.add(samples, work, readback.errors(sentence, heard, voice.language))
        print(f"{voice.language} {voice.name}: {heard}", flush=True)
    return {
        "language": voice.language,
        "voice": voice.name,
        "engine": voice.engine,
        "errors": round(100 * tally.wrong / tally.letters, 1),
        "work": round(tally.work / tally.spoken, 3),
        "level": round(10 * np.log10(tally.power / tally.spoken / RATE), 1),
        "peak": round(tally.peak, 3),
        "before": round(tally.silence[0], 2),
        "after": round(tally.silence[1], 2),
    }


def _worked() -> float:
    """Seconds that this process worked, and the programs that it ran."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _remember(code: str, rows: list[dict[str, Any]]) -> None:
    """Put the figures of a language's voices into the table by which voices are offered."""
    rows = rows + [row for row in voices.measured() if row["language"] != code]
    rows.sort(key=lambda row: list(SENTENCES).index(row["language"]))
    lines = ",\n".join(json.dumps(row) for row in rows)
    voices.MEASURED.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    voices.offered.cache_clear()


_ABOUT = """## Voices: how well they are understood

Six sentences a language, written for this, are spoken by each voice and read back by Whisper base \
(multilingual, beam of 5), which makes mistakes of its own. `letters wrong` is the character error rate: \
letters that have to be replaced, added or left out, without signs, spaces and capitals; it passes 100 where \
more is heard than was said. What sounds alike counts as alike: a Chinese letter is a syllable with its \
tone, Japanese is compared in kana. Hindi is heard as Urdu, the same when it is spoken, since Whisper base \
writes Hindi in any script; Urdu leaves vowels out, so of Hindi only consonants count, as espeak-ng spells \
both. `work` is seconds of one CPU core for each second of speech, once the network is loaded; `level` the \
mean power below full scale, `peak` the largest sample of 1, `silence` the most before and after a sentence. \
A voice of more than 20 % is not offered (`assets/voices/measured.json` is what the program reads), but for \
espeak-ng's in a language that no network speaks well."""
