"""Whole frames as squares: the lens's shape stays, what was written goes."""

import numpy as np

from models.colonoscopy.synthesis.whole_frames import whole


def octagon(height=200, width=240):
    """Pink tissue in an octagon on black, and where it is."""
    y, x = np.mgrid[:height, :width]
    shape = np.abs(x - width / 2) + np.abs(y - height / 2) < 0.72 * width
    shape &= (np.abs(x - width / 2) < 0.42 * width) & (np.abs(y - height / 2) < 0.46 * height)
    noise = np.random.default_rng(0).integers(-8, 8, (height, width, 3))
    frame = np.where(shape[..., None], np.array([190, 100, 90]) + noise, 2).astype(np.uint8)
    return frame, shape


def test_a_frame_is_cut_to_its_tissue_and_padded_to_a_square():
    frame, shape = octagon()
    mask = np.zeros(shape.shape, bool)
    mask[80:120, 100:140] = True
    square = whole(frame, mask)
    assert square.frame.shape == (256, 256, 3) and square.mask.shape == (256, 256)
    assert square.frame[128, 4:252].min() > 60, "tissue from side to side"
    assert square.frame[4, 128].max() < 20, "a bar above, because the tissue is wider than high"
    assert square.seen.mean() > 0.99
    share = mask.sum() / (0.84 * 240) ** 2
    assert abs(square.mask.mean() - share) < 0.2 * share


def test_an_inset_is_painted_over_and_no_loss_is_taken_there():
    frame, shape = octagon()
    frame[150:200, 20:80] = 0  # the black box of another picture
    square = whole(frame, np.zeros(shape.shape, bool))
    hidden = ~square.seen
    assert 0.02 < hidden.mean() < 0.2
    assert np.median(square.frame[hidden][:, 0]) > 100, "painted as tissue"


def test_a_dark_frame_stays_whole():
    square = whole(np.zeros((90, 120, 3), np.uint8), np.zeros((90, 120), bool))
    assert square.frame.shape == (256, 256, 3) and not square.frame.any()
