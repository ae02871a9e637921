"""The three pictures of a frame, their panels, the mark, and frames without a face."""

import numpy as np
import pytest
from skimage import data

from models.face.rendering import watermark
from models.face.rendering.compositor import Drawing
from models.face.sources import mesh, source
from models.face.sources.tracking import track_image
from models.face.types import Watch
from tests.face.stand_in_motion import chewing


@pytest.fixture(scope="module")
def portrait() -> source.Portrait:
    return source.Portrait(data.astronaut())


def drawn(sitter, stage, panels=False, marked=False, frames=6):
    drawing = Drawing(sitter, stage, panels, marked)
    return drawing, list(drawing.film(chewing(frames), Watch()))


def test_the_blend_opens_the_mouth_and_leaves_the_rest_alone(portrait):
    drawing, frames = drawn(portrait, "blend")
    shut, wide = frames[0][0], frames[4][0]
    assert np.array_equal(wide[420:], data.astronaut()[420:])
    lips = mesh.lip_gap(track_image(wide).vertices)[0]
    assert lips > mesh.lip_gap(track_image(shut).vertices)[0] + 0.3
    assert len(drawing.vertices) == 6 and not drawing.faceless


def test_panels_show_three_stages_of_the_same_moment(portrait):
    drawing, frames = drawn(portrait, "generated", panels=True)
    whole, wide = frames[4]
    assert whole.shape == (512, 512, 3) and wide.shape == (*drawing.panel_size, 3)
    left, blend, generated = np.split(wide, 3, axis=1)
    assert np.abs(left.astype(int) - blend).mean() > 40 > np.abs(blend.astype(int) - generated).mean()


def test_what_a_film_is_made_of_comes_with_each_frame_and_where_its_mouth_is(portrait):
    drawing = Drawing(portrait, "blend", panels=False, marked=True, beside=True)
    motion = chewing(6)
    frames = list(drawing.film(motion, Watch()))
    assert all(np.array_equal(own, data.astronaut()) for _, own in frames)
    assert len(drawing.mouths) == 6
    for delta, (left, top, side) in zip(motion.deltas(0, 6), drawing.mouths, strict=True):
        lips = portrait.shot(0, delta).target[list(mesh.LIPS), :2]
        assert (lips > (left, top)).all() and (lips < (left + side, top + side)).all()


def test_the_mark_is_in_the_corner_and_nowhere_else(portrait):
    _, [(plain,)] = drawn(portrait, "blend", frames=1)
    _, [(marked,)] = drawn(portrait, "blend", marked=True, frames=1)
    changed = np.argwhere((plain != marked).any(2))
    assert len(changed) > 300 and changed[:, 0].min() > 470 and changed[:, 1].max() < 250


@pytest.mark.parametrize("size", [(20, 20), (64, 300), (300, 40)])
def test_a_mark_fits_any_frame(size):
    frame = np.zeros((*size, 3), np.uint8)
    watermark.burn(frame)
    assert frame.max() > 100


def test_a_frame_without_a_face_is_the_sources_own(portrait):
    class Nobody:
        size, rest = portrait.size, portrait.rest
        widest, box = portrait.widest, portrait.box

        def shot(self, index, delta):
            shot = portrait.shot(index, delta)
            return source.Shot(shot.image, shot.pose, shot.now, shot.target, shot.vertices, index != 1)

    for stage in ("3d", "blend", "generated"):
        drawing, frames = drawn(Nobody(), stage, frames=3)
        assert drawing.faceless == [1]
        assert np.array_equal(frames[1][0], data.astronaut())
