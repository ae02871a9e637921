"""Frames and masks as files, and what is tissue in a frame."""

import cv2
import numpy as np
import pytest
from PIL import Image

from models.colonoscopy.data import images
from models.core.errors import UserError


def tissue(height=320, width=384):
    """Reddish, a little uneven, without black."""
    noise = np.random.default_rng(0).integers(0, 24, (height, width, 1))
    return (noise + np.array([170, 90, 80])).astype(np.uint8)


def in_octagon(frame, cut=70):
    """The frame with its corners black, as an endoscope shows it."""
    height, width = frame.shape[:2]
    y, x = np.mgrid[:height, :width]
    near = np.minimum(x, width - 1 - x) + np.minimum(y, height - 1 - y)
    return np.where((near < cut)[..., None], 0, frame).astype(np.uint8)


def save(path, pixels, **options):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def test_pairs_are_joined_by_stem_in_natural_order_and_masks_take_the_frames_size(tmp_path):
    for stem in ("f10", "f2", "f1"):
        save(tmp_path / "images" / f"{stem}.jpg", tissue(60, 80))
        mask = np.zeros((30, 40), np.uint8)
        mask[10:20, 10:30] = 255
        save(tmp_path / "masks" / f"{stem}.png", mask)
    save(tmp_path / "images" / "alone.jpg", tissue(60, 80))
    pairs = list(images.read_pairs(tmp_path))
    assert [pair.name for pair in pairs] == ["f1", "f2", "f10"]
    assert pairs[0].frame.shape == (60, 80, 3) and pairs[0].frame.dtype == np.uint8
    assert pairs[0].mask.shape == (60, 80) and pairs[0].mask.sum() == 20 * 40


def test_soft_edges_are_cut_in_the_middle(tmp_path):
    path = save(tmp_path / "m.png", np.array([[0, 127, 128, 255]], np.uint8))
    assert images.read_mask(path).tolist() == [[False, False, True, True]]


def test_one_bit_masks_are_read(tmp_path):
    Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1").save(tmp_path / "m.png")
    assert images.read_mask(tmp_path / "m.png").tolist() == [[False, True]]


def test_a_frame_is_turned_as_its_camera_was(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter
    path = save(tmp_path / "f.jpg", tissue(40, 90), exif=exif)
    assert images.read_frame(path).shape == (90, 40, 3)


@pytest.mark.parametrize(
    ("content", "key"),
    [
        (b"", "file_empty"),
        (b"no image at all", "image_unreadable"),
        (b"\x89PNG\r\n\x1a\ncut", "image_unreadable"),
    ],
)
def test_what_is_no_image_is_refused(tmp_path, content, key):
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        images.read_frame(path)
    assert caught.value.key == key


def test_an_image_cut_short_is_refused(tmp_path):
    path = save(tmp_path / "f.jpg", tissue())
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(UserError) as caught:
        images.read_frame(path)
    assert caught.value.key == "image_unreadable"


def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path):
    Image.new("1", (9000, 9000)).save(tmp_path / "bomb.png")
    with pytest.raises(UserError) as caught:
        images.read_mask(tmp_path / "bomb.png")
    assert caught.value.key == "image_too_large"


def test_a_folder_without_pairs_is_refused(tmp_path):
    with pytest.raises(UserError) as caught:
        images.pair_paths(tmp_path)
    assert caught.value.key == "pairs_missing"


def test_black_corners_and_insets_are_outside_and_a_dark_lumen_is_not():
    frame = in_octagon(tissue())
    frame[220:, :120] = 0
    cv2.circle(frame, (220, 150), 40, (20, 14, 12), -1)
    found = images.outside(frame)
    assert found[0, 0] and found[-1, -1] and found[300, 60]
    assert not found[150, 220] and not found[100, 150]


def test_grey_borders_are_outside():
    frame = np.full((320, 384, 3), 17, np.uint8)
    frame[40:280, 60:340] = tissue()[40:280, 60:340]
    found = images.outside(frame)
    assert found[:35].all() and not found[50:270, 70:330].any()


def test_a_line_of_letters_is_burnt_in_and_a_highlight_is_not():
    frame = tissue()
    cv2.putText(frame, "15/03/2012", (8, 100), cv2.FONT_HERSHEY_PLAIN, 0.7, (250, 250, 250), 1)
    cv2.ellipse(frame, (60, 220), (18, 14), 0, 0, 360, (250, 250, 250), -1)
    found = images.burnt_in(frame)
    assert found[90:104, 8:70].mean() > 0.5
    assert not found[200:240].any() and not found[:, 200:].any()


def test_a_green_inset_is_burnt_in():
    frame = tissue()
    frame[240:300, 20:100] = (20, 200, 40)
    assert images.burnt_in(frame)[245:295, 25:95].all()


def test_what_is_outside_takes_the_frames_own_size():
    frame = cv2.resize(in_octagon(tissue()), (1152, 960), interpolation=cv2.INTER_LINEAR)
    found = images.outside(frame)
    assert found.shape == (960, 1152) and found[0, 0] and not found[480, 576]
    assert images.burnt_in(frame).shape == (960, 1152)


def test_a_square_has_each_side_scaled_by_itself():
    assert images.squared(tissue(), 64).shape == (64, 64, 3)
