"""The sync network's training: a mouth among 31 shifts of its own sound, and among the sounds of others."""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from models.core.training import first_alone, fit, save_half
from models.face.sources.clips import CACHE, Clip
from models.face.sources.speaker_split import checked, taught
from models.face.sync.syncnet import BANDS, FRAMES, NAME, SHIFTS, SIDE, SyncNet, measure, mouths

CLIPS, WINDOWS = 20, 12  # of a batch, and of each of its clips
LEAST = FRAMES - 1 + WINDOWS + 2 * SHIFTS  # frames of a clip that can be learnt from


@dataclass(frozen=True)
class Seen:
    """A clip as the network meets it: mouth uint8 (T, 48, 48), mel (T, 160)."""

    person: str
    mouth: NDArray[np.uint8]
    mel: NDArray[np.float32]


def seen(clip: Clip) -> Seen:
    """A clip's mouths, cut out once and kept beside its track."""
    kept = CACHE / "mouths" / clip.set / f"{clip.name}.npy"
    if kept.exists():
        cut = np.load(kept)
    else:
        cut = mouths(clip.frames(), clip.track)
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.save(kept, cut)
    return Seen(f"{clip.set} {clip.person}", cut, clip.heard.mel)


def batches(clips: Sequence[Seen], seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless mouths (CLIPS, 16, 48, 48) and mels (CLIPS, 46, 160); people with fewer clips come more often.

    Light, place, size and sharpness of the mouth and the tone of the sound vary at random.
    """
    rng = np.random.default_rng(seed)
    people: dict[str, list[Seen]] = defaultdict(list)
    for clip in clips:
        if len(clip.mel) >= LEAST:
            people[clip.person].append(clip)
    names = sorted(people)
    weight = np.array([len(people[name]) ** 0.5 for name in names])
    weight /= weight.sum()
    while True:
        parts = [people[names[i]] for i in rng.choice(len(names), CLIPS, p=weight)]
        chosen = [_window(own[rng.integers(len(own))], rng) for own in parts]
        yield torch.stack([one[0] for one in chosen]), torch.stack([one[1] for one in chosen])


def _window(clip: Seen, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    start = SHIFTS + int(rng.integers(len(clip.mel) - LEAST + 1))
    mouth: NDArray[Any] = _turned(clip.mouth[start : start + WINDOWS + FRAMES - 1], rng) / 255
    mouth = (mouth - 0.5) * rng.uniform(0.6, 1.5) + 0.5 + rng.uniform(-0.2, 0.2)
    mouth = mouth + rng.normal(0, rng.uniform(0, 0.04), mouth.shape)
    heard = clip.mel[start - SHIFTS : start + WINDOWS + FRAMES - 1 + SHIFTS].reshape(-1, BANDS)
    mel = heard + np.interp(np.arange(BANDS), (0, 25, 50, 79), rng.normal(0, 0.2, 4))
    mel = mel + rng.normal(0, rng.uniform(0, 0.1), mel.shape)
    low = int(rng.integers(0, BANDS))
    mel[:, low : low + int(rng.integers(0, 16))] = mel.mean()
    return (
        torch.from_numpy(mouth.astype(np.float32)),
        torch.from_numpy(mel.astype(np.float32)).reshape(-1, 2 * BANDS),
    )


def _turned(mouth: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[Any]:
    """Mouths (T, 48, 48), all turned, shifted, scaled, mirrored and blurred alike."""
    turn = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), rng.uniform(-10, 10), rng.uniform(0.82, 1.2))
    turn = turn + np.array([[0, 0, rng.uniform(-4, 4)], [0, 0, rng.uniform(-4, 4)]])
    stack: NDArray[Any] = np.ascontiguousarray(mouth.transpose(1, 2, 0))
    stack = cv2.warpAffine(stack, turn, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    if (blur := rng.uniform(0, 1.2)) > 0.4:
        stack = cv2.GaussianBlur(stack, (0, 0), blur)
    stack = stack.transpose(2, 0, 1)
    return stack[:, :, ::-1] if rng.random() < 0.5 else stack


def losses(network: nn.Module, batch: tuple[Tensor, Tensor], spent: float) -> dict[str, Tensor]:
    """Cross-entropy of the right shift among 31, and of the right clip among the batch's."""
    mouth, mel = batch
    a, b, scale = (part.float() for part in network(mouth, mel))
    clips, count = a.shape[:2]
    near = scale * torch.einsum("cid,cjd->cij", a, b)
    shifts = torch.stack([near[:, i, i : i + 2 * SHIFTS + 1] for i in range(count)], dim=1).flatten(0, 1)
    right = torch.full((len(shifts),), SHIFTS, device=shifts.device)
    others = scale * torch.einsum("cid,kid->ick", a, b[:, SHIFTS : SHIFTS + count]).flatten(0, 1)
    own = torch.arange(clips, device=others.device).repeat(count)
    first, second = cross_entropy(shifts, right), cross_entropy(others, own)
    hit = ((shifts.argmax(1) - SHIFTS).abs() <= 1).float().mean()
    return {"loss": first + second, "shift": first, "other": second, "hit": hit}


def train(data: Path, out: Path, minutes: float) -> None:
    """Train and write the checkpoint folder (its card is written by hand from what this prints)."""
    with first_alone():
        learnt, unseen = [seen(clip) for clip in taught(data)], [seen(clip) for clip in checked(data)]
    print(f"{len(learnt)} clips to learn from, {len(unseen)} of held-out people", flush=True)

    def check(average: nn.Module) -> str:
        assert isinstance(average, SyncNet)
        own = [measure(average, clip.mouth, clip.mel) for clip in unseen]
        other = [measure(average, a.mouth, _fit(b.mel, len(a.mel))) for a, b in itertools.pairwise(unseen)]
        lag = np.mean([abs(one.lag) <= 1 for one in own])
        return (
            f"confidence {np.mean([one.confidence for one in own]):.3f}, "
            f"of others' sound {np.mean([one.confidence for one in other]):.3f}, lag within 1: {lag:.2f}"
        )

    network, done = fit(
        NAME, SyncNet(), partial(batches, learnt), losses, rate=1.5e-3, minutes=minutes, check=check
    )
    print(check(network), done)
    save_half(network, out)


def _fit(mel: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """A spectrogram repeated or cut to a number of frames."""
    return np.resize(mel, (count, mel.shape[1]))
