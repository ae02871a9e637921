"""The voice that fits a face: known pitches, a regression that learns, and a proposal that may fail."""

import numpy as np
import pytest
import torch

from models.core.errors import UserError
from models.face import pipeline
from models.face.speech import voice_matching, voices
from models.face.speech.voice_matching import SIDE, VoiceMatcher, kind_at
from models.face.speech.voice_matching_training import Faces, pitch_of, told
from tests.face.made_face import picture, pixels

RATE = 16000


def spoken(pitch, seconds=1.0):
    """A buzz with the overtones of a voice, in syllables."""
    time = np.arange(int(seconds * RATE)) / RATE
    buzz = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 12))
    return (0.2 * buzz * (np.sin(2 * np.pi * 3 * time) > -0.5)).astype(np.float32)


@pytest.mark.parametrize("pitch", [85, 120, 190, 260])
def test_the_pitch_of_a_voice_is_found(pitch):
    found, windows = pitch_of(spoken(pitch))
    assert found == pytest.approx(pitch, rel=0.03) and windows > 10


@pytest.mark.parametrize("sound", [np.zeros(RATE), np.random.default_rng(0).normal(0, 0.1, RATE)])
def test_silence_and_noise_have_no_pitch(sound):
    assert pitch_of(sound.astype(np.float32))[1] < 3


def test_a_matcher_learns_and_is_told_how_well():
    torch.manual_seed(0)
    pitches = torch.log(torch.linspace(100, 240, 40))
    features = torch.randn(40, 16)
    features[:, 3] += 4 * (pitches - pitches.mean())
    given = Faces(features, pitches, torch.ones(40), [str(row) for row in range(40)])
    facts = told(given, given.only(range(0, 40, 2)).fitted()(features))
    assert facts["r"] > 0.5 and facts["right"] > 0.8 and facts["clips"] == 40
    assert told(given, torch.full((40,), float(np.log(300))) + 0.01 * torch.randn(40))["right"] < 0.7


def test_near_the_border_nothing_is_proposed():
    assert [kind_at(float(np.log(hertz))) for hertz in (110, 160, 170, 220)] == ["male", "", "", "female"]


def test_a_face_is_looked_at_alike_wherever_it_lies(monkeypatch):
    looked = []
    monkeypatch.setattr(voice_matching, "imagenet", lambda size: None)
    monkeypatch.setattr(
        voice_matching, "pooled", lambda _, faces: looked.append(faces) or torch.zeros(len(faces), 4)
    )
    image, face = picture((320, 320)), pixels()
    voice_matching.seen(image, face)
    moved = np.zeros((400, 380, 3), np.uint8)
    moved[50:370, 40:360] = image
    voice_matching.seen(moved, face + np.array([40, 50, 0]))
    inside = slice(SIDE // 4, 3 * SIDE // 4)
    assert looked[0].shape == (2, 3, SIDE, SIDE)
    assert torch.allclose(looked[0][..., inside, inside], looked[1][..., inside, inside], atol=0.02)
    assert torch.equal(looked[0][0], looked[0][1].flip(-1))


def test_a_proposal_that_cannot_be_made_ends_nothing(monkeypatch):
    def missing(*_):
        raise UserError("checkpoint_missing", name="face_voice")

    monkeypatch.setattr(voice_matching, "_matcher", missing)
    from skimage.data import astronaut

    assert pipeline.voice_of(astronaut()[:320]) == ""
    assert pipeline.voice_of(np.zeros((64, 64, 3), np.uint8)) == ""  # no face


def test_the_first_voice_of_a_kind_is_the_fitting_one():
    assert voices.fitting("en", "male").kind == "male"
    assert voices.fitting("en", "female").kind == "female"
    assert voices.fitting("en", "") == voices.find("en")
    with pytest.raises(UserError):
        voices.fitting("xx", "male")


def test_the_shipped_matcher_proposes_no_man_for_the_example():
    from skimage.data import astronaut

    assert pipeline.voice_of(astronaut()) != "male"


def test_weights_come_back_as_they_were(tmp_path):
    matcher = VoiceMatcher.of(torch.randn(9, 5), torch.randn(9), torch.ones(9), 1.0)
    matcher.save_pretrained(tmp_path)
    again = VoiceMatcher.from_pretrained(tmp_path)
    assert torch.equal(again(torch.ones(2, 5)), matcher(torch.ones(2, 5)))
