"""What FaceMotion is shown in a step of its training, and what it is blamed for."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.core.training import unwrapped
from models.face.motion import ridge as motion_ridge
from models.face.motion.face_motion import tensors
from models.face.sources import mesh
from models.face.sources.clips import LEFT_OUT, SETS, Clip, parts, read_set
from models.face.sources.speaker_split import held_out
from models.face.speech.features import Heard

LAGS = range(-5, 6)  # frames that a set's sound may lie behind its picture

LIPS = list(mesh.LIPS)
UPPER, LOWER = LIPS.index(mesh.UPPER_INNER), LIPS.index(mesh.LOWER_INNER)
CROP, BATCH = 64, 16  # frames, crops
SHUT = 0.08  # cm above its rest that a mouth still counts as closed
RECORDING_WEIGHT = 0.3  # of sounds without a face, whose blendshapes another tracker measured
COLUMNS = [3 * vertex + axis for vertex in LIPS for axis in range(3)]

Array = NDArray[np.float32]
Batch = Mapping[str, Tensor]


@dataclass(frozen=True)
class Sample:
    """Something heard of T frames and what was seen.

    lips: (T, 40, 3) cm from rest, coefficients: (T, 32), or None where no face was seen. shapes: (T, 52),
    known: (52,). person, set: who speaks, where it comes from.
    """

    person: str
    set: str
    heard: Heard
    lips: Array | None
    coefficients: Array | None
    shapes: Array
    known: NDArray[np.bool_]


def batches(samples: Sequence[Sample], seed: int) -> Iterator[Batch]:
    """Crops without end: a person by the square root of their frames, then one of their clips."""
    rng = np.random.default_rng(seed)
    counts = Counter[str]()
    for one in samples:
        counts[one.person] += len(one.heard)
    people = sorted(counts)
    weights = np.array([counts[person] for person in people]) ** 0.5
    clips = {person: [one for one in samples if one.person == person] for person in people}
    while True:
        chosen = [clips[person] for person in rng.choice(people, BATCH, p=weights / weights.sum())]
        crops = [crop(among[int(rng.integers(len(among)))], rng) for among in chosen]
        yield {key: torch.stack([one[key] for one in crops]) for key in crops[0]}


def crop(sample: Sample, rng: np.random.Generator) -> dict[str, Tensor]:
    """CROP frames of a sample, the last one repeated where it is shorter; features disturbed a little."""
    count = len(sample.heard)
    start = int(rng.integers(max(1, count - CROP + 1)))
    at = np.minimum(np.arange(start, start + CROP), count - 1)
    inside = torch.from_numpy((np.arange(start, start + CROP) < count).astype(np.float32))
    features, voice = tensors(sample.heard)
    lips = np.zeros((CROP, len(LIPS), 3), np.float32) if sample.lips is None else sample.lips[at]
    seen = float(sample.lips is not None)
    return {
        "features": disturbed(features[at], rng),
        "voice": voice[at],
        "mean": features.mean(0),
        "lips": torch.from_numpy(lips),
        "shapes": torch.from_numpy(sample.shapes[at]),
        "known": torch.from_numpy(sample.known.astype(np.float32)) * (1.0 if seen else RECORDING_WEIGHT),
        "inside": inside * seen,
        "heard": inside,
    }


def disturbed(features: Tensor, rng: np.random.Generator) -> Tensor:
    """Features with some columns silenced to their mean, and a little noise."""
    gone = torch.from_numpy(rng.random(features.shape[1]) < 0.1)
    spread = features.std(0)
    noise = torch.from_numpy(rng.standard_normal(features.shape).astype(np.float32))
    return torch.where(gone, features.mean(0), features) + 0.15 * spread * noise


def losses(network: nn.Module, batch: Batch, spent: float) -> dict[str, Tensor]:
    """Errors in millimetres or in parts: lips, their velocity, the gap between them, closure, blendshapes."""
    coefficients, shapes = network(batch["features"], batch["voice"], batch["mean"])
    inner = unwrapped(network)  # of the face model, which is given
    basis, offset = inner.basis[:, COLUMNS], inner.offset[COLUMNS]
    made = 10 * (coefficients.float() @ basis + offset).unflatten(-1, (len(LIPS), 3))
    true = 10 * batch["lips"]
    inside = batch["inside"]
    error = made - true
    far = error.square().sum(3).add(1e-4).sqrt()
    opened, wanted = (part[:, :, UPPER, 1] - part[:, :, LOWER, 1] for part in (made, true))
    both = inside[:, 1:] * inside[:, :-1]
    velocity = (error[:, 1:] - error[:, :-1]).square().sum(3).add(1e-4).sqrt().mean(2)
    shut = inside * (wanted < 10 * SHUT)
    found = {
        "lips": mean_of(far.mean(2), inside) + 0.3 * mean_of(far.square().amax(2), inside).add(1e-4).sqrt(),
        "velocity": mean_of(velocity, both),
        "gap": mean_of((opened - wanted).abs(), inside),
        "closure": mean_of(functional.relu(opened - wanted), shut),
        "unlike": unlikeness(opened, wanted, inside),
        "shapes": mean_of(
            ((shapes.float() - batch["shapes"]).abs() * batch["known"][:, None]).mean(2), batch["heard"]
        ),
    }
    weights = {"lips": 1.0, "velocity": 1.0, "gap": 0.3, "closure": 0.3, "unlike": 1.0, "shapes": 5.0}
    return {"loss": torch.stack([weights[key] * value for key, value in found.items()]).sum(), **found}


def mean_of(values: Tensor, where: Tensor) -> Tensor:
    """The mean of values (B, T) weighted by `where`."""
    return (values * where).sum() / where.sum().clamp_min(1)


def unlikeness(made: Tensor, true: Tensor, where: Tensor) -> Tensor:
    """One minus Pearson's correlation of (B, T) in each crop, where it has frames enough."""
    count = where.sum(1, keepdim=True).clamp_min(1)
    a, b = (part - (part * where).sum(1, keepdim=True) / count for part in (made, true))
    both, left, right = ((x * y * where).sum(1) / count[:, 0] for x, y in ((a, b), (a, a), (b, b)))
    like = both / (left * right + 1e-3).sqrt()
    kept = (where.sum(1) > CROP // 3).float()
    return ((1 - like) * kept).sum() / kept.sum().clamp_min(1)


def training_clips(data: Path, without: str | None) -> list[Clip]:
    """Clips of all sets but one, in time with their sound, as far as they are for training.

    Of many_people nobody who is held out; the other sets are whole, since a network without each is trained.
    """
    clips = list(parts(read_set(data, SETS[0]))[0])
    clock = clips[::4]
    examples = [motion_ridge.Example(one.person, one.heard, gaps(one)[:, None]) for one in clock]
    ridge = motion_ridge.Sums(examples, motion_ridge.reduction([one.heard for one in clock])).solve(1.0)
    for name in SETS[1:]:
        if name != without:
            found = [one for one in read_set(data, name) if name in LEFT_OUT or not held_out(one)]
            clips += [one.shifted(lag_of(ridge, found)) for one in found]
    return clips


def correlation(heard: Array, seen: Array, lag: int) -> float:
    """Pearson's, of what was heard at t and seen at t - lag."""
    count = len(heard) - abs(lag)
    if count < 3:
        return 0.0
    a, b = heard[max(lag, 0) :][:count], seen[max(-lag, 0) :][:count]
    spread = a.std() * b.std()
    return (
        float(((a - a.mean()) * (b - b.mean())).mean() / spread) if spread > 1e-6 else 0.0
    )  # cm squared: less is rounding


def gaps(clip: Clip) -> Array:
    """How far the mouth is open, (T,) cm."""
    return np.asarray(mesh.lip_gap(clip.track.vertices), np.float32)


def lag_of(ridge: motion_ridge.Ridge, clips: Sequence[Clip]) -> int:
    """Frames that the sound of a set lies behind its picture, as a regression on another set's gaps tells."""
    said = [(ridge.predict(one.heard)[:, 0], gaps(one)) for one in clips]
    return max(LAGS, key=lambda lag: sum(correlation(a, b, lag) for a, b in said))
