"""Teaching FaceMotion: its basis and its linear filter in closed form, the rest by the vertices."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import smooth_l1_loss

from models.core.training import fit
from models.face.audio2mesh import FaceMotion
from models.face.topology import (
    CHIN,
    LEFT_CORNER,
    LIPS,
    LOWER_INNER,
    RIGHT_CORNER,
    UPPER_INNER,
    VERTICES,
    canonical,
)
from models.face.tracking import Floats
from models.face.training.clips import SETS, Clip, division, read_folder
from models.face.training.examples import Example, example, principal, variants
from models.face.training.ridge import fitted

NAME = "face_motion"
BATCH = 16
LIP_WEIGHT, JAW_WEIGHT = 4.0, 1.8  # the paper's weight of the mouth is 1.8; lips are what is looked at
MOUTH = (*UPPER_INNER, *LOWER_INNER, LEFT_CORNER, RIGHT_CORNER)  # what gap and width are measured at
CLOSED = 0.12  # cm: lips this near are closed
REACH, STRENGTH = 4, 0.3
VARIANTS = 4  # of each clip whose person has few; one of those of grid_s1
RARE_PEOPLE = 2.0  # how much more often those are seen


@dataclass(frozen=True)
class Taught:
    """An example in the network's terms.

    x: (T, F). voiced: (T,). wanted: (T, K) coefficients of what was seen. shapes: (T, 52).
    mouth: (T, 2) lip gap and mouth width seen, cm. rest: (12, 3), the MOUTH of the face at rest.
    """

    x: Tensor
    voiced: Tensor
    wanted: Tensor
    shapes: Tensor
    mouth: Tensor
    rest: Tensor


def load(data: Path) -> dict[str, list[Clip]]:
    """The clips of the data folder by division: train, val, test."""
    found: dict[str, list[Clip]] = {"train": [], "val": [], "test": []}
    for part in SETS:
        for clip in read_folder(data / part):
            found[division(clip)].append(clip)
    return found


def vertex_weights() -> Floats:
    """(478,): lips, then what lies below the nose, then the rest."""
    weights = np.ones(VERTICES, np.float32)
    low = canonical().vertices[:, 1] < (canonical().vertices[list(LIPS), 1].max() + 1)
    weights[: len(low)][low] = JAW_WEIGHT
    weights[list(LIPS)] = LIP_WEIGHT
    weights[CHIN] = JAW_WEIGHT
    return weights


def prepared(examples: Sequence[Example], names: tuple[str, ...], **sizes: int) -> FaceMotion:
    """A network whose axes, basis and linear filter are solved on these examples."""
    network = FaceMotion(names=names, reach=REACH, **sizes)
    network.state_mean[:], network.state_axes[:] = _tensors(
        principal([e.heard.states for e in examples], network.state_axes.shape[1])
    )
    network.mel_mean[:], network.mel_axes[:] = _tensors(
        principal([e.heard.mels for e in examples], network.mel_axes.shape[1])
    )
    network.basis[:] = torch.from_numpy(face_basis([e.motion for e in examples], len(network.basis)))
    (ridge,) = fitted(
        [features(network, e) for e in examples],
        [np.concatenate([coefficients(network, e.motion), e.blendshapes], 1) for e in examples],
        REACH,
        [STRENGTH],
    )
    with torch.no_grad():
        network.linear.weight.copy_(torch.from_numpy(ridge.weights).permute(2, 1, 0))
        network.linear.bias.copy_(torch.from_numpy(ridge.bias))
    return network


def _tensors(arrays: Sequence[Floats]) -> list[Tensor]:
    return [torch.from_numpy(np.ascontiguousarray(array)) for array in arrays]


def face_basis(motions: Sequence[Floats], count: int) -> Floats:
    """(count, 478, 3): directions with most of the weighted motion from rest, a standard deviation each."""
    weights = np.sqrt(vertex_weights()).repeat(3)
    power, rows = np.zeros((VERTICES * 3, VERTICES * 3)), 0
    for motion in motions:
        flat = motion.reshape(len(motion), -1) * weights
        power += flat.T @ flat
        rows += len(flat)
    values, vectors = np.linalg.eigh(power / rows)
    best = np.argsort(values)[::-1][:count]
    scaled = vectors[:, best] * np.sqrt(values[best]) / weights[:, None]
    return np.asarray(scaled.T.reshape(count, VERTICES, 3), np.float32)


def coefficients(network: FaceMotion, motion: Floats) -> Floats:
    """(T, K) of a motion (T, 478, 3), nearest in the weighted sense."""
    weights = np.sqrt(vertex_weights()).repeat(3)
    basis = network.basis.numpy().reshape(len(network.basis), -1) * weights
    flat = motion.reshape(len(motion), -1) * weights
    return np.asarray(flat @ basis.T / (basis**2).sum(1), np.float32)


@torch.inference_mode()
def features(network: FaceMotion, given: Example) -> Floats:
    """(T, F) of one example."""
    states, mels, voiced = (
        torch.from_numpy(part)[None] for part in (given.heard.states, given.heard.mels, given.heard.voiced)
    )
    return network.features(states, mels, voiced)[0].numpy()


def taught(network: FaceMotion, given: Example) -> Taught:
    """An example in the network's terms."""
    x, voiced, wanted, shapes, seen, rest = _tensors(
        (
            features(network, given),
            given.heard.voiced,
            coefficients(network, given.motion),
            given.blendshapes,
            given.rest[list(MOUTH)] + given.motion[:, MOUTH],
            given.rest[list(MOUTH)],
        )
    )
    return Taught(x, voiced, wanted, shapes, _mouth(seen), rest)


def batches(examples: Sequence[Taught], often: Sequence[float], seed: int) -> Iterator[tuple[Tensor, ...]]:
    """Endless padded batches; features are scaled, shifted, blurred by noise and blanked in places."""
    rng = np.random.default_rng(seed)
    share = np.array(often) / sum(often)
    while True:
        chosen = [examples[place] for place in rng.choice(len(examples), BATCH, p=share)]
        longest = max(len(one.x) for one in chosen)
        mask = torch.zeros(BATCH, longest, dtype=torch.bool)
        for row, one in enumerate(chosen):
            mask[row, : len(one.x)] = True
        x, voiced, wanted, shapes, mouth = (
            torch.nn.utils.rnn.pad_sequence([getattr(one, part) for one in chosen], batch_first=True)
            for part in ("x", "voiced", "wanted", "shapes", "mouth")
        )
        width = x.shape[2]
        scale = torch.from_numpy(rng.normal(1, 0.1, (BATCH, 1, 1)).astype(np.float32))
        shift = torch.from_numpy(rng.normal(0, 0.2, (BATCH, 1, width)).astype(np.float32))
        noise = torch.from_numpy(rng.normal(0, 0.2, x.shape).astype(np.float32))
        kept = torch.from_numpy((rng.random((BATCH, 1, width)) > 0.1).astype(np.float32))
        heard = (x * scale + shift + noise) * kept
        yield heard, voiced, mask, wanted, shapes, mouth, torch.stack([one.rest for one in chosen])


def losses(network: nn.Module, batch: Any, spent: float) -> dict[str, Tensor]:
    """Weighted vertices, their velocity, lip gap and width, closure, agreement of the gap, blendshapes.

    The basis is orthogonal under the weights of the vertices, so that a weighted squared distance of vertices
    is one of coefficients (what the basis can't show is beyond any of them), and 12 vertices are enough for
    the mouth: the same figures at a fiftieth of the work.
    """
    x, voiced, mask, wanted, shapes, seen, rest = batch
    found, said = network(x, voiced, mask)
    found, said, share = found.float(), said.float(), mask.float()
    basis = network.basis.float()  # type: ignore[union-attr,operator]
    power = (basis**2).sum(-1) @ torch.from_numpy(vertex_weights()).to(x.device)
    off = found - wanted
    size = (wanted**2 @ power * share).sum() / share.sum()
    vertices = (off**2 @ power * share).sum() / share.sum() / size
    both = share[:, 1:] * share[:, :-1]
    velocity = ((off[:, 1:] - off[:, :-1]) ** 2 @ power * both).sum() / both.sum() / size
    drawn = _mouth(rest[:, None] + torch.tensordot(found, basis[:, list(MOUTH)], 1))
    mouth = (smooth_l1_loss(drawn, seen, reduction="none", beta=0.1).sum(-1) * share).sum() / share.sum()
    closed = share * (seen[..., 0] < CLOSED)
    closure = (drawn[..., 0].clamp(min=CLOSED) - CLOSED).mul(closed).sum() / closed.sum().clamp(min=1)
    apart = 1 - _agreement(drawn[..., 0], seen[..., 0], share).mean()
    blend = ((said - shapes).abs().mean(-1) * share).sum() / share.sum()
    loss = vertices + 0.5 * velocity + mouth + closure + 0.3 * apart + 2 * blend
    return {
        "loss": loss,
        "vertices": vertices,
        "velocity": velocity,
        "mouth": mouth,
        "closure": closure,
        "gap_r": 1 - apart,
        "blendshapes": blend,
    }


def _mouth(points: Tensor) -> Tensor:
    """Lip gap and mouth width in cm, (..., 12, 3) to (..., 2)."""
    gaps = points[..., :5, :] - points[..., 5:10, :]
    wide = points[..., 10, :] - points[..., 11, :]
    return torch.stack([((gaps**2).sum(-1) + 1e-6).sqrt().mean(-1), wide.norm(dim=-1)], -1)


def _agreement(a: Tensor, b: Tensor, share: Tensor) -> Tensor:
    """(B,) correlation over the frames of each clip: how far a mouth opens is a habit, when is not."""
    count = share.sum(1, keepdim=True)
    a = (a - (a * share).sum(1, keepdim=True) / count) * share
    b = (b - (b * share).sum(1, keepdim=True) / count) * share
    return (a * b).sum(1) / ((a**2).sum(1) * (b**2).sum(1) + 1e-4).sqrt()


def often_of(clips: Sequence[Clip]) -> list[float]:
    """How often each clip is seen, beside the others: those of the many people who have few, more."""
    return [1.0 if clip.part == "grid_s1" else RARE_PEOPLE for clip in clips]


@torch.inference_mode()
def agreement(network: FaceMotion, examples: Sequence[Example]) -> float:
    """Mean correlation of the lip gap over clips, of the network as it is used."""
    from models.face.evaluation.sync import correlation
    from models.face.tracking import lip_gap

    found = [
        correlation(lip_gap(e.rest + network.predict(e.heard).displacements()), lip_gap(e.rest + e.motion))
        for e in examples
    ]
    return float(np.mean(found))


def train(data: Path, out: Path, minutes: float) -> None:
    """Train and write the checkpoint folder (its card is written by hand from what this prints)."""
    from models.face.tracking import blendshape_names

    clips = load(data)
    print({part: len(found) for part, found in clips.items()}, flush=True)
    plain = [example(clip) for clip in clips["train"]]
    varied = [variants(clip, 1 if clip.part == "grid_s1" else VARIANTS) for clip in clips["train"]]
    everything = plain + list(itertools.chain(*varied))
    network = prepared(everything, blendshape_names())
    often = often_of([one.clip for one in everything])
    checked = [example(clip) for clip in clips["val"]]
    print(
        f"{len(everything)} examples; linear filter alone: val gap r {agreement(network.eval(), checked):.3f}"
    )
    network, done = fit(  # type: ignore[assignment]
        NAME,
        network,
        batches([taught(network, one) for one in everything], often, seed=0),
        losses,
        minutes=minutes,
        rate=2e-3,
        decay=0.05,
        check=lambda average: f"val gap r {agreement(average, checked):.3f}",  # type: ignore[arg-type]
    )
    network.half().save_pretrained(out)
    print(done)
