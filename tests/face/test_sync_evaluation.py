"""How the lips' figures are counted, on lips whose answer is known."""

import numpy as np
import pytest

from models.core.errors import UserError
from models.face.motion import evaluation
from models.face.motion.batches import LIPS
from models.face.sources import mesh
from models.face.sources.clips import Clip
from models.face.sources.tracking import Track
from models.face.speech.features import Heard


def talker(seed: int) -> Clip:
    """A mouth that opens at random, smoothly, and is shut for its first ten frames."""
    rng = np.random.default_rng(seed)
    opening = np.convolve(np.abs(rng.standard_normal(60)), np.ones(3) / 3, "same")
    opening[:10] = 0
    vertices = np.repeat(np.zeros((1, 478, 3), np.float32), 60, axis=0)
    vertices[:, : mesh.SKIN] = mesh.canonical()
    vertices[:, mesh.LOWER_INNER] = vertices[:, mesh.UPPER_INNER]
    vertices[:, mesh.LOWER_INNER, 1] -= opening
    seen = np.ones(60, bool)
    track = Track(vertices, np.zeros((60, 3, 4)), np.zeros((60, 52)), seen, (4, 4))
    energy = opening.astype(np.float32)
    sound = Heard(np.zeros((60, 384), np.float32), np.zeros((60, 160), np.float32), energy, seen)
    return Clip("made", str(seed), "p", None, sound, track)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def clips():
    return [talker(seed) for seed in range(4)]


def lips(clip):
    return clip.track.deltas()[:, LIPS]


def test_the_truth_is_perfect(clips):
    found = evaluation.measured(clips, lambda place: lips(clips[place]))
    assert found["LMD"] == pytest.approx(0, abs=1e-4) and found["LVE"] == pytest.approx(0, abs=1e-4)
    assert found["r"] == pytest.approx(1, abs=1e-4) and found["lag"] == 0 and found["n"] == 4


@pytest.mark.parametrize("early", [-2, 0, 3])
def test_lips_that_come_early_have_a_positive_lag(clips, early):
    found = evaluation.measured(clips, lambda place: np.roll(lips(clips[place]), -early, axis=0))
    assert found["lag"] == early * 40
    assert found["r at lag"] > 0.9


def test_a_known_error_in_its_units(clips):
    shift = np.zeros((60, 40, 3), np.float32)
    shift[..., 0] = 0.01 * mesh.face_height()  # one per cent of the face, everywhere
    found = evaluation.measured(clips, lambda place: lips(clips[place]) + shift)
    assert found["LMD"] == pytest.approx(1, rel=1e-3)
    assert found["LVE"] == pytest.approx(1, rel=1e-3)  # (0.01 face heights) squared, times 10,000


def test_a_still_face_has_no_correlation(clips):
    found = evaluation.measured(clips, lambda place: np.zeros((60, 40, 3), np.float32))
    assert found["r"] is None and found["lag"] is None and found["LMD"] > 0


def test_loudness_finds_a_mouth_that_is_as_wide_as_it_is_loud(clips):
    line = evaluation.fitted_jaw(clips)
    found = evaluation.measured(
        clips, lambda place: evaluation._lips(evaluation.loudness(clips[place].heard) @ line)
    )
    assert found["r"] > 0.99


def test_without_clips_there_is_nothing_to_measure():
    with pytest.raises(UserError) as caught:
        evaluation.evaluate(None)
    assert caught.value.key == "data_missing"
