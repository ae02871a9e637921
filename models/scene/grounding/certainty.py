"""How sure an answer is, and how true that is."""

import numpy as np
from numpy.typing import NDArray


def certainties(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N,) a softmax."""
    share = np.exp(np.asarray(logits - logits.max(), np.float64))
    return share / share.sum()


def expected_error(certain: NDArray[np.float64], right: NDArray[np.bool_], bins: int = 10) -> float:
    """Expected calibration error, per cent: how far certainty is from accuracy, over bins of equal width."""
    bin_of = np.minimum((certain * bins).astype(int), bins - 1)
    gaps = [
        abs(certain[bin_of == one].mean() - right[bin_of == one].mean()) * (bin_of == one).mean()
        for one in np.unique(bin_of)
    ]
    return round(100 * float(sum(gaps)), 1)
