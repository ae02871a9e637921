"""Clips heard as others might have recorded them: another room and microphone, noise, another tempo.

The few people of the training clips were recorded in quiet rooms. A view of a clip is its sound, changed and
put between other clips' sounds into half a minute that Whisper listens to at once; the face moves as much
quicker as the voice does.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from models.face import FPS, RATE, frames_of
from models.face.media import read_sound
from models.face.speech import CHUNK, Heard, levelled, listen
from models.face.training.clips import CACHE, load_heard, save_heard

FRAME = RATE // FPS
SPEED = (0.92, 1.09)
EQUALISER = 3.5  # dB, standard deviation of each of seven points
ECHO, NOISE = 0.25, 0.6  # how often
LOUDNESS = (10.0, 35.0)  # dB of the speech above a noise
NOISES = ("white", "pink", "brown", "babble")

Array = NDArray[np.float32]


@dataclass(frozen=True)
class View:
    """What is heard in a changed clip, and at which of the clip's frames (T,) each of its frames lies."""

    heard: Heard
    at: Array


def views(paths: Sequence[Path], name: str, number: int) -> dict[str, View]:
    """View `number` of each clip of a set, by its name; kept in runs/face."""
    folder = CACHE / "views" / name / str(number)
    if any(not (folder / f"{path.stem}.npz").exists() for path in paths):
        for stem, view in _listened(paths, np.random.default_rng([number, len(paths)])):
            save_heard(folder / f"{stem}.npz", view.heard, at=view.at)
    found = {}
    for path in paths:
        kept = folder / f"{path.stem}.npz"
        with np.load(kept) as file:
            found[path.stem] = View(load_heard(kept), file["at"])
    return found


def _listened(paths: Sequence[Path], rng: np.random.Generator) -> Iterator[tuple[str, View]]:
    """Windows of half a minute are filled with clips in random order, each window with a noise of its own."""
    queue = [paths[place] for place in rng.permutation(len(paths))]
    while queue:
        window = np.zeros(FRAME * int(rng.integers(0, 3 * FPS)), np.float32)
        inside: list[tuple[str, int, Array]] = []
        while queue:
            sound, at = changed(_sound(queue[0]), rng)
            if inside and len(window) + len(sound) > CHUNK * FRAME:
                break
            inside.append((queue.pop(0).stem, len(window) // FRAME, at))
            window = np.concatenate([window, sound, np.zeros(FRAME * int(rng.integers(4, FPS)), np.float32)])
        if rng.random() < NOISE:
            window = window + noise(len(window), window.std(), paths, rng)
        heard = listen(window)
        for stem, start, at in inside:
            yield stem, View(heard.part(start, start + len(at)), at)


def changed(sound: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """A sound faster or slower, through another microphone, in another room, and where its frames were."""
    speed = float(rng.uniform(*SPEED))
    frames = max(1, int(frames_of(len(sound)) / speed))
    at = np.arange(frames * FRAME) * speed
    result = np.interp(at, np.arange(len(sound)), sound).astype(np.float32)
    points = np.interp(
        np.log(np.fft.rfftfreq(len(result), 1 / RATE) + 60),
        np.log(np.geomspace(60, 8000, 7)),
        EQUALISER * rng.standard_normal(7),
    )
    spectrum = np.fft.rfft(result) * 10 ** (points / 20)
    result = np.fft.irfft(spectrum, len(result)).astype(np.float32)
    if rng.random() < ECHO:
        seconds = rng.uniform(0.05, 0.4)
        tail = rng.standard_normal(int(seconds * RATE)) * np.exp(
            -6.9 * np.linspace(0, 1, int(seconds * RATE))
        )
        tail *= rng.uniform(0.1, 0.4) / np.linalg.norm(tail)
        tail[0] = 1
        result = fftconvolve(result, tail)[: len(result)].astype(np.float32)
    return levelled(result), (np.arange(frames) * speed).astype(np.float32)


def noise(count: int, loud: float, paths: Sequence[Path], rng: np.random.Generator) -> Array:
    """Noise (count,) of a colour or of other people, below a sound whose standard deviation is `loud`."""
    kind = NOISES[int(rng.integers(len(NOISES)))]
    if kind == "babble":
        result = np.zeros(count, np.float32)
        for place in rng.integers(len(paths), size=6):
            other = levelled(_sound(paths[place]))
            result += np.roll(np.resize(other, count), int(rng.integers(count)))
    else:
        fall = {"white": 0.0, "pink": 0.5, "brown": 1.0}[kind]
        colour = (np.fft.rfftfreq(count, 1 / RATE) + 30) ** -fall
        result = np.fft.irfft(np.fft.rfft(rng.standard_normal(count)) * colour, count).astype(np.float32)
    factor = loud / max(float(result.std()), 1e-6) * 10 ** (-rng.uniform(*LOUDNESS) / 20)
    return (factor * result).astype(np.float32)


@cache
def _sound(path: Path) -> Any:
    return read_sound(path)
