import time

import cv2
import numpy as np
import pytest

from models.face.rendering.blend import Blender
from models.face.rendering.crops import CLOSE, SIDE, Crop, add, crop_of, cut, maps, mouth_box
from models.face.rendering.warp import flow
from models.face.sources import mesh
from models.face.sources.close_mouth import OPEN, closed
from tests.face.made_face import own, picture, pixels, pose


@pytest.fixture(scope="module")
def blender():
    return Blender(picture(), pixels(), own())


def test_what_does_not_move_is_the_source_to_the_bit(blender):
    image = picture()
    assert np.array_equal(blender.blend(image, pixels(), pixels()).frame, image)


def test_the_source_is_never_written_to(blender):
    image = picture()
    image.setflags(write=False)
    blender.blend(image, pixels(), pixels(open_by=1.5))


def test_the_background_is_untouched_when_a_jaw_drops(blender):
    image = picture()
    out = blender.blend(image, pixels(), pixels(open_by=1.5)).frame
    changed = (out != image).any(2)
    face = pixels(open_by=1.5)[: mesh.SKIN, :2]
    low, high = face.min(0), face.max(0)
    wide = (high - low) * 0.62
    middle = (low + high) / 2
    columns = np.nonzero(changed)[1]
    assert changed.sum() > 500
    assert (np.abs(columns - middle[0]) < wide[0]).all()
    assert not changed[: int(middle[1] - 0.2 * wide[1])].any(), "nothing above the eyes moves with a jaw"


def test_an_opened_mouth_is_dark_and_has_teeth_under_the_lip(blender):
    target = pixels(open_by=1.6)
    out = blender.blend(picture(), pixels(), target).frame
    upper, lower = target[mesh.UPPER_INNER, :2], target[mesh.LOWER_INNER, :2]
    assert lower[1] - upper[1] > 12
    teeth = out[int(upper[1] + 1) : int(upper[1] + 4), int(upper[0]) - 2 : int(upper[0]) + 3].mean()
    deep = out[int(upper[1] + 8) : int(upper[1] + 11), int(upper[0]) - 2 : int(upper[0]) + 3].mean()
    assert deep < 75 and deep < 0.8 * teeth


def test_an_eye_that_closes_is_covered_and_does_not_shrink(blender):
    image = picture()
    iris = pixels()[mesh.LEFT_IRIS[0], :2].astype(int)
    image[iris[1] - 3 : iris[1] + 4, iris[0] - 3 : iris[0] + 4] = 0
    target = pixels()
    ring = mesh.LEFT_EYE
    upper, lower = list(ring[1:8]), list(ring[9:16])[::-1]
    target[upper] += 0.55 * (target[lower] - target[upper])
    out = blender.blend(image, pixels(), target).frame
    before, after = ((frame.sum(2) < 60) for frame in (image, out))
    assert 0 < after.sum() < before.sum()
    columns = [np.nonzero(dark.any(0))[0] for dark in (before, after)]
    assert abs(np.ptp(columns[0]) - np.ptp(columns[1])) <= 2, "narrower only from above"


def test_a_head_that_sways_takes_its_surroundings_along_and_tears_nothing():
    place = (120, (160, 160))
    turned = mesh.project(mesh.turned(np.eye(3), np.array([0.5, 0, 0]), pose(*place)), own())
    moved = flow(pixels(*place), turned, own(), (320, 320))
    assert moved is not None
    shifts = moved.x - np.arange(moved.x.shape[1]) - moved.left
    step = 0.5 * 120 / mesh.face_height()
    assert shifts.min() == pytest.approx(-step, abs=0.2)
    assert np.diff(moved.x, axis=1).min() > 0, "no pixel overtakes its neighbour"
    edges = (shifts[0], shifts[-1], shifts[:, 0], shifts[:, -1])
    assert max(np.abs(edge).max() for edge in edges) < 0.1 * step, "the background stays"


def test_a_large_face_gets_a_flow_of_every_pixel():
    moved = flow(pixels(900, (600, 600)), pixels(900, (600, 600), 1.0), own(), (1200, 1200))
    assert moved is not None and moved.x.shape == moved.y.shape
    lip = pixels(900, (600, 600), 1.0)[mesh.LOWER_INNER + 3, :2]
    at = int(lip[1] + 6) - moved.top, int(lip[0]) - moved.left
    assert moved.y[at] - at[0] - moved.top == pytest.approx(-900 / mesh.face_height(), rel=0.15)


def test_a_face_half_outside_of_the_picture_is_blended(blender):
    place = (10, 300)
    out = blender.blend(picture(), pixels(middle=place), pixels(middle=place, open_by=1.0)).frame
    assert out.shape == (320, 320, 3)


def test_an_open_smile_is_closed_and_a_closed_mouth_left_alone():
    face = own(1.0)
    shut = closed(face)
    assert float(mesh.lip_gap(shut)) < OPEN
    assert np.abs(shut - face)[face[:, 1] > 0].max() == 0
    assert shut[mesh.CHIN, 1] > face[mesh.CHIN, 1] + 0.2, "the jaw follows"
    assert np.array_equal(closed(own()), own())


def test_the_square_follows_the_head_and_not_the_jaw():
    square = crop_of(pose(), own())
    moved = crop_of(mesh.turned(np.eye(3), np.array([1.0, 0, 0]), pose()), own())
    assert moved.x - square.x == pytest.approx(200 / mesh.face_height(), rel=1e-3)
    assert (moved.y, moved.side) == pytest.approx((square.y, square.side))
    lips = pixels(open_by=1.5)[list(mesh.OUTER_LIPS), :2]
    assert (np.abs(lips - (square.x, square.y)).max(0) < 0.4 * square.side).all()


@pytest.mark.parametrize("side", [60.0, 128.0, 300.5])
def test_what_is_cut_and_put_back_fits(side: float):
    rows, columns = np.mgrid[:400, :400]
    image = np.stack([columns / 2, rows / 2, 0 * rows + 90], axis=2).astype(np.uint8)
    square = Crop(190.3, 205.7, side)
    shown = cut(image, square)
    assert shown.shape == (SIDE, SIDE, 3)
    assert shown[SIDE // 2, SIDE // 2, :2] == pytest.approx([190.3 / 2, 205.7 / 2], abs=1.5)
    change = np.zeros((SIDE, SIDE, 3), np.float32)
    assert np.array_equal(add(image, square, change), image)
    change[SIDE // 4 : -SIDE // 4, SIDE // 4 : -SIDE // 4] = 50
    changed = np.nonzero((add(image, square, change) != image).any(2))
    assert changed[1].mean() == pytest.approx(190.3, abs=1) and changed[0].mean() == pytest.approx(
        205.7, abs=1
    )


def test_a_square_over_the_border_changes_what_is_there():
    image = np.full((100, 100, 3), 100, np.uint8)
    change = np.full((SIDE, SIDE, 3), 20, np.float32)
    out = add(image, Crop(2, 2, 60), change)
    assert out[5, 5].tolist() == [120] * 3 and out[50, 50].tolist() == [100] * 3
    assert np.array_equal(add(image, Crop(-500, 2, 60), change), image)


def test_the_maps_show_the_lips_and_what_is_between_them():
    drawn = maps(pixels(open_by=1.0), crop_of(pose(), own()))
    assert drawn.shape == (SIDE, SIDE, 2)
    assert 0 < (drawn[..., 1] > 0).sum() < (drawn[..., 0] > 0).sum()


def test_a_frame_takes_few_hundredths_of_a_second(blender):
    image, now, target = picture(), pixels(), pixels(open_by=1.0)
    begun = time.process_time()
    for _ in range(5):
        blender.blend(image, now, target)
    assert (time.process_time() - begun) / 5 < 0.06


def smiling(inside: tuple[int, int, int]) -> np.ndarray:
    """The picture with one colour between the lips of a face that opens its mouth by 1 cm."""
    image = picture()
    ring = pixels(open_by=1.0)[list(mesh.INNER_LIPS), :2]
    cv2.fillPoly(image, [np.round(ring).astype(np.int32)], inside)
    return image


def test_teeth_that_were_seen_stay_where_they_were_when_the_jaw_drops():
    smile = Blender(smiling((236, 232, 224)), pixels(open_by=1.0), own())
    drawn = smile.blend(smiling((236, 232, 224)), pixels(open_by=1.0), pixels(open_by=2.0))
    x, y = pixels(open_by=1.0)[[mesh.UPPER_INNER, mesh.LOWER_INNER], :2].mean(0).astype(int)
    assert drawn.frame[y, x].mean() > 180
    assert drawn.sure.max() > 0.9


def test_lips_that_were_taken_for_a_mouths_inside_are_not_shown_as_teeth():
    lips = Blender(smiling((190, 130, 110)), pixels(open_by=1.0), own())
    assert lips.inside.seen is None
    assert lips.blend(picture(), pixels(), pixels(open_by=1.0)).sure.max() == 0


@pytest.mark.parametrize("middle", [(150.0, 120.0), (5.0, 120.0), (-400.0, 500.0), (299.0, 239.0)])
def test_what_is_shown_of_a_mouth_is_a_square_around_it_inside_of_the_frame(middle):
    left, top, side = mouth_box(Crop(*middle, 50.0), (240, 300))
    assert side == CLOSE * 50
    assert 0 <= left <= 300 - side and 0 <= top <= 240 - side
    if middle == (150.0, 120.0):
        assert (left + side / 2, top + side / 2) == middle
    assert mouth_box(Crop(*middle, 1000.0), (240, 300)).side == 240


def test_what_is_shown_of_a_mouth_goes_with_the_head():
    still, moved = (
        mouth_box(crop_of(one, own()), (10_000, 10_000))
        for one in (pose(), mesh.turned(np.eye(3), np.array([1.0, 0, 0]), pose()))
    )
    assert moved.left != still.left and moved.top == pytest.approx(still.top, abs=0.2)
