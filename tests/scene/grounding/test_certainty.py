"""Certainty that is stated, against what is true."""

import numpy as np
import pytest

from models.scene.grounding.calibration import fitted
from models.scene.grounding.certainty import certainties, expected_error


def test_the_error_is_the_gap_of_certainty_and_accuracy():
    certain = np.array([0.95] * 10 + [0.25] * 10)
    right = np.array([True] * 5 + [False] * 5 + [True] * 5 + [False] * 5)
    assert expected_error(certain, right) == pytest.approx((45 + 25) / 2)
    assert expected_error(np.ones(4), np.ones(4, bool)) == 0.0


def test_a_network_that_is_too_sure_is_cooled():
    """Its scores are three times as large as the odds of being right."""
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(600):
        odds = rng.normal(0, 1.5, 4)
        rows.append((3 * odds, np.zeros(4), int(rng.choice(4, p=certainties(odds)))))
    assert 2.4 < fitted(rows) < 3.6


def test_what_the_boxes_add_is_not_cooled():
    rows = [(np.zeros(2), np.array([2.0, 0.0]), int(n % 8 == 0)) for n in range(80)]
    assert certainties(rows[0][0] / fitted(rows) + rows[0][1]).max() == pytest.approx(0.88, abs=0.01)
