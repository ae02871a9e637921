"""FaceMotion learns from tracked clips: a face model, a line in closed form, then what a transformer adds.

How much of the transformer is believed is chosen on people of the training clips who are left out of a first
training; a second one then learns from everybody.
"""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from models.core.training import first_alone, fit, save_half
from models.face.motion import ridge as motion_ridge
from models.face.motion.batches import (
    LIPS,
    LOWER,
    UPPER,
    Array,
    Sample,
    batches,
    correlation,
    losses,
    training_clips,
)
from models.face.motion.face_motion import FaceMotion, mouth_extents
from models.face.sources import mesh
from models.face.sources.clips import BLENDSHAPE_SET, Clip, read_recordings
from models.face.sources.speakers import S1
from models.face.sync.articulation import reach

COMPONENTS = 32
STEPS, RATE = 300, 1e-3
HELD = 3  # every third person is left out of the first training
GAINS = (0.0, 0.25, 0.5, 0.75, 1.0)
MOST_STRETCH = 2.0
LONG = 50  # frames of a clip in which a mouth shows its range


def train(data: Path, out: Path, without: str | None = None) -> None:
    """Make and save the network, in two trainings of STEPS; a stopped one goes on.

    without: a set that it never sees, for honest figures on that set.
    """
    with first_alone():
        clips = training_clips(data, without)
    basis, offset = face_model(clips)
    samples = gather(clips, basis, offset) + ([] if without else recordings(data))
    held = held_people(samples)
    first = prepared(samples, held, basis, offset)
    first = learned(f"{out.name}_choice", first, [one for one in samples if one.person not in held], STEPS)
    unmet = [one for one in samples if one.person in held]
    gain = chosen_gain(first, unmet)
    first.gain.fill_(gain)
    stretch = chosen_stretch(first, unmet)
    network = learned(out.name, prepared(samples, set(), basis, offset), samples, STEPS)
    network.gain.fill_(gain)
    network.stretch.copy_(torch.from_numpy(stretch))
    save_half(network, out)


def held_people(samples: Sequence[Sample]) -> set[str]:
    """Every third person, for choosing; not those of whom most is known."""
    people = sorted({one.person for one in samples} - {S1, BLENDSHAPE_SET})
    return set(people[::HELD])


def face_model(clips: Sequence[Clip]) -> tuple[Array, Array]:
    """Principal components (32, 1434) of how faces move while they speak, of unit size, and the mean (1434,).

    The lips weigh most, the lower face some, and eyes, brows and irises do not take part.
    """
    counts = Counter(one.person for one in clips)
    moved = np.concatenate([one.track.deltas()[one.track.seen] for one in clips])
    weight = np.concatenate(
        [np.full(one.track.seen.sum(), counts[one.person] ** -0.5, np.float32) for one in clips]
    )
    weight /= weight.sum()
    part = np.zeros(mesh.VERTICES, np.float32)
    height = mesh.canonical()[:, 1]
    part[: mesh.SKIN] = np.clip((1.5 - height) / 2, 0, 1)  # nothing above the nose's bridge
    moved *= part[:, None]
    flat = moved.reshape(len(moved), -1)
    offset = weight @ flat
    lips = np.repeat(np.where(np.isin(np.arange(mesh.VERTICES), LIPS), 1.0, 0.5 * part), 3) ** 0.5
    scaled = (flat - offset) * lips.astype(np.float32)
    covariance = ((scaled * weight[:, None]).T @ scaled).astype(np.float64)
    sizes, axes = np.linalg.eigh(covariance)
    sizes, axes = sizes[: -COMPONENTS - 1 : -1], axes[:, : -COMPONENTS - 1 : -1]
    sizes = np.maximum(sizes, 1e-12 * sizes[0])  # rounding makes some of faces that move one way negative
    coefficients = scaled @ (axes / np.sqrt(sizes)).astype(np.float32)
    basis = (coefficients * weight[:, None]).T @ (flat - offset)  # what each component does to every vertex
    return basis.astype(np.float32), offset.astype(np.float32)


def coefficients_of(deltas: Array, basis: Array, offset: Array) -> Array:
    """The components (T, 32) that make the lips of deltas (T, 478, 3)."""
    columns = (np.array(LIPS)[:, None] * 3 + np.arange(3)).ravel()
    wanted = deltas.reshape(len(deltas), -1)[:, columns] - offset[columns]
    small = basis[:, columns]
    left = small @ small.T + 1e-4 * np.trace(small @ small.T) / len(small) * np.eye(len(small))
    return np.linalg.solve(left, small @ wanted.T).T.astype(np.float32)


def gather(clips: Sequence[Clip], basis: Array, offset: Array) -> list[Sample]:
    """Clips as the training reads them."""
    samples = []
    for one in clips:
        deltas = one.track.deltas()
        coefficients = coefficients_of(deltas, basis, offset)
        known = np.ones(len(mesh.BLENDSHAPES), bool)
        shapes = one.track.blendshapes
        samples.append(Sample(one.person, one.set, one.heard, deltas[:, LIPS], coefficients, shapes, known))
    return samples


def recordings(data: Path) -> list[Sample]:
    """Mandarin sounds whose blendshapes are known."""
    return [
        Sample(BLENDSHAPE_SET, BLENDSHAPE_SET, one.heard, None, None, one.blendshapes, one.known)
        for one in read_recordings(data)
    ]


def prepared(samples: Sequence[Sample], held: set[str], basis: Array, offset: Array) -> FaceMotion:
    """A network whose line is solved on everybody but the people in `held`; its transformer is untrained.

    The line is the mean of two regressions: on features as they are, and without each recording's own mean.
    """
    seen = [one for one in samples if one.person not in held and one.coefficients is not None]
    examples = [motion_ridge.Example(one.person, one.heard, targets(one, basis)) for one in seen]
    ridges = [ridge for ridge, _ in motion_ridge.best_pair(examples, kept=(S1,))]
    weights = [one.weights / importance(basis) / len(ridges) for one in ridges]
    taps = [
        one[:-1].reshape(2 * motion_ridge.REACH + 1, -1, one.shape[1]).transpose(2, 1, 0) for one in weights
    ]
    features = np.concatenate([motion_ridge.features(one.heard) for one in seen])
    network = FaceMotion(components=COMPONENTS, reduced=ridges[0].reduction.matrix.shape[1])
    with torch.no_grad():
        network.basis.copy_(torch.from_numpy(basis))
        network.offset.copy_(torch.from_numpy(offset))
        network.centre.copy_(torch.from_numpy(ridges[0].reduction.centre))
        network.spread.copy_(torch.from_numpy(features.std(0)))
        network.reduce.copy_(torch.from_numpy(np.stack([one.reduction.matrix for one in ridges])))
        network.line.weight.copy_(torch.from_numpy(np.concatenate(taps, axis=1)))
        assert network.line.bias is not None
        network.line.bias.copy_(torch.from_numpy(weights[0][-1] + weights[1][-1]))
    return network


def targets(sample: Sample, basis: Array) -> Array:
    """What the line learns, (T, 84): coefficients and blendshapes, each times its importance."""
    assert sample.coefficients is not None
    return np.concatenate([sample.coefficients, sample.shapes], axis=1) * importance(basis)


def importance(basis: Array) -> Array:
    """How far a unit of each output moves a lip vertex, cm, (84,); blendshapes hardly count beside."""
    lips = basis.reshape(len(basis), mesh.VERTICES, 3)[:, LIPS]
    far = np.sqrt(np.square(lips).sum(2).mean(1))
    far = np.maximum(far, 1e-6)  # of a component that moves nothing; it is divided by
    return np.concatenate([far, np.full(len(mesh.BLENDSHAPES), 1e-3)]).astype(np.float32)


def learned(name: str, network: FaceMotion, samples: Sequence[Sample], steps: int) -> FaceMotion:
    """The network after `steps` of training on samples."""
    trained, _ = fit(name, network, partial(batches, samples), losses, rate=RATE, steps=steps, decay=0.05)
    assert isinstance(trained, FaceMotion)
    return trained


def chosen_gain(network: FaceMotion, samples: Sequence[Sample]) -> float:
    """How much of the transformer does best on people whom it has not met, mean over clips.

    Three errors count alike, each in parts of what the line alone makes of them, see `errors_of`.
    """
    scores = [np.array([errors_of(network, one, gain) for one in samples]).mean(0) for gain in GAINS]
    total = [float((one / scores[0]).sum()) for one in scores]
    print("gain:", {gain: [round(float(v), 3) for v in one] for gain, one in zip(GAINS, scores, strict=True)})
    return GAINS[int(np.argmin(total))]


def errors_of(network: FaceMotion, sample: Sample, gain: float) -> tuple[float, float, float]:
    """With so much of the transformer: the lips' mean distance (cm), the mean of each frame's largest squared
    one, and one minus the correlation of the gap.
    """
    assert sample.lips is not None
    network.gain.fill_(gain)
    made = network.predict(sample.heard).deltas()[:, LIPS]
    true = sample.lips
    opened, wanted = (part[:, UPPER, 1] - part[:, LOWER, 1] for part in (made, true))
    square = np.square(made - true).sum(2)
    return float(np.sqrt(square).mean()), float(square.max(1).mean()), 1 - correlation(opened, wanted, 0)


def chosen_stretch(network: FaceMotion, samples: Sequence[Sample]) -> Array:
    """By how much opening, width and rounding have to go further so that people whom the network has not met
    have the range that the camera saw, (3,): the geometric mean of the ratio over clips that are long enough.
    """
    ratios = []
    for one in (one for one in samples if len(one.heard) >= LONG):
        assert one.lips is not None
        made = network.predict(one.heard).deltas()
        real = np.zeros_like(made)
        real[:, LIPS] = one.lips
        ranges = [
            [reach(extent) for extent in mouth_extents(torch.from_numpy(part)).numpy().T]
            for part in (real, made)
        ]
        ratios.append(np.log(np.maximum(ranges[0], 1e-3) / np.maximum(ranges[1], 1e-3)))
    stretch = np.exp(np.mean(ratios, axis=0)).clip(1, MOST_STRETCH).astype(np.float32)
    print("stretch:", stretch.round(3).tolist())
    return stretch
