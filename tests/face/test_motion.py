"""FaceMotion: shapes, chunks that join, long context, silence, and a checkpoint's way there and back."""

import numpy as np
import pytest
import torch

from models.face import FPS
from models.face.motion.face_motion import (
    CHUNK,
    LOCAL,
    OVERLAP,
    FaceMotion,
    attention_bias,
    mouth_extents,
    speaking,
)
from models.face.sources import mesh
from models.face.speech.features import Heard, starts


def heard(frames: int, seed: int = 0, voiced: bool = True) -> Heard:
    rng = np.random.default_rng(seed)
    return Heard(
        rng.standard_normal((frames, 384)).astype(np.float32),
        rng.standard_normal((frames, 160)).astype(np.float32),
        rng.random(frames).astype(np.float32),
        np.full(frames, voiced),
    )


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    made = FaceMotion(components=8, width=32, layers=2, heads=4, reduced=12)
    made.basis.normal_(std=0.05)
    made.reduce.normal_(std=0.1)
    return made.eval()


def test_shapes(network):
    motion = network.predict(heard(75))
    assert motion.deltas().shape == (75, 478, 3) and motion.blendshapes.shape == (75, 52)
    assert motion.deltas().dtype == np.float32 and len(motion) == 75
    assert motion.blendshapes.min() >= 0 and motion.blendshapes.max() <= 1


@pytest.mark.parametrize("frames", [1, 2, 5, CHUNK, CHUNK + 1])
def test_any_length(network, frames):
    assert np.isfinite(network.predict(heard(frames)).deltas()).all()


def test_a_minute_in_chunks_is_the_minute_at_once(network, monkeypatch):
    sound = heard(60 * FPS)
    pieces = network.predict(sound).deltas()
    monkeypatch.setattr("models.face.motion.face_motion.CHUNK", 60 * FPS)
    whole = network.predict(sound).deltas()
    assert np.abs(pieces - whole).max() < 0.05 * np.abs(whole).max()
    joins = [start + place for start in starts(len(sound), CHUNK, OVERLAP)[1:] for place in (0, OVERLAP - 1)]
    steps = np.abs(np.diff(pieces, axis=0)).mean((1, 2))
    assert steps[joins].mean() < 1.5 * steps.mean()


def test_a_slice_of_frames_is_that_slice_of_the_whole(network):
    motion = network.predict(heard(30))
    np.testing.assert_allclose(motion.deltas(7, 15), motion.deltas()[7:15], atol=1e-5)
    assert np.abs(motion.deltas()[:, list(mesh.LIPS)]).max() > 0


def test_memory_is_a_few_numbers_a_frame(network):
    motion = network.predict(heard(CHUNK))
    assert motion.weights.nbytes + motion.blendshapes.nbytes < 300 * CHUNK


def test_one_frame_is_heard_two_seconds_away_and_no_single_one_further():
    bias = attention_bias(400, 2, torch.zeros(1))
    assert torch.isfinite(bias[0, 200, 200 - LOCAL : 200 + LOCAL + 1]).all()
    assert (
        torch.isinf(bias[0, 200, : 200 - LOCAL]).all() and torch.isinf(bias[0, 200, 201 + LOCAL : 400]).all()
    )
    assert torch.isfinite(bias[:, :, 400:]).all(), "pooled frames are seen from everywhere"
    assert (bias[0, 200, 200:250].diff() < 0).all(), "the further, the less"


def test_far_sound_matters_through_pooled_frames(network):
    one, other = heard(300), heard(300)
    other.whisper[:50] += 3
    with torch.inference_mode():
        mean = torch.zeros(1, 544)
        found = [
            network(
                torch.from_numpy(np.concatenate([x.whisper, x.mel], 1))[None], torch.zeros(1, 300, 2), mean
            )[0]
            for x in (one, other)
        ]
    assert (found[0][0, 250:] - found[1][0, 250:]).abs().max() > 0


def test_a_silent_face_rests(network):
    motion = network.predict(heard(50, voiced=False))
    assert not motion.deltas().any() and not motion.blendshapes.any()


def test_a_mouth_that_articulates_more_goes_further(network):
    sound = heard(60)
    ranges = []
    for much in (0.5, 1.0, 1.5):
        motion = network.predict(sound, much)
        gap, width, _ = mouth_extents(torch.from_numpy(motion.deltas())).T.numpy()
        ranges.append((np.ptp(gap), np.ptp(width)))
    assert np.all(np.diff(ranges, axis=0) > 0.1 * np.array(ranges[1]))


def test_a_mouth_waits_before_it_closes():
    voiced = np.zeros(100, bool)
    voiced[20:40] = voiced[55:65] = True
    part = speaking(voiced)
    assert (part[20:65] == 1).all(), "half a second is no pause"
    assert part[0] == 0 and (part[85:] == 0).all()
    assert np.abs(np.diff(part)).max() < 0.5
    assert (speaking(np.ones(5, bool)) == 1).all()


def test_the_line_is_a_ridge_regression_in_frames(network):
    """What the network makes without its transformer is a window of reduced features times weights."""
    sound = heard(40, seed=3)
    gain = network.gain.clone()
    network.gain.zero_()
    features = torch.from_numpy(np.concatenate([sound.whisper, sound.mel], 1))[None]
    mean = features.mean(1)
    with torch.inference_mode():
        found = torch.cat(network(features, torch.zeros(1, 40, 2), mean), dim=2)[0, 20]
        around = features[0, 16:25]  # four frames to either side
        window = torch.cat([around @ network.reduce[0], (around - mean) @ network.reduce[1]], dim=1).T
        wanted = (network.line.weight * window).sum((1, 2)) + network.line.bias
    network.gain.copy_(gain)
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


def test_a_checkpoint_comes_back(network, tmp_path):
    network.save_pretrained(tmp_path)
    again = FaceMotion.from_pretrained(tmp_path).eval()
    sound = heard(30)
    np.testing.assert_array_equal(network.predict(sound).deltas(), again.predict(sound).deltas())
