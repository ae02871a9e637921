"""How far two sets of frames are apart: Frechet (Heusel et al., NIPS 2017) and kernel distance."""

import torch
from torch import Tensor


def frechet_distance(one: Tensor, other: Tensor) -> float:
    """Between the Gaussians of two sets of features (N, D) and (M, D).

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)); the last trace is the sum of the singular values of the
    product of the centred sets, so that no root of a matrix is taken and N may be smaller than D.
    """
    one, other = one.double(), other.double()
    means = (one.mean(0) - other.mean(0)).square().sum()
    a, b = ((x - x.mean(0)) / (len(x) - 1) ** 0.5 for x in (one, other))
    return float(means + a.square().sum() + b.square().sum() - 2 * torch.linalg.svdvals(a @ b.T).sum())


def kernel_distance(one: Tensor, other: Tensor) -> float:
    """Squared maximum mean discrepancy, unbiased, of features (N, D) and (M, D). It may be below 0.

    Kernel (x y / D + 1)^3: Binkowski et al., "Demystifying MMD GANs", ICLR 2018.
    """
    one, other = one.double(), other.double()

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def within(x: Tensor) -> Tensor:
        values = kernel(x, x)
        return (values.sum() - values.diagonal().sum()) / (len(x) * (len(x) - 1))

    return float(within(one) + within(other) - 2 * kernel(one, other).mean())
