"""Masks as data sets and paint programs write them: each reads as the same shape."""

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFilter

from models.colonoscopy.data.mask_cleaning import cleaned, regions
from models.colonoscopy.data.mask_encodings import decoded
from models.colonoscopy.data.masks import read_cleaned
from models.core.errors import UserError

SHAPE = (264, 310)


def ellipse(height=SHAPE[0], width=SHAPE[1], centre=(0.55, 0.45), axes=(0.2, 0.15)):
    y, x = np.mgrid[:height, :width]
    return ((x / width - centre[0]) / axes[0]) ** 2 + ((y / height - centre[1]) / axes[1]) ** 2 < 1


MASK = ellipse()
HALF = MASK & (np.arange(SHAPE[1]) < 0.55 * SHAPE[1])  # one of two classes
LEVEL = MASK.astype(np.uint8)


def palette(colours):
    image = Image.fromarray(LEVEL, "P")
    image.putpalette([value for colour in colours for value in colour])
    return image


def coloured(background, first, second):
    return np.where(HALF[..., None], first, np.where(MASK[..., None], second, background)).astype(np.uint8)


def soft(deep):
    blurred = Image.fromarray(LEVEL * 255).filter(ImageFilter.GaussianBlur(6))
    return np.asarray(blurred).astype(deep) * (257 if deep == np.uint16 else 1)


def rgba(colour, alpha):
    return np.dstack([np.broadcast_to(colour, (*SHAPE, 3)).astype(np.uint8), alpha.astype(np.uint8)])


void = LEVEL.copy()
void[cv2.dilate(LEVEL, np.ones((5, 5), np.uint8)) > LEVEL] = 255

CORNER = np.add(*np.ogrid[: SHAPE[0], : SHAPE[1]]) < 40  # which the camera does not see

CASES = {
    "0 and 255": ("m.png", LEVEL * 255, ()),
    "0 and 1": ("m.png", LEVEL, ()),
    "0 and 2": ("m.png", LEVEL * 2, ()),
    "1 and 2": ("m.png", LEVEL + 1, ()),
    "one bit": ("m.png", Image.fromarray(LEVEL * 255).convert("1"), ()),
    "JPEG": ("m.jpg", LEVEL * 255, ()),
    "dark JPEG": ("m.jpg", LEVEL * 100, ()),
    "GIF": ("m.gif", LEVEL * 255, ()),
    "BMP": ("m.bmp", LEVEL * 255, ()),
    "RGB of 0 and 1": ("m.png", np.repeat(LEVEL[..., None], 3, 2), ()),
    "VOC palette": ("m.png", palette([(0, 0, 0), (128, 0, 0)]), ()),
    "dark palette": ("m.png", palette([(0, 0, 0), (1, 1, 1)]), ()),
    "palette of two colours": ("m.png", palette([(68, 1, 84), (253, 231, 37)]), ()),
    "16 bit, 0 and 1": ("m.png", LEVEL.astype(np.uint16), ()),
    "16 bit, full": ("m.tif", LEVEL.astype(np.uint16) * 65535, ()),
    "16 bit, soft": ("m.tif", soft(np.uint16), ()),
    "float, 0 to 1": ("m.tif", soft(np.float32) / 255, ()),
    "float, two values": ("m.tif", LEVEL.astype(np.float32), ()),
    "32 bit": ("m.tif", LEVEL.astype(np.int32) * 7, ()),
    "two classes of a label map": ("m.png", LEVEL + HALF, ("mask_classes",)),
    "grey classes": ("m.png", LEVEL * 100 + HALF * np.uint8(155), ("mask_classes",)),
    "a void border": ("m.png", void, ()),
    "0 and 255, some ones": ("m.png", LEVEL * 255 + (np.indices(SHAPE).sum(0) % 97 == 0) * (1 - LEVEL), ()),
    "a void area": ("m.png", np.where(CORNER, 255, LEVEL).astype(np.uint8), ("mask_void",)),
    "red and green": ("m.png", coloured((0, 0, 0), (255, 0, 0), (0, 255, 0)), ("mask_classes",)),
    "red and green, JPEG": ("m.jpg", coloured((0, 0, 0), (255, 0, 0), (0, 255, 0)), ("mask_classes",)),
    "red and dark green, JPEG": ("m.jpg", coloured((0, 0, 0), (255, 0, 0), (0, 128, 0)), ("mask_classes",)),
    "one colour on blue": ("m.png", coloured((0, 0, 200), (250, 240, 40), (250, 240, 40)), ()),
    "white on transparent": ("m.png", rgba((255, 255, 255), MASK * 255), ("mask_alpha",)),
    "black on transparent": ("m.png", rgba((0, 0, 0), MASK * 255), ("mask_alpha",)),
    "WebP, transparent": ("m.webp", rgba((255, 255, 255), MASK * 255), ("mask_alpha",)),
    "a hole erased": ("m.png", rgba((255, 255, 255), ~MASK * 255), ("mask_alpha", "mask_inverted")),
    "opaque alpha": ("m.png", rgba((0, 0, 0), np.full(SHAPE, 255)) | (LEVEL * 255)[..., None], ()),
    "inverted": ("m.png", 255 - LEVEL * 255, ("mask_inverted",)),
    "inverted 0 and 1": ("m.png", 1 - LEVEL, ("mask_inverted",)),
}


@pytest.mark.parametrize("name", CASES)
def test_the_shape_is_read_whatever_encodes_it(tmp_path, name):
    file, pixels, keys = CASES[name]
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.asarray(pixels))
    image.save(tmp_path / file)
    found = read_cleaned(tmp_path / file)
    wrong = float((found.mask != MASK).mean())
    assert wrong < (0.015 if name == "a void border" else 0.006), f"{wrong:.1%} of the pixels"
    assert tuple(one.key for one in found.notes) == keys


def test_a_photograph_with_an_erased_hole_is_a_mask_by_its_alpha(tmp_path):
    noise = np.random.default_rng(0).normal((150, 90, 80), 25, (*SHAPE, 3))
    Image.fromarray(rgba(np.clip(noise, 0, 255), ~MASK * 255)).save(tmp_path / "m.png")
    assert (read_cleaned(tmp_path / "m.png").mask == MASK).all()


@pytest.mark.parametrize("kind", ["noise", "tissue", "gradient", "tissue.jpg"])
def test_what_is_no_mask_is_refused(tmp_path, kind):
    rng = np.random.default_rng(1)
    pixels = {
        "noise": rng.integers(0, 255, (*SHAPE, 3)),
        "tissue": rng.normal(0, 8, (*SHAPE, 3)) + np.where(MASK[..., None], (200, 170, 60), (170, 70, 60)),
        "gradient": np.broadcast_to(np.linspace(0, 255, SHAPE[1]), SHAPE),
        "tissue.jpg": rng.normal(0, 8, (*SHAPE, 1))
        + np.linspace(90, 200, SHAPE[1])[None, :, None] * (1, 0.5, 0.4),
    }[kind]
    file = tmp_path / ("m.jpg" if kind.endswith("jpg") else "m.png")
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(file)
    with pytest.raises(UserError) as refused:
        read_cleaned(file)
    assert refused.value.key == "mask_not_one"


def keys(mask):
    return [one.key for one in cleaned(mask).notes]


@pytest.mark.parametrize("sides", ["top", "left", "all", "inset", "joined"])
def test_lines_at_the_border_are_dropped(sides):
    given = MASK.copy()
    if sides == "top":
        given[:3] = True
    elif sides == "left":
        given[:, :4] = True
    elif sides == "all":
        given[:2] = given[-2:] = True
        given[:, :2] = given[:, -2:] = True
    elif sides == "inset":
        cv2_frame = given.astype(np.uint8)
        cv2.rectangle(cv2_frame, (4, 4), (SHAPE[1] - 5, SHAPE[0] - 5), 1, 2)
        given = cv2_frame > 0
    else:
        given = ellipse(centre=(0.9, 0.5))
        given[:, -3:] = True
    found = cleaned(given)
    assert [one.key for one in found.notes] == ["mask_border"]
    right = ellipse(centre=(0.9, 0.5)) if sides == "joined" else MASK
    assert (found.mask != right).mean() < 0.004
    assert np.array_equal(found.given, given)


def test_a_polyp_at_the_border_stays():
    for centre in ((0.98, 0.5), (0.5, 0.02), (0.01, 0.99)):
        mask = ellipse(centre=centre, axes=(0.3, 0.3))
        assert np.array_equal(cleaned(mask).mask, mask) and not keys(mask)


def test_only_a_border_is_refused(tmp_path):
    frame = np.zeros(SHAPE, np.uint8)
    cv2.rectangle(frame, (0, 0), (SHAPE[1] - 1, SHAPE[0] - 1), 255, 3)
    Image.fromarray(frame).save(tmp_path / "m.png")
    with pytest.raises(UserError) as refused:
        read_cleaned(tmp_path / "m.png")
    assert refused.value.key == "mask_border"


@pytest.mark.parametrize(("thick", "arc"), [(1, 360), (2, 360), (5, 360), (2, 354)])
def test_an_outline_is_filled_also_where_it_has_a_small_gap(thick, arc):
    drawn = np.zeros(SHAPE, np.uint8)
    cv2.ellipse(drawn, (170, 119), (62, 40), 0, 0, arc, 1, thick)
    whole = np.zeros(SHAPE, np.uint8)
    cv2.ellipse(whole, (170, 119), (62, 40), 0, 0, 360, 1, -1)
    found = cleaned(drawn > 0)
    assert [one.key for one in found.notes] == ["mask_outline"]
    assert (found.mask != (whole > 0)).mean() < 0.015


def test_an_open_line_stays_and_is_told():
    drawn = np.zeros(SHAPE, np.uint8)
    cv2.ellipse(drawn, (170, 119), (62, 40), 0, 0, 270, 1, 2)
    found = cleaned(drawn > 0)
    assert [one.key for one in found.notes] == ["mask_line"] and np.array_equal(found.mask, drawn > 0)
    cv2.circle(drawn := np.zeros(SHAPE, np.uint8), (60, 60), 3, 1, -1)  # small, and no line
    assert not cleaned(drawn > 0).notes


def test_holes_are_filled_and_specks_dropped():
    given = MASK.copy()
    given[110:116, 160:170] = False
    given[10:12, 10:12] = given[200, 20] = True
    found = cleaned(given)
    assert np.array_equal(found.mask, MASK)
    assert [(one.key, one.facts) for one in found.notes] == [
        ("mask_holes", {}),
        ("mask_specks", {"count": 2}),
    ]


def test_twenty_polyps_stay_twenty_and_a_lone_small_one_stays():
    many = np.zeros(SHAPE, bool)
    for place in range(20):
        many |= ellipse(centre=(0.1 + 0.2 * (place % 5), 0.15 + 0.22 * (place // 5)), axes=(0.03, 0.03))
    assert np.array_equal(cleaned(many).mask, many) and len(regions(many)) == 20
    small = ellipse(axes=(0.02, 0.02))
    assert np.array_equal(cleaned(small).mask, small)


def test_a_polyp_too_small_for_the_network_is_told(tmp_path):
    Image.fromarray(ellipse(axes=(0.02, 0.02)).astype(np.uint8) * 255).save(tmp_path / "m.png")
    assert [one.key for one in read_cleaned(tmp_path / "m.png").notes] == ["mask_tiny"]


def test_a_mask_of_more_pixels_than_a_camera_has_is_refused_before_it_is_sorted(tmp_path):
    Image.new("1", (64, 330_000)).save(tmp_path / "mask.tif")
    with pytest.raises(UserError, match="image_too_large") as refused:
        decoded(tmp_path / "mask.tif")
    assert refused.value.facts["limit"] == 20


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_class_that_a_sample_of_the_pixels_misses_is_found(tmp_path, dtype):
    levels = np.zeros((1200, 1300), dtype)
    levels[100:400, 100:500] = 200
    levels[601, 3] = 77  # one pixel in a million and a half
    Image.fromarray(levels).save(tmp_path / "mask.png")
    mask, _ = decoded(tmp_path / "mask.png")
    assert np.array_equal(mask, levels == 200)
