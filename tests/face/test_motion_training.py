"""FaceMotion's training: the line's mathematics, lags, batches, losses, and that it learns."""

import numpy as np
import pytest
import torch

from models.face.motion import batches, training
from models.face.motion import ridge as motion_ridge
from models.face.motion.batches import LIPS, Sample
from models.face.motion.face_motion import FaceMotion, articulated, mouth_extents
from models.face.sources import mesh
from models.face.sources.clips import Clip
from models.face.sources.tracking import Track
from models.face.speech.features import Heard


def heard(frames: int, seed: int) -> Heard:
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((frames + 2, 544)).astype(np.float32)
    slow = noise[:-2] + noise[1:-1] + noise[2:]
    slow[:, 2] *= 10
    return Heard(slow[:, :384], slow[:, 384:], rng.random(frames).astype(np.float32), np.ones(frames, bool))


def clip(frames: int, seed: int, person: str = "", lag: int = 0) -> Clip:
    """A face whose mouth opens with the third of its features, `lag` frames before the sound."""
    sound = heard(frames, seed)
    opening = 0.02 * (sound.whisper[:, 2] - sound.whisper[:, 2].min())
    opening = np.roll(opening, -lag)
    rest = np.zeros((478, 3), np.float32)
    rest[:468] = mesh.canonical()
    vertices = np.repeat(rest[None], frames, axis=0)
    vertices[:, list(mesh.INNER_LIPS[11:]), 1] -= opening[:, None]
    poses = np.zeros((frames, 3, 4), np.float32)
    shapes = np.repeat(opening[:, None], 52, axis=1).astype(np.float32)
    track = Track(vertices, poses, shapes, np.ones(frames, bool), (10, 10))
    return Clip("made", str(seed), person or str(seed), None, sound, track)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def clips():
    return [clip(60, seed, person=f"p{seed % 4}") for seed in range(12)]


@pytest.fixture(scope="module")
def samples(clips):
    basis, offset = training.face_model(clips)
    return training.gather(clips, basis, offset), basis, offset


def test_ridge_is_what_the_textbook_says():
    rng = np.random.default_rng(0)
    sounds = [heard(80, seed) for seed in range(3)]
    examples = [
        motion_ridge.Example("one", sound, rng.standard_normal((80, 2)).astype(np.float32))
        for sound in sounds
    ]
    reduce = motion_ridge.reduction(sounds)
    ridge = motion_ridge.Sums(examples, reduce).solve(0.5)
    x = np.concatenate([motion_ridge.windows(reduce(one.heard)) for one in examples]).astype(np.float64)
    y = np.concatenate([one.target for one in examples])
    wanted = np.linalg.solve(x.T @ x / len(x) + 0.5 * np.eye(x.shape[1]), x.T @ y / len(x))
    np.testing.assert_allclose(ridge.weights, wanted, atol=1e-3)


def test_reduction_has_unit_size():
    sounds = [heard(300, seed) for seed in range(2)]
    reduced = np.concatenate([motion_ridge.reduction(sounds)(one) for one in sounds])
    np.testing.assert_allclose(np.square(reduced).mean(0), 1, rtol=0.02)


def test_who_is_left_out_has_no_say():
    sounds = [heard(50, seed) for seed in range(4)]
    targets = [np.full((50, 1), value, np.float32) for value in (0, 0, 0, 100)]
    examples = [
        motion_ridge.Example(f"p{i}", s, t) for i, (s, t) in enumerate(zip(sounds, targets, strict=True))
    ]
    sums = motion_ridge.Sums(examples, motion_ridge.reduction(sounds))
    assert np.abs(sums.solve(1.0, without=["p3"]).predict(sounds[0])).max() < 1e-3
    assert np.abs(sums.solve(1.0).predict(sounds[0])).max() > 1


@pytest.mark.parametrize("lag", [-3, 0, 2])
def test_a_late_sound_is_found_and_put_right(lag):
    late = [clip(120, seed, lag=lag) for seed in range(6)]
    clock = [clip(120, seed) for seed in range(10, 18)]
    examples = [motion_ridge.Example(one.person, one.heard, batches.gaps(one)[:, None]) for one in clock]
    ridge = motion_ridge.Sums(examples, motion_ridge.reduction([one.heard for one in clock])).solve(0.1)
    assert batches.lag_of(ridge, late) == lag
    assert batches.lag_of(ridge, [one.shifted(lag) for one in late]) == 0


def test_face_model_makes_the_lips_and_leaves_the_eyes(clips, samples):
    _, basis, offset = samples
    deltas = clips[0].track.deltas()
    made = (training.coefficients_of(deltas, basis, offset) @ basis + offset).reshape(-1, 478, 3)
    assert np.abs(made - deltas)[:, LIPS].mean() < 0.02 * np.abs(deltas[:, LIPS]).mean() + 1e-3
    assert not made[:, [159, 145, 386, 374, 70, 300, 468]].any()


def test_batches_have_everybody_alike(samples):
    few = [one for one in samples[0] if one.person == "p0"][:1]
    many = [one for one in samples[0] if one.person == "p1"]
    stream = batches.batches(few + many, 0)
    batch = next(stream)
    assert batch["features"].shape == (batches.BATCH, batches.CROP, 544)
    assert batch["lips"].shape == (batches.BATCH, batches.CROP, 40, 3)
    assert torch.equal(batch["inside"].sum(1), torch.full((batches.BATCH,), 60.0)), "clips have 60 frames"


def test_losses_vanish_for_the_truth():
    made = torch.randn(2, 50)
    where = torch.ones(2, 50)
    assert batches.unlikeness(made, 3 * made + 1, where) < 1e-2
    assert batches.unlikeness(made, -made, where) > 1.9
    assert batches.mean_of(torch.tensor([[1.0, 100.0]]), torch.tensor([[1.0, 0.0]])) == 1


def test_training_beats_the_line(samples, tmp_path, monkeypatch):
    monkeypatch.setattr("models.core.training.RUNS", tmp_path)
    monkeypatch.setattr(batches, "BATCH", 6)
    known, basis, offset = samples
    network = training.prepared(known, set(), basis, offset)
    network.line.weight.data.zero_()  # nothing but the transformer is left to do it

    def error(network: FaceMotion) -> float:
        return float(np.mean([training.errors_of(network.eval(), one, 1.0)[0] for one in known[:4]]))

    before = error(network)
    after = error(training.learned("made", network.train(), known, steps=15))
    assert after < 0.85 * before


def test_gain_is_nothing_where_the_transformer_talks_nonsense(samples):
    known, basis, offset = samples
    network = training.prepared(known, set(), basis, offset).eval()
    torch.nn.init.normal_(network.leave[1].weight, std=1.0)
    assert training.chosen_gain(network, known[:3]) == 0


def test_who_says_too_little_says_more_until_the_ranges_are_alike(samples):
    known, basis, offset = samples
    network = training.prepared(known, set(), basis, offset).eval()
    network.gain.zero_()
    network.line.weight.data *= 0.6  # draws everything to the mean
    stretch = training.chosen_stretch(network, known)
    assert stretch[0] == pytest.approx(1 / 0.6, rel=0.25)
    network.stretch.copy_(torch.from_numpy(stretch))
    assert training.chosen_stretch(network, known)[0] == pytest.approx(1, abs=0.15)


def test_what_goes_further_changes_nothing_else_and_lips_stay_apart(samples):
    _, basis, offset = samples
    faces = torch.from_numpy(np.concatenate([basis, offset[None]]).reshape(-1, 478, 3))
    coefficients, speaks = torch.randn(50, len(basis)), torch.ones(50, 1)
    ways = mouth_extents(faces)
    before = coefficients @ ways[:-1] + ways[-1]
    after = articulated(coefficients, faces, torch.tensor([1.8, 1.0, 1.0]), speaks) @ ways[:-1] + ways[-1]
    assert torch.allclose(after[:, 1:], before[:, 1:], atol=1e-3)
    closed = after[:, 0] < before[:, 0]
    assert (
        closed.any()
        and (after[closed, 0] >= torch.minimum(before[closed, 0], torch.tensor(0.0)) - 1e-3).all()
    )
    assert after[:, 0].std() > before[:, 0].std()


def test_recordings_without_a_face_teach_blendshapes_only(samples):
    known, basis, offset = samples
    shapes = np.zeros((80, 52), np.float32)
    faceless = Sample("x", "x", heard(80, 5), None, None, shapes, np.ones(52, bool))
    batch = next(batches.batches([faceless], 0))
    network = training.prepared(known, set(), basis, offset)
    found = batches.losses(network, batch, 0.0)
    assert found["lips"] < 0.02 and found["gap"] == 0 and found["shapes"] > 0
