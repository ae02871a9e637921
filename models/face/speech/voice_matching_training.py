"""Fitting the voice matcher: faces of clips, and the pitch of who speaks there."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.core.training import save_half
from models.face import RATE
from models.face.sources.clips import SETS, Clip, read_set
from models.face.sources.film_io import open_clip, read_clip
from models.face.sources.sound_io import read_sound
from models.face.sources.speaker_split import held_out
from models.face.speech.voice_matching import VoiceMatcher, kind_at, seen

CLIPS = 2  # of a person at most: a person's pitch is learnt, not a clip's
RIDGE = 1.0
WINDOW = 0.04  # seconds
LOWEST, HIGHEST = 70.0, 350.0  # Hz
VOICED = 0.6  # of its own power, that a window must have one period later
NEARLY = 0.9  # of the highest peak
TRUSTED = 60  # voiced windows after which more say nothing new

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Faces:
    """N clips: features (N, WIDTH), logarithms of pitch (N,), how much each counts (N,), who it is."""

    features: Tensor
    pitches: Tensor
    trust: Tensor
    people: Sequence[str]

    def only(self, rows: Sequence[int]) -> "Faces":
        """Some of them."""
        at = list(rows)
        return Faces(self.features[at], self.pitches[at], self.trust[at], [self.people[row] for row in at])

    def fitted(self) -> VoiceMatcher:
        """A matcher that learnt from all of them; of a person's clips each counts a part."""
        shares = torch.tensor([1 / self.people.count(one) for one in self.people])
        return VoiceMatcher.of(self.features, self.pitches, self.trust * shares, RIDGE)


def train(data: Path, out: Path) -> None:
    """Fit the matcher to everybody who is taught, print how it does on who is not, and save it in `out`.

    Raises UserError as `read_set` does.
    """
    clips = [clip for name in SETS for clip in _few(read_set(data, name))]
    taught = faces([clip for clip in clips if not held_out(clip)])
    checked = faces([clip for clip in clips if held_out(clip)])
    print("one person left out in turn:", told(taught, _left_out(taught)), flush=True)
    matcher = taught.fitted()
    print("people who were held out:", told(checked, matcher(checked.features)), flush=True)
    save_half(matcher, out)


def faces(clips: Sequence[Clip]) -> Faces:
    """What is learnt of clips; those without a voice or a face are left out."""
    rows = []
    for clip in clips:
        pitch, count = pitch_of(read_sound(clip.path))
        there = np.flatnonzero(clip.track.seen)
        if not count or not len(there):
            continue
        place = int(there[len(there) // 2])
        frame = next(islice(read_clip(open_clip(clip.path)), place, None))
        face = seen(frame, clip.track.pixels()[place]).cpu()
        rows.append((face, np.log(pitch), min(count, TRUSTED), clip.person))
    features, pitches, trust, people = zip(*rows, strict=True)
    return Faces(
        torch.stack(features), torch.tensor(pitches).float(), torch.tensor(trust).float(), list(people)
    )


def pitch_of(samples: Array) -> tuple[float, int]:
    """The median pitch in Hz of speech (N,) at 16 kHz, and how many windows had one; 0.0, 0 for none.

    By autocorrelation, over that of the window (Boersma, 1993).
    """
    size = round(WINDOW * RATE)
    windows = np.lib.stride_tricks.sliding_window_view(samples, size)[:: size // 2]
    power = np.square(windows).mean(1)
    hann = np.hanning(size)
    own = _correlation(hann[None])[0]
    low, high = round(RATE / HIGHEST), round(RATE / LOWEST)
    loud = windows[(power >= np.quantile(power, VOICED)) & (power > 0)]
    if not len(loud):
        return 0.0, 0
    found = _correlation((loud - loud.mean(1, keepdims=True)) * hann)[:, low:high] / own[low:high]
    # The first peak that is about as high as the highest: two periods are as alike as one.
    peaks = (found[:, :-1] >= NEARLY * found.max(1, keepdims=True)) & (found[:, :-1] >= found[:, 1:])
    periods = (low + peaks.argmax(1))[found.max(1) > VOICED]
    return (float(np.median(RATE / periods)), len(periods)) if len(periods) else (0.0, 0)


def _correlation(windows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The autocorrelation of windows (N, size), as a share of their power."""
    size = windows.shape[1]
    found = np.fft.irfft(np.abs(np.fft.rfft(windows, 4 * size)) ** 2)[:, :size]
    return np.asarray(found / np.maximum(found[:, :1], 1e-12))


def told(given: Faces, expected: Tensor) -> dict[str, float]:
    """How well pitches are told: correlation, shares of clips with a proposal and of those that are right."""
    real = [kind_at(float(one)) for one in given.pitches]
    said = [kind_at(float(one)) for one in expected]
    proposed = [(a, b) for a, b in zip(said, real, strict=True) if a and b]
    return {
        "people": len(set(given.people)),
        "clips": len(real),
        "r": round(float(np.corrcoef(given.pitches.numpy(), expected.numpy())[0, 1]), 3),
        "proposed": round(sum(map(bool, said)) / len(said), 3),
        "right": round(sum(a == b for a, b in proposed) / max(1, len(proposed)), 3),
    }


def _left_out(given: Faces) -> Tensor:
    """What is expected of each person by a matcher that learnt from all others."""
    expected = torch.zeros(len(given.people))
    for person in dict.fromkeys(given.people):
        theirs = [row for row, one in enumerate(given.people) if one == person]
        others = [row for row in range(len(given.people)) if row not in theirs]
        expected[theirs] = given.only(others).fitted()(given.features[theirs])
    return expected


def _few(clips: Sequence[Clip]) -> list[Clip]:
    """The first CLIPS of each person."""
    people = [clip.person for clip in clips]
    return [clip for place, clip in enumerate(clips) if people[:place].count(clip.person) < CLIPS]
