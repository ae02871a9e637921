"""The camera in a still frame: depth, paths, and a flow that can be turned around."""

import numpy as np
import pytest

from models.colonoscopy import MOVES
from models.colonoscopy.video.camera import (
    Depth,
    grid,
    inside,
    moved,
    path,
    plausible_depth,
    sampled,
    sources,
)
from tests.colonoscopy.makers import mask_of

SIDE = 64


def hill():
    x, y = grid(SIDE)
    return Depth((1.5 + np.exp(-2 * (x**2 + y**2))).astype(np.float32))


def test_bright_is_near_and_a_polyp_stands_out():
    frame = np.full((SIDE, SIDE, 3), 200, np.uint8)
    frame[:, SIDE // 2 :] = 30
    mask = mask_of(SIDE, SIDE, (20, 44, 4, 20))
    seen = np.ones_like(mask)
    flat = plausible_depth(frame, np.zeros_like(mask), seen).z
    assert flat[32, 2] < flat[32, -3]
    assert plausible_depth(frame, mask, seen).z[32, 12] < flat[32, 12]


def test_black_corners_are_not_far_away():
    frame = np.full((SIDE, SIDE, 3), 150, np.uint8)
    seen = np.ones((SIDE, SIDE), bool)
    seen[:12] = False
    frame[~seen] = 0
    z = plausible_depth(frame, np.zeros_like(seen), seen).z
    assert z[2, 30] == pytest.approx(z[40, 30], rel=0.2)


@pytest.mark.parametrize("move", MOVES)
def test_every_path_begins_where_the_first_frame_was_taken(move):
    poses = path(move, 40, np.random.default_rng(0))
    assert poses.shape == (40, 6)
    assert not poses[0].any()


def test_no_step_of_a_path_is_a_jump():
    for move in MOVES:
        poses = path(move, 80, np.random.default_rng(1))
        assert np.abs(np.diff(poses, axis=0)).max() < 0.08, move


def test_forward_makes_the_middle_larger_and_left_moves_it_right():
    x, _ = grid(SIDE)
    ahead = moved(hill(), path("forward", 40, np.random.default_rng(0), shake=0)[-1])
    assert np.abs(ahead[..., 0]).mean() > np.abs(x).mean()
    left = moved(hill(), path("left", 40, np.random.default_rng(0), shake=0)[-1])
    assert (left[..., 0] - x).mean() > 0.05


def test_the_sources_of_a_moved_view_lead_back():
    pose = np.array([0.05, -0.03, 0.2, 0.02, -0.03, 0.05], np.float32)
    there = moved(hill(), pose)
    back = sources(there)
    again = sampled(there, back)
    here = np.stack(grid(SIDE), -1)
    known = inside(back)
    assert known.mean() > 0.8
    assert np.abs(again - here)[known].max() < 0.02
