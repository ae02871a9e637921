"""Outlines on their way: their middle moves, their shape turns, the tissue below goes along."""

import cv2
import numpy as np
import pytest

from models.colonoscopy.video.camera import grid
from models.colonoscopy.video.moving_mask import between, carried_mask, keyed, middle

SIDE = 96


def disc(x, y, radius):
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.circle(mask, (x, y), radius, 1, -1)
    return mask > 0


def test_an_outline_begins_and_ends_as_it_was_drawn():
    first, last = disc(30, 40, 12), disc(60, 50, 20)
    for share, wanted in ((0.0, first), (1.0, last)):
        found = between(first, last, share)
        assert (found & wanted).sum() > 0.95 * (found | wanted).sum()


def test_half_way_it_is_in_the_middle_and_of_middle_size():
    first, last = disc(30, 40, 12), disc(60, 50, 20)
    found = between(first, last, 0.5)
    assert middle(found) == pytest.approx((middle(first) + middle(last)) / 2, abs=0.05)
    assert first.sum() < found.sum() < last.sum()


def test_the_tissue_under_a_keyed_outline_goes_with_it_and_the_rest_stays():
    first, now = disc(30, 40, 12), disc(50, 40, 12)
    here = np.stack(grid(SIDE), -1)
    came = keyed(here, first, now)
    assert carried_mask(first, came)[now].mean() > 0.95
    assert np.allclose(came[:, -10:], here[:, -10:], atol=1e-6)


def test_a_mask_that_the_camera_leaves_is_cut_off():
    here = np.stack(grid(SIDE), -1)
    gone = carried_mask(disc(90, 40, 5), here - np.array([1.0, 0], np.float32))
    assert not gone.any()
