"""Masks that a person may bring, and what is said of those that no frame can be drawn for."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from models.colonoscopy.data.images import pair_paths
from models.colonoscopy.data.masks import check_mask, mask_files, read_drawn
from models.core.errors import UserError
from tests.colonoscopy.makers import frame_of, mask_of


def written(folder, pixels, name="mask.png"):
    path = folder / name
    Image.fromarray(np.asarray(pixels)).save(path)
    return path


def grey(mask):
    return mask.astype(np.uint8) * 255


@pytest.mark.parametrize("name", ["mask.png", "mask.jpg", "mask.bmp", "mask.tif"])
def test_a_mask_of_any_kind_is_read(tmp_path, name):
    mask = mask_of(120, 200, (20, 60, 50, 90))
    found = read_drawn(written(tmp_path, grey(mask), name))
    assert found.shape == (120, 200) and (found != mask).mean() < 0.01


def test_soft_edges_are_cut_in_the_middle(tmp_path):
    mask = mask_of()
    soft = Image.fromarray(grey(mask)).filter(ImageFilter.GaussianBlur(6))
    found = read_drawn(written(tmp_path, soft))
    assert (found != mask).mean() < 0.01


def test_transparent_and_one_bit_masks(tmp_path):
    mask = mask_of()
    Image.fromarray(grey(mask)).convert("1").save(tmp_path / "bit.png")
    Image.fromarray(np.dstack([grey(mask)] * 3 + [np.full(mask.shape, 255, np.uint8)])).save(
        tmp_path / "a.png"
    )
    for name in ("bit.png", "a.png"):
        assert np.array_equal(read_drawn(tmp_path / name), mask)


@pytest.mark.parametrize(
    ("pixels", "key"),
    [
        (grey(mask_of(box=(0, 0, 0, 0))), "mask_empty"),
        (grey(mask_of(box=(5, 8, 5, 8))), "mask_small"),
        (grey(mask_of(box=(0, 256, 0, 256))), "mask_full"),
        (grey(mask_of(30, 30, (5, 20, 5, 20))), "mask_shape"),
        (grey(mask_of(40, 400, (5, 20, 5, 200))), "mask_shape"),
        (frame_of(mask_of()), "mask_not_one"),
        (np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8), "mask_not_one"),
    ],
)
def test_what_is_no_mask_is_refused(tmp_path, pixels, key):
    with pytest.raises(UserError) as refused:
        read_drawn(written(tmp_path, pixels))
    assert refused.value.key == key


def test_files_that_are_no_pictures(tmp_path):
    for content, key in (
        (b"", "file_empty"),
        (b"GIF89a" + bytes(50), "image_unreadable"),
        (b"%PDF-1.4", "image_kind"),
    ):
        path = tmp_path / "mask.png"
        path.write_bytes(content)
        with pytest.raises(UserError) as refused:
            read_drawn(path)
        assert refused.value.key == key
    whole = written(tmp_path, grey(mask_of())).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="image_unreadable"):
        read_drawn(tmp_path / "cut.png")


def test_a_picture_that_claims_to_be_huge_is_not_decoded(tmp_path):
    path = written(tmp_path, grey(mask_of()))
    content = bytearray(path.read_bytes())
    content[16:24] = (60000).to_bytes(4, "big") * 2
    path.write_bytes(bytes(content))
    with pytest.raises(UserError) as refused:
        read_drawn(path)
    assert refused.value.key in ("image_too_large", "image_unreadable")


def test_folders(tmp_path):
    for call, key in ((mask_files, "masks_missing"), (pair_paths, "pairs_missing")):
        for folder in (tmp_path, tmp_path / "nowhere"):
            with pytest.raises(UserError) as refused:
                call(folder)
            assert refused.value.key == key
    (tmp_path / "masks").mkdir()
    written(tmp_path / "masks", grey(mask_of()), "b10.png")
    written(tmp_path / "masks", grey(mask_of()), "b9.png")
    assert [path.name for path in mask_files(tmp_path)] == ["b9.png", "b10.png"]


def test_a_good_mask_comes_back_as_it_was():
    mask = mask_of()
    assert check_mask(mask) is mask
