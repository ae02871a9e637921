"""What a linear model makes of the same features, in closed form: a baseline, and a layer of FaceMotion.

The features (Whisper's encoder, mel) are reduced to principal components, each of unit size, and a window of
frames around each frame is read by ridge regression. Every person weighs by the square root of what is known
of them, so that nobody speaks for all.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.face.speech.features import Heard

COMPONENTS = (64, 96)  # of the features, to choose from
REACH = 4  # frames to either side
STRENGTHS = (0.03, 0.1, 0.3, 1.0, 3.0)

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Example:
    """Something heard, and what was seen: target (T, D). group: the person."""

    group: str
    heard: Heard
    target: Array


@dataclass(frozen=True)
class Reduction:
    """centre (544,) and matrix (544, C): (features - centre) @ matrix has unit size.

    own: the centre is each recording's own mean, which makes people and rooms more alike, and says less.
    """

    centre: Array
    matrix: Array
    own: bool = False

    def __call__(self, heard: Heard) -> Array:
        """(T, C)."""
        known = features(heard)
        return np.asarray((known - (known.mean(0) if self.own else self.centre)) @ self.matrix, np.float32)


@dataclass(frozen=True)
class Ridge:
    """weights: ((2 REACH + 1) C + 1, D), the last row being constant."""

    reduction: Reduction
    weights: Array

    def predict(self, heard: Heard) -> Array:
        """(T, D)."""
        return windows(self.reduction(heard)) @ self.weights


def features(heard: Heard) -> Array:
    """(T, 544)."""
    return np.concatenate([heard.whisper, heard.mel], axis=1)


def windows(reduced: Array) -> Array:
    """(T, C) -> (T, (2 REACH + 1) C + 1): each frame with its neighbours, and a one; ends are repeated."""
    count, padded = len(reduced), np.pad(reduced, ((REACH, REACH), (0, 0)), mode="edge")
    parts = [padded[shift : shift + count] for shift in range(2 * REACH + 1)]
    return np.concatenate([*parts, np.ones((count, 1), np.float32)], axis=1)


def reduction(heard: Sequence[Heard], own: bool = False, count: int = COMPONENTS[0]) -> Reduction:
    """Principal components of what is heard in clips, Whisper's and the mel bands' together."""
    known = [features(one) for one in heard]
    whole = np.concatenate([one - one.mean(0) for one in known] if own else known).astype(np.float64)
    centre = whole.mean(0)
    whole -= centre
    sizes, axes = np.linalg.eigh(whole.T @ whole / len(whole))
    matrix = axes[:, : -count - 1 : -1] / np.sqrt(sizes[: -count - 1 : -1])
    return Reduction(centre.astype(np.float32), matrix.astype(np.float32), own)


class Sums:
    """The normal equations of each person's examples, so that people can be left out without a new pass."""

    def __init__(self, examples: Sequence[Example], reduce: Reduction) -> None:
        self.reduction = reduce
        self.counts: Counter[str] = Counter()
        self.left: dict[str, NDArray[np.float64]] = {}
        self.right: dict[str, NDArray[np.float64]] = {}
        for one in examples:
            x = windows(reduce(one.heard))
            self.counts[one.group] += len(x)
            self.left[one.group] = self.left.get(one.group, 0) + (x.T @ x).astype(np.float64)
            self.right[one.group] = self.right.get(one.group, 0) + (x.T @ one.target).astype(np.float64)

    def solve(self, strength: float, without: Sequence[str] = ()) -> Ridge:
        """The regression on everybody but the people in `without`."""
        groups = [group for group in self.counts if group not in without]
        weight = {group: self.counts[group] ** -0.5 for group in groups}
        total = sum(weight[group] * self.counts[group] for group in groups)
        left = sum(weight[group] * self.left[group] for group in groups) / total
        right = sum(weight[group] * self.right[group] for group in groups) / total
        solved = np.linalg.solve(left + strength * np.eye(len(left)), right)
        return Ridge(self.reduction, solved.astype(np.float32))


def fitted(
    examples: Sequence[Example], own: bool, count: int, kept: Sequence[str] = (), folds: int = 5
) -> tuple[Ridge, float]:
    """The regression whose strength does best on people left out in turn, and its mean `error` on them.

    own: see `Reduction`. count: of components. kept: people who are never left out.
    """
    sums = Sums(examples, reduction([one.heard for one in examples], own, count))
    people = sorted(group for group in sums.counts if group not in kept)
    errors = dict.fromkeys(STRENGTHS, 0.0)
    for fold in range(min(folds, len(people))):
        out = people[fold::folds]
        for strength in STRENGTHS:
            ridge = sums.solve(strength, out)
            for one in examples:
                if one.group in out:
                    share = len(one.heard) / sums.counts[one.group] / len(people)
                    errors[strength] += share * error(ridge.predict(one.heard), one.target)
    best = min(STRENGTHS, key=errors.__getitem__)
    return sums.solve(best), errors[best]


def best_pair(examples: Sequence[Example], kept: Sequence[str] = ()) -> list[tuple[Ridge, float]]:
    """`fitted` on features as they are and without each recording's own mean, with as many components as do
    best on people left out.
    """
    pairs = [[fitted(examples, own, count, kept) for own in (False, True)] for count in COMPONENTS]
    return min(pairs, key=lambda pair: sum(found for _, found in pair))


def error(made: Array, true: Array) -> float:
    """The squared error of (T, D) in parts of the truth's size, and one minus its correlation over time."""
    size = float(np.square(true).sum()) + 1e-9
    a, b = made - made.mean(0), true - true.mean(0)
    like = float((a * b).sum()) / (float(np.sqrt(np.square(a).sum() * np.square(b).sum())) + 1e-9)
    return float(np.square(made - true).sum()) / size + 1 - like
