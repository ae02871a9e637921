"""Made clips: they move, their masks move with them, and they show what the still has."""

import cv2
import numpy as np
import pytest

from models.colonoscopy.synthesis.whole_frames import TrainingFrames
from models.colonoscopy.video.camera import sampled
from models.colonoscopy.video.clips import lens_of, made_clip, made_clips, random_path, without_highlights
from models.colonoscopy.video.conditions import carried, moving_noise, noise_field, torn, without_border
from models.colonoscopy.video.motion import motion


def still(seed=0):
    """Tissue (256, 256, 3) with a pattern that can be followed, and a polyp."""
    rng = np.random.default_rng(seed)
    spots = cv2.GaussianBlur(rng.standard_normal((256, 256, 3)).astype(np.float32), (0, 0), 4)
    frame = np.clip(130 + 400 * spots + np.array([40, -20, -30]), 1, 255).astype(np.uint8)
    mask = np.zeros((256, 256), np.uint8)
    cv2.circle(mask, (120, 130), 35, 1, -1)
    return frame, mask > 0


def clip(seed=0, size=64):
    frame, mask = still()
    seen = np.ones((256, 256), bool)
    lens = np.ones((size, size), bool)
    lens[:6] = False
    made = made_clip(frame, mask, seen, lens, 16, size, np.random.default_rng(seed))
    assert made is not None
    return made


def test_a_clip_has_its_shapes_and_a_border_that_stands_still():
    made = clip()
    assert made.frames.shape == (16, 64, 64, 3)
    assert made.frames.dtype == np.uint8
    assert made.masks.shape == (16, 64, 64)
    assert not made.frames[:, :6].any()
    assert not made.masks[:, :6].any()


def test_a_clip_moves_as_its_map_says():
    made = clip()
    first = made.frames[0].astype(np.float32)
    for at in (5, 15):
        known = (np.abs(made.came[at]) < 0.8).all(-1)
        known[:10] = False
        told = np.abs(sampled(first, made.came[at]) - made.frames[at])[known].mean()
        still_ = np.abs(first - made.frames[at])[known].mean()
        assert told < 0.6 * still_


def test_the_polyp_is_where_the_mask_is():
    frame, mask = still()
    frame[mask] = (20, 220, 40)
    seen, lens = np.ones((256, 256), bool), np.ones((64, 64), bool)
    made = made_clip(frame, mask, seen, lens, 16, 64, np.random.default_rng(3))
    green = made.frames[..., 1].astype(int) - made.frames[..., 0] > 60
    for seen_, asked in zip(green, made.masks, strict=True):
        assert (seen_ & asked).sum() > 0.8 * (seen_ | asked).sum()


def test_a_still_with_too_little_tissue_gives_no_clip():
    frame, mask = still()
    seen = np.zeros((256, 256), bool)
    seen[100:150, 100:150] = True
    assert made_clip(frame, mask, seen, np.ones((64, 64), bool), 16, 64, np.random.default_rng(0)) is None


def test_clips_of_one_seed_are_the_same_clips():
    frame, mask = still()
    stills = TrainingFrames(frame[None], mask[None], np.ones((1, 256, 256), bool), np.zeros(1, np.int64))
    one, other = (next(made_clips(stills, 8, 32, seed=4)) for _ in range(2))
    assert np.array_equal(one.frames, other.frames)
    assert not np.array_equal(one.frames, next(made_clips(stills, 8, 32, seed=5)).frames)


def test_a_random_path_begins_at_rest():
    assert not random_path(16, np.random.default_rng(0))[0].any()


def test_highlights_and_what_lies_below_are_the_frame():
    frame, _ = still()
    frame[40:43, 60:63] = 255
    matte, shine = without_highlights(frame)
    assert np.allclose(matte + shine, frame, atol=0.01)
    assert shine[41, 61].min() > 50
    assert np.abs(shine[150:]).max() < 60


def test_the_lens_is_a_convex_shape():
    frame, _ = still()
    seen = np.ones((256, 256), bool)
    seen[:, :40] = False
    frame[~seen] = 0
    lens = lens_of(frame, 64)
    assert not lens[:, :9].any()
    assert lens[:, 11:].all()


def test_flow_is_measured_in_pixels_of_a_small_frame():
    frame, _ = still()
    steps = [np.roll(frame, 4 * at, axis=1) for at in range(4)]
    found = motion(steps)
    assert found[:, 1].mean() == pytest.approx(2.0, abs=0.3)
    assert abs(found[:, 2].mean()) < 0.2


def test_a_condition_knows_what_the_first_frame_shows_and_the_border():
    made = clip()
    given = carried(made.frames[0], made.lens, made.masks, made.came, made.light, size=64)
    assert given.carried.shape == (1, 16, 3, 64, 64)
    assert given.known.shape == given.polyp.shape == (1, 16, 1, 64, 64)
    assert bool((given.carried[0, :, :, :6] == -1).all())
    assert bool((given.known[0, :, :, :6] == 1).all())
    wanted = made.frames[15].transpose(2, 0, 1) / 127.5 - 1
    known = given.known[0, 15, 0].numpy() > 0
    error = np.abs(given.carried[0, 15].numpy() - wanted).mean(0)
    assert error[known].mean() < 0.12


def test_what_is_stretched_is_not_believed():
    came = np.stack(np.meshgrid(np.linspace(-1, 1, 32), np.linspace(-1, 1, 32)), -1).astype(np.float32)
    assert not torn(came).any()
    came[:, 16:, 0] = came[:, 16:17, 0]
    assert torn(came)[:, 18:].all()


def test_noise_lies_on_the_tissue():
    field = noise_field(3)
    came = np.stack(np.meshgrid(np.linspace(-0.9, 0.9, 32), np.linspace(-0.9, 0.9, 32)), -1)
    shifted = came.copy()
    shifted[..., 0] += came[0, 1, 0] - came[0, 0, 0]
    noise = moving_noise(field, np.stack([came, shifted]).astype(np.float32))[0]
    assert np.allclose(noise[0, :, :, 1:], noise[1, :, :, :-1])


def test_tissue_goes_on_beyond_the_lens():
    frame, _ = still()
    lens = np.ones((256, 256), bool)
    lens[:30] = False
    frame[~lens] = 0
    filled = without_border(frame, lens)
    assert filled[25].mean() == pytest.approx(frame[30:60].mean(), rel=0.3)
    assert np.array_equal(filled[lens], frame[lens].astype(np.float32))
