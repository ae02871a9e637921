"""A hand, a mask or a microphone before the mouth: told of a portrait; frames of a film stay as they are."""

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile
from skimage import data

from models.face import RATE
from models.face.pipeline import animate
from models.face.sources import film_io, film_writer, tracking, upload
from models.face.types import Order

FACE = data.astronaut()[:256, 96:352]
MOUTH = (128, 140)  # of FACE, pixels
SKIN = (205, 160, 140)


def hand(image: np.ndarray) -> np.ndarray:
    """Four fingers over the mouth, shaded at their edges."""
    covered = np.zeros(image.shape[:2], np.uint8)
    for finger in range(4):
        y = MOUTH[1] - 14 + 10 * finger
        cv2.line(covered, (MOUTH[0] - 32, y), (MOUTH[0] + 60, y + 6), 1, 11)
    depth = np.clip(cv2.distanceTransform(covered, cv2.DIST_L2, 5) / 5, 0, 1)[..., None]
    return np.where(covered[..., None] > 0, (0.75 + 0.25 * depth) * SKIN, image).astype(np.uint8)


def mask(image: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Cloth from the nose to below the chin."""
    corners = [(MOUTH[0] - 45, 118), (MOUTH[0], 110), (MOUTH[0] + 45, 118), (MOUTH[0] + 36, 170)]
    corners += [(MOUTH[0], 190), (MOUTH[0] - 36, 170)]
    return cv2.fillPoly(image.copy(), [np.array(corners)], colour)


def microphone(image: np.ndarray) -> np.ndarray:
    """A dark ball on a stick."""
    stick = cv2.line(image.copy(), MOUTH, (MOUTH[0] + 10, 255), (25, 25, 28), 12)
    return cv2.circle(stick, MOUTH, 26, (40, 40, 44), -1)


COVERS = {
    "hand": hand,
    "blue mask": lambda image: mask(image, (120, 165, 205)),
    "white mask": lambda image: mask(image, (232, 232, 230)),
    "black mask": lambda image: mask(image, (24, 24, 26)),
    "microphone": microphone,
}


@pytest.mark.parametrize("name", COVERS)
def test_what_covers_the_mouth_of_a_portrait_is_told(name, tmp_path):
    Image.fromarray(COVERS[name](FACE)).save(tmp_path / "p.png")
    assert "mouth_covered" in [one.key for one in upload.look_at(tmp_path / "p.png").notes]


def test_a_mouth_that_is_seen_is_not_called_covered():
    grey = np.repeat(cv2.cvtColor(FACE, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    turned = cv2.warpAffine(FACE, cv2.getRotationMatrix2D(MOUTH, 20, 1), (256, 256))
    forehead = cv2.rectangle(FACE.copy(), (90, 30), (170, 70), (30, 30, 60), -1)
    for image in (data.astronaut(), FACE, grey, turned, FACE[:, ::-1], forehead):
        covered = tracking.track_image(image).covered
        assert covered is not None and not covered.any()


def test_frames_of_a_covered_mouth_stay_as_they_are(tmp_path):
    path, speech = tmp_path / "clip.mp4", tmp_path / "speech.wav"
    with film_writer.ClipWriter(path, (256, 256), 36) as writer:
        for index in range(36):
            writer.write(hand(FACE) if 12 <= index < 24 else FACE)
    noise = np.random.default_rng(0).normal(0, 4000, 36 * RATE // 25)
    wavfile.write(speech, RATE, noise.astype(np.int16))
    order = Order(video=path, audio=speech, stage="blend", panels=False, marked=False)
    made = list(animate(order, tmp_path))[-1]
    assert not made.faceless and set(range(12, 24)) <= set(made.covered) <= set(range(9, 28))
    clip = film_io.open_clip(path)
    for index, (before, after) in enumerate(
        zip(film_io.read_clip(clip), film_io.read_clip(film_io.open_clip(made.video)), strict=True)
    ):
        apart = np.abs(before.astype(int) - after)[120:170, 90:170].mean()
        if index in made.covered:
            assert apart < 4, index
        elif index > 28 or 0 < index < 8:
            assert apart > 4, index
