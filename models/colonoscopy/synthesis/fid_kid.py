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


def precision_recall(real: Tensor, drawn: Tensor, k: int = 3) -> tuple[float, float]:
    """Share of drawn features inside the manifold of the real ones, and of real ones inside the drawn's.

    A manifold is the union of balls around its points, each as wide as the k-th nearest other point is far:
    Kynkaanniemi et al., "Improved Precision and Recall Metric", NeurIPS 2019. Features (N, D) and (M, D).
    """
    real, drawn = real.double(), drawn.double()

    def share_inside(points: Tensor, manifold: Tensor) -> float:
        within = torch.cdist(manifold, manifold)
        within.fill_diagonal_(torch.inf)
        radii = within.kthvalue(k, dim=1).values
        return float((torch.cdist(points, manifold) <= radii).any(1).double().mean())

    return share_inside(drawn, real), share_inside(real, drawn)


def told_apart(real: Tensor, drawn: Tensor, folds: int = 5, strength: float = 1.0) -> float:
    """Balanced accuracy, 0 to 1, of a linear classifier that learns to tell drawn from real; 0.5 is chance.

    Ridge regression on features that are standardised by the training folds, each row judged by a classifier
    that has not seen it: rows i, i + folds, ... are held out together. strength: of the ridge, as a share of
    the number of features.
    """
    points = torch.cat([real, drawn]).double()
    side = torch.cat([torch.ones(len(real)), -torch.ones(len(drawn))]).double()
    place = torch.cat([torch.arange(len(real)), torch.arange(len(drawn))]) % folds
    right = torch.zeros(len(points), dtype=torch.bool)
    for fold in range(folds):
        learnt = place != fold
        mean, deviation = points[learnt].mean(0), points[learnt].std(0).clamp(min=1e-9)
        known, asked = (points[learnt] - mean) / deviation, (points[~learnt] - mean) / deviation
        # Each side weighs the same, however many rows it has.
        weight = torch.where(side[learnt] > 0, 0.5 / (side[learnt] > 0).sum(), 0.5 / (side[learnt] < 0).sum())
        weight = (weight * len(known)).sqrt()[:, None]
        known = torch.cat([known, torch.ones(len(known), 1)], 1) * weight
        asked = torch.cat([asked, torch.ones(len(asked), 1)], 1)
        kernel = known @ known.T + strength * points.shape[1] * torch.eye(len(known))
        answer = known.T @ torch.linalg.solve(kernel, side[learnt] * weight[:, 0])
        right[~learnt] = (asked @ answer > 0) == (side[~learnt] > 0)
    return float((right[side > 0].double().mean() + right[side < 0].double().mean()) / 2)
