"""A picture of any depth, orientation, transparency or container becomes the same 8-bit RGB."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from models.core.errors import UserError
from models.core.image_io import read_picture
from tests.core.heic import heic

RAMP = np.add.outer(np.arange(48) * 2, np.arange(64) * 2).astype(np.uint8)
PHOTO = np.dstack([RAMP, RAMP[::-1], np.full_like(RAMP, 90)])


def read(tmp_path, image, name="p.png", **options):
    path = tmp_path / name
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **options)
    found = read_picture(path)
    return np.asarray(found.image).astype(int), [one.key for one in found.notes]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["p.jpg", "p.png", "p.webp", "p.tif"])
def test_every_exif_orientation_mirrored_ones_too(tmp_path, orientation, name):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(PHOTO)
    pixels, _ = read(tmp_path, stored, name, exif=exif, **({"quality": 95} if name != "p.tif" else {}))
    turned = stored.copy()
    turned.info["exif"] = exif.tobytes()
    right = np.asarray(ImageOps.exif_transpose(turned)).astype(int)
    assert pixels.shape == right.shape and np.abs(pixels - right).mean() < 4


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("p.png", RAMP.astype(np.uint16) * 257),
        ("p.tif", RAMP.astype(np.uint16) * 257),
        ("p.tif", RAMP.astype(np.uint16) * 16),  # 12 bit of a camera
        ("p.tif", RAMP.astype(np.float32) / 255),
        ("p.tif", RAMP.astype(np.float32)),
        ("p.tif", RAMP.astype(np.int32) * 257),
    ],
)
def test_deep_greys_are_scaled_and_told(tmp_path, name, values):
    pixels, keys = read(tmp_path, values, name)
    assert np.abs(pixels - RAMP[..., None]).max() <= 2 and keys == ["deep"]


def test_values_that_are_no_numbers_do_no_harm(tmp_path):
    values = RAMP.astype(np.float32) / 255
    values[0, 0], values[0, 1], values[0, 2] = np.nan, np.inf, -np.inf
    pixels, _ = read(tmp_path, values, "p.tif")
    assert np.abs(pixels[1:] - RAMP[1:, :, None]).max() <= 2


def hidden(alpha):
    return np.dstack([np.where(alpha[..., None] > 0, PHOTO, (0, 255, 0)).astype(np.uint8), alpha])


ALPHA = np.full(RAMP.shape, 255, np.uint8)
ALPHA[:, :20] = 0


def transparent_palette():
    image = Image.fromarray(PHOTO).quantize(64)
    image.paste(63, (0, 0, 20, 48))
    return image, {"transparency": 63}


@pytest.mark.parametrize("kind", ["RGBA", "LA", "palette", "webp", "gif", "rgb key", "tiff"])
def test_what_is_transparent_is_white_and_told(tmp_path, kind):
    match kind:
        case "palette" | "gif":
            image, options = transparent_palette()
            pixels, keys = read(tmp_path, image, "p.gif" if kind == "gif" else "p.png", **options)
        case "LA":
            pixels, keys = read(tmp_path, Image.fromarray(np.dstack([RAMP, ALPHA]), "LA"))
        case "rgb key":
            keyed = np.where(ALPHA[..., None] > 0, PHOTO, (0, 255, 0)).astype(np.uint8)
            pixels, keys = read(tmp_path, keyed, transparency=(0, 255, 0))
        case _:
            name = {"RGBA": "p.png", "webp": "p.webp", "tiff": "p.tif"}[kind]
            options = {"lossless": True} if kind == "webp" else {}
            pixels, keys = read(tmp_path, hidden(ALPHA), name, **options)
    assert (pixels[:, :19] == 255).all() and keys == ["transparent"]
    right = RAMP[..., None] if kind == "LA" else PHOTO
    assert np.abs(pixels[:, 21:] - right[:, 21:]).mean() < 12


def test_half_transparent_is_half_white(tmp_path):
    pixels, _ = read(tmp_path, np.dstack([np.zeros_like(PHOTO), np.full_like(RAMP, 128)]))
    assert np.abs(pixels - 127).max() <= 1


def test_of_an_animation_the_first_picture_is_taken_and_it_is_told(tmp_path):
    for name in ("p.gif", "p.webp", "p.png", "p.tif"):
        first = Image.fromarray(np.full((20, 20, 3), (200, 30, 30), np.uint8))
        rest = [Image.new("RGB", (20, 20), (0, 0, 20 * i)) for i in range(1, 4)]
        pixels, keys = read(tmp_path, first, name, save_all=True, append_images=rest)
        assert np.abs(pixels[10, 10] - (200, 30, 30)).max() < 12 and keys == ["first_of"], name


def test_avif_and_cmyk(tmp_path):
    pixels, _ = read(tmp_path, PHOTO, "p.avif", quality=95)
    assert np.abs(pixels - PHOTO).mean() < 5
    pixels, _ = read(tmp_path, Image.fromarray(PHOTO).convert("CMYK"), "p.jpg", quality=95)
    assert np.abs(pixels - PHOTO).mean() < 8


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_heic_upright(tmp_path, turns):
    right = np.zeros((128, 192, 3), np.uint8)
    right[:64], right[64:, :96], right[64:, 96:] = (200, 30, 30), (30, 60, 220), (40, 200, 60)
    (tmp_path / "phone.heic").write_bytes(heic(right, turns))
    read = np.asarray(read_picture(tmp_path / "phone.heic").image)
    assert read.shape == np.rot90(right, turns).shape
    assert np.abs(read.astype(int) - np.rot90(right, turns)).mean() < 2


def test_a_phones_forty_eight_megapixels_are_read_and_scaled_down(tmp_path):
    Image.new("RGB", (8064, 6048), (10, 200, 30)).save(tmp_path / "p.jpg", quality=60)
    found = read_picture(tmp_path / "p.jpg", 1280).image
    assert 1280 <= max(found.size) < 2600 and found.getpixel((5, 5))[1] > 190


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"%PDF-1.7", "PDF"),
        (b"\0\0\0\x20ftypisom", "film"),
        (b"\x1aE\xdf\xa3", "film"),
        (b"<?xml version='1.0'?><svg>", "SVG"),
        (b"RIFF\0\0\0\0WAVEfmt ", "sound"),
        (b"\xff\x0a", "JPEG XL"),
    ],
)
def test_other_kinds_of_file_are_named(tmp_path, head, kind):
    (tmp_path / "p.png").write_bytes(head + bytes(100))
    with pytest.raises(UserError) as refused:
        read_picture(tmp_path / "p.png")
    assert refused.value.key == "image_kind" and refused.value.facts["kind"] == kind


def test_a_picture_cut_short_is_refused(tmp_path):
    for name in ("p.png", "p.jpg", "p.gif", "p.webp", "p.tif", "p.avif", "p.bmp"):
        whole = io.BytesIO()
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(
            whole, {"p.jpg": "JPEG", "p.tif": "TIFF"}.get(name, name[2:].upper())
        )
        (tmp_path / name).write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
        with pytest.raises(UserError):
            read_picture(tmp_path / name)
