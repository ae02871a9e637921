"""What the network learns from: clips as heard features and the motion seen, with variants of each sound."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, resample, sosfilt

from models.core.training import RUNS
from models.face.media import RATE, Sound
from models.face.speech import Heard, hear
from models.face.tracking import Floats, rest
from models.face.training.clips import Clip

CACHE = RUNS / "face" / "heard"
SPEEDS = (0.84, 0.92, 1.09, 1.19)  # of the variants: faster is higher, in pitch and in formants


@dataclass(frozen=True)
class Example:
    """A clip of T frames as the network sees it.

    motion: (T, 478, 3) cm from the face at rest. blendshapes: (T, 52). rest: (478, 3), whose face it is.
    """

    clip: Clip
    heard: Heard
    motion: Floats
    blendshapes: Floats
    rest: Floats


def example(clip: Clip) -> Example:
    """A clip as it is."""
    heard = _heard(clip, "as_it_is", clip.sound)
    frames = min(len(clip.vertices), len(heard.voiced))
    face = rest(clip.vertices)
    return Example(
        clip,
        Heard(heard.states[:frames], heard.mels[:frames], heard.voiced[:frames]),
        clip.vertices[:frames] - face,
        clip.blendshapes[:frames],
        face,
    )


def variants(clip: Clip, count: int) -> list[Example]:
    """The clip with its sound at `count` other speeds, filtered and noisy, its motion stretched alike."""
    face = rest(clip.vertices)
    first = crc32(clip.name.encode())
    made = []
    for speed in (SPEEDS[(first + place) % len(SPEEDS)] for place in range(count)):
        rng = np.random.default_rng(crc32(f"{clip.name} {speed}".encode()))
        heard = _heard(clip, str(speed), disturbed(clip.sound, speed, rng))
        frames = min(len(heard.voiced), int(len(clip.vertices) / speed))
        at = np.arange(frames) * speed
        motion = _stretched(clip.vertices - face, at)
        shapes = _stretched(clip.blendshapes, at)
        part = Heard(heard.states[:frames], heard.mels[:frames], heard.voiced[:frames])
        made.append(Example(clip, part, motion, shapes, face))
    return made


def disturbed(sound: Sound, speed: float, rng: np.random.Generator) -> Sound:
    """The sound at another speed, through another microphone (a band tilted) and in another room's noise."""
    changed = resample(sound, round(len(sound) / speed))
    low, high = rng.uniform(60, 250), rng.uniform(3000, 7500)
    changed = sosfilt(butter(1, [low, high], "band", fs=RATE, output="sos"), changed)
    level = np.sqrt((changed**2).mean()) + 1e-6
    noise = rng.normal(0, level * 10 ** (-rng.uniform(12, 40) / 20), len(changed))
    return np.asarray((changed + noise) * rng.uniform(0.3, 1.0) * 0.1 / level, np.float32).clip(-1, 1)


def _stretched(values: Floats, at: NDArray[np.float64]) -> Floats:
    """Values (T, ...) at places between frames."""
    at = at.clip(0, len(values) - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, len(values) - 1)
    share = (at - low).reshape(-1, *[1] * (values.ndim - 1))
    return np.asarray(values[low] * (1 - share) + values[high] * share, np.float32)


def _heard(clip: Clip, variant: str, sound: Sound) -> Heard:
    kept = CACHE / clip.part / f"{clip.name}-{variant}.npz"
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        found = hear(sound)
        partial = kept.with_suffix(".part.npz")
        np.savez(partial, states=found.states.astype(np.float16), mels=found.mels, voiced=found.voiced)
        partial.replace(kept)
    with np.load(kept) as data:
        return Heard(data["states"].astype(np.float32), data["mels"].astype(np.float32), data["voiced"])


def examples(clips: Iterable[Clip]) -> list[Example]:
    """Clips as they are."""
    return [example(clip) for clip in clips]


def principal(rows: Sequence[Floats], count: int) -> tuple[Floats, Floats]:
    """Mean (D,) and axes (D, count) of stacked rows (N, D): (rows - mean) @ axes has spread 1."""
    stacked = np.concatenate(rows)
    mean = stacked.mean(0)
    values, vectors = np.linalg.eigh(np.cov(stacked - mean, rowvar=False))
    best = np.argsort(values)[::-1][:count]
    return mean.astype(np.float32), (vectors[:, best] / np.sqrt(values[best] + 1e-8)).astype(np.float32)
