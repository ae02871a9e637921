"""The linear baseline: a filter over features, solved in closed form. The network starts from it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.face.tracking import Floats


@dataclass(frozen=True)
class Ridge:
    """weights: (2 * reach + 1, F, K), earliest frame first. bias: (K,)."""

    weights: Floats
    bias: Floats

    def predict(self, x: Floats) -> Floats:
        """(T, F) to (T, K)."""
        windows = around(x, len(self.weights) // 2)
        return windows @ self.weights.reshape(-1, self.weights.shape[2]) + self.bias


def around(x: Floats, reach: int) -> Floats:
    """(T, F) to (T, (2 * reach + 1) * F), zeros beyond the ends."""
    padded = np.pad(x, ((reach, reach), (0, 0)))
    return np.concatenate([padded[shift : shift + len(x)] for shift in range(2 * reach + 1)], 1)


def fitted(
    inputs: Sequence[Floats], targets: Sequence[Floats], reach: int, strengths: Sequence[float]
) -> list[Ridge]:
    """The filters of least squared error, one for each penalty of `strengths`, a share of the inputs' power.

    inputs: clips (T, F). targets: (T, K).
    """
    wide, count = inputs[0].shape[1] * (2 * reach + 1) + 1, 0
    power, shared = np.zeros((wide, wide)), np.zeros((wide, targets[0].shape[1]))
    for x, y in zip(inputs, targets, strict=True):
        rows = np.concatenate([around(x, reach), np.ones((len(x), 1), np.float32)], 1)
        power += rows.T @ rows
        shared += rows.T @ y
        count += len(x)
    kept = np.ones(wide)
    kept[-1] = 0  # the bias costs nothing
    found = []
    for strength in strengths:
        solved = np.linalg.solve(power + np.diag(kept * strength * count), shared).astype(np.float32)
        found.append(Ridge(solved[:-1].reshape(2 * reach + 1, inputs[0].shape[1], -1), solved[-1]))
    return found
