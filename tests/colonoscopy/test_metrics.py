"""Figures against values worked out by hand."""

import numpy as np
import pytest
import torch

from models.colonoscopy.segmentation.metrics import dice, iou, over_thresholds
from models.colonoscopy.synthesis.fid_kid import (
    frechet_distance,
    kernel_distance,
    precision_recall,
    told_apart,
)
from tests.colonoscopy.makers import mask_of

TRUE = mask_of(4, 4, (0, 2, 0, 2))  # 4 pixels
FOUND = mask_of(4, 4, (0, 2, 1, 4))  # 6 pixels, 2 of them right


def test_dice_and_iou():
    assert dice(FOUND, TRUE) == pytest.approx(4 / 10)
    assert iou(FOUND, TRUE) == pytest.approx(2 / 8)
    nothing = np.zeros_like(TRUE)
    assert dice(nothing, nothing) == iou(nothing, nothing) == 1
    assert dice(nothing, TRUE) == iou(nothing, TRUE) == 0


def test_over_thresholds_of_a_hard_prediction():
    """At the thresholds above 0, 255 of 256, it is the mask itself; at 0 everything is found."""
    found_dice, found_iou = over_thresholds(FOUND.astype(np.float32), TRUE)
    assert found_dice == pytest.approx((255 * 0.4 + 2 * 4 / (16 + 4)) / 256)
    assert found_iou == pytest.approx((255 * 0.25 + 4 / 16) / 256)


def test_over_thresholds_as_written_in_the_protocol():
    rng = np.random.default_rng(0)
    sure, true = rng.random((8, 8)).astype(np.float32), rng.random((8, 8)) > 0.6
    levels = np.round(255 * sure).astype(np.uint8).astype(float)
    levels = (levels - levels.min()) / np.ptp(levels)
    dices, ious = [], []
    for k in range(255, -1, -1):
        found = levels >= k / 255 - 1e-9
        dices.append(dice(found, true))
        ious.append(iou(found, true))
    assert over_thresholds(sure, true) == pytest.approx((np.mean(dices), np.mean(ious)))


def test_over_thresholds_of_nothing():
    assert over_thresholds(np.zeros((4, 4), np.float32), np.zeros((4, 4), bool)) == (0, 0)
    assert over_thresholds(np.full((2, 2), 0.7, np.float32), TRUE)[0] == pytest.approx(2 * 4 / 20 / 256)


def test_frechet_distance_of_known_gaussians():
    one = torch.tensor([[-1.0, 0], [1, 0], [0, -1], [0, 1]])  # mean 0, covariance 2/3 of the identity
    moved = one + torch.tensor([3.0, 4.0])
    wider = 3 * one  # covariance 9 times as large: tr(c + 9c - 2 * 3c) = 4 tr(c)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(one, moved) == pytest.approx(25)
    assert frechet_distance(one, wider) == pytest.approx(4 * 2 * 2 / 3)


def test_kernel_distance_by_hand():
    """Two sets of two numbers, D = 1: the mean of (xy + 1)^3 within each, less twice that between."""
    one, other = torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0], [2.0]])
    within = 1**3 + 3**3
    between = (1 + 1 + 2**3 + 3**3) / 4
    assert kernel_distance(one, other) == pytest.approx(within - 2 * between)


def test_kernel_distance_is_unbiased():
    torch.manual_seed(0)
    same = [kernel_distance(torch.randn(50, 4), torch.randn(50, 4)) for _ in range(40)]
    assert min(same) < 0 < max(same) and abs(np.mean(same)) < 0.1
    assert kernel_distance(torch.randn(50, 4), torch.randn(50, 4) + 1) > 1


def test_precision_and_recall_by_hand():
    """On a line, k = 1: balls of radius 1 around 0, 1, 2, 3; the drawn lie at two places only."""
    real = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
    drawn = torch.tensor([[0.5], [0.6], [9.0], [9.1]])
    assert precision_recall(real, drawn, k=1) == (0.5, 0.0)  # drawn balls are 0.1 wide and hold no real point
    wide = torch.tensor([[0.5], [2.5]])
    assert precision_recall(real, wide, k=1) == (1.0, 1.0)


def test_precision_sees_quality_and_recall_sees_variety():
    rng = torch.Generator().manual_seed(0)
    real = torch.randn(200, 4, generator=rng)
    alike = precision_recall(real, torch.randn(200, 4, generator=rng))
    one_kind = precision_recall(real, 0.1 * torch.randn(200, 4, generator=rng))
    wild = precision_recall(real, 5 * torch.randn(200, 4, generator=rng))
    assert min(alike) > 0.8
    assert one_kind[0] > 0.95 and one_kind[1] < 0.2
    assert wild[0] < 0.4 and wild[1] > 0.8


def test_a_classifier_tells_apart_what_differs_and_no_more():
    rng = torch.Generator().manual_seed(0)
    real, same = torch.randn(300, 40, generator=rng), torch.randn(300, 40, generator=rng)
    assert told_apart(real, same) == pytest.approx(0.5, abs=0.08)
    assert told_apart(real, same + 2 * (torch.arange(40) == 3)) > 0.8
    assert told_apart(real, same[:60]) == pytest.approx(0.5, abs=0.12), "few of one kind is no hint"
