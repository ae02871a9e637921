"""Blinks and the head's sway: seeded, smooth, small, and livelier in speech."""

import numpy as np
import pytest

from models.face import FPS
from models.face.motion.face_motion import Motion
from models.face.sources import head_motion, mesh
from models.face.speech.features import Heard


def heard(frames: int, voiced: bool = True) -> Heard:
    flags = np.full(frames, voiced)
    energy = np.where(flags, 0.6 + 0.2 * np.sin(np.arange(frames) / 5), 0).astype(np.float32)
    return Heard(np.zeros((frames, 384), np.float32), np.zeros((frames, 160), np.float32), energy, flags)


def still(frames: int) -> Motion:
    return Motion(
        np.zeros((frames, 1), np.float32),
        np.ones((1, mesh.VERTICES, 3), np.float32),
        np.zeros((frames, 52), np.float32),
    )


@pytest.fixture(scope="module")
def open_eyes():
    return np.concatenate([mesh.canonical(), np.zeros((10, 3), np.float32)])


def eyes_open(vertices):
    return np.linalg.norm(vertices[..., 159, :] - vertices[..., 145, :], axis=-1)


def test_a_blink_every_two_to_five_seconds(open_eyes):
    motion, _ = head_motion.act(still(60 * FPS), heard(60 * FPS), seed=3, rest=open_eyes)
    opened = eyes_open(open_eyes + motion.deltas())
    shut = np.flatnonzero((opened[1:] < 0.2 * opened[0]) & (opened[:-1] >= 0.2 * opened[0]))
    gaps = np.diff(shut) / FPS
    assert 12 <= len(shut) <= 30
    assert gaps.min() >= 1.9 and gaps.max() <= 5.1


def test_blendshapes_blink_with_the_vertices(open_eyes):
    motion, _ = head_motion.act(still(300), heard(300), seed=0, rest=open_eyes)
    column = motion.blendshapes[:, mesh.BLENDSHAPES.index("eyeBlinkLeft")]
    assert column.max() == 1
    np.testing.assert_array_equal(column > 0, np.abs(motion.deltas()[:, 159]).sum(1) > 0)


def test_only_lids_and_folds_move(open_eyes):
    paths = head_motion.lid_paths(open_eyes)
    moved = np.flatnonzero(np.abs(paths).sum(1))
    assert not set(moved) & set(mesh.LIPS) and len(moved) == 2 * (7 + 7 + 7)
    assert (paths[[159, 386], 1] < 0).all(), "the upper lids go down"


@pytest.mark.parametrize("frames", [1, 2, 7, 30])
def test_short_sounds(frames):
    motion, sway = head_motion.act(still(frames), heard(frames), seed=1)
    assert motion.deltas().shape == (frames, 478, 3)
    assert sway.rotations.shape == (frames, 3, 3) and sway.shifts.shape == (frames, 3)
    np.testing.assert_allclose(sway.rotations[0], np.eye(3), atol=1e-6)
    assert np.abs(sway.shifts[0]).max() == 0


def test_the_seed_decides():
    one, again, other = (head_motion.act(still(200), heard(200), seed=seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one[1].rotations, again[1].rotations)
    np.testing.assert_array_equal(one[0].deltas(), again[0].deltas())
    assert np.abs(one[1].rotations - other[1].rotations).max() > 1e-3


def degrees(rotations):
    return np.degrees(np.arccos(np.clip((np.trace(rotations, axis1=1, axis2=2) - 1) / 2, -1, 1)))


def test_sway_is_small_smooth_and_livelier_in_speech():
    speaks = head_motion.act(still(1000), heard(1000), seed=0)[1]
    silent = head_motion.act(still(1000), heard(1000, voiced=False), seed=0)[1]
    angles = degrees(speaks.rotations)
    steps = degrees(speaks.rotations[1:] @ speaks.rotations[:-1].transpose(0, 2, 1))
    assert 0.5 < angles.mean() < 4 and angles.max() < 8
    assert steps.max() < 0.8, "no jump from a frame to the next"
    assert degrees(silent.rotations).mean() < 0.7 * angles.mean()
    np.testing.assert_allclose(
        speaks.rotations @ speaks.rotations.transpose(0, 2, 1), np.eye(3)[None].repeat(1000, 0), atol=1e-5
    )
