"""How well voices are understood: sentences are spoken and read back, and letters that differ are counted."""

import json
import resource
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


def evaluate() -> dict[str, Any]:
    """Measure every known voice of the languages that have SENTENCES, and write the table that is read."""
    rows = [row for code in SENTENCES for row in _rows(code)]
    shown = [
        {
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
        for row in rows
    ]
    print(markdown(shown))
    write("face-voices", f"{_ABOUT}\n\n{markdown(shown)}\n\n`python -m models.face evaluate voices`")
    return {"voices": rows}


def _rows(code: str) -> list[dict[str, Any]]:
    able = [voice for voice in voices.known() if voice.language == code]
    measured = [
        {"language": code, "voice": voice.name, "engine": voice.engine, **_measure(voice)} for voice in able
    ]
    _remember(measured)
    offered = {voice.name for voice in voices.offered() if voice.language == code}
    return [{**row, "offered": row["voice"] in offered} for row in measured]


def _measure(voice: voices.Voice) -> dict[str, float]:
    """A voice's figures.

    errors: per cent. work: seconds of one core for each of sound. level: dB of full scale. before, after: s.
    """
    sentences = SENTENCES[voice.language]
    voices.spoken(sentences[0], voice)  # networks get ready
    tally = _Tally()
    for sentence in sentences:
        said = voices.cleaned(normalised(sentence, voice.language))
        before = _worked()
        samples = voices.resampled(*voices.spoken(said, voice))
        work = _worked() - before
        heard = readback.read_back(samples, voice.language)
        tally.add(samples, work, readback.errors(sentence, heard, voice.language))
        print(f"{voice.language} {voice.name}: {heard}", flush=True)
    return {
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


def _remember(measured: list[dict[str, Any]]) -> None:
    """Put the errors of a language's voices into the table by which voices are offered."""
    rows = json.loads(voices.MEASURED.read_text(encoding="utf-8"))
    code = measured[0]["language"]
    rows = [row for row in rows if row["language"] != code]
    rows += [{key: row[key] for key in ("language", "voice", "errors")} for row in measured]
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    voices.MEASURED.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    voices.offered.cache_clear()


_ABOUT = """## Voices: how well they are understood

Six sentences a language, written for this, are spoken by each voice and read back by Whisper base \
(multilingual, beam of 5), which makes mistakes of its own: of a language that it knows badly, as Hindi, the \
figures say more about it than about a voice. `letters wrong` is the character error rate: letters that have \
to be replaced, added or left out, without signs, spaces and capitals. What sounds alike counts as alike: a \
Chinese letter is a syllable with its tone, Japanese is compared in kana. `work` is seconds of one CPU core \
for each second of speech, once the network is loaded; `level` the mean power below full scale, `peak` the \
largest sample of 1, `silence` the most before and after a sentence. A voice of more than 20 % is not \
offered (`assets/voices/measured.json` is what the program reads), but for espeak-ng's where a language has \
no other."""
