"""Who is shown: a portrait that sways, a video that is played to and fro and keeps its own head."""

import numpy as np
import pytest
from skimage import data

from models.face.sources import film_io, film_writer, mesh, source
from models.face.sources.head_motion import Sway
from tests.face.stand_in_motion import chewing


@pytest.fixture(scope="module")
def portrait() -> source.Portrait:
    return source.Portrait(data.astronaut())


@pytest.fixture(scope="module")
def footage(tmp_path_factory) -> source.Footage:
    """The astronaut walks to the right; in frames 4 and 5 there is nobody."""
    path = tmp_path_factory.mktemp("footage") / "walk.mp4"
    astronaut = data.astronaut()
    with film_writer.ClipWriter(path, (240, 256), 8) as writer:
        for index in range(8):
            left = 120 - 4 * index
            frame = astronaut[:240, left : left + 256]
            writer.write(np.full_like(frame, 99) if index in (4, 5) else frame)
    return source.Footage(film_io.open_clip(path), 100)


def test_a_portrait_at_rest_has_closed_lips_and_its_own_eyes(portrait):
    shot = portrait.shot(0, np.zeros((478, 3), np.float32))
    assert mesh.lip_gap(portrait.rest) < 0.1
    eyes = list(mesh.LEFT_EYE + mesh.RIGHT_EYE)
    np.testing.assert_allclose(shot.target[eyes], shot.now[eyes], atol=0.05)
    assert shot.image.shape == (512, 512, 3) and shot.seen


def test_a_portrait_moves_by_the_delta_and_by_the_sway(portrait):
    delta = chewing(6).deltas()[4]
    still = portrait.shot(0, delta)
    assert np.abs(mesh.lip_gap(still.vertices) - mesh.lip_gap(portrait.rest + delta)) < 1e-5
    assert mesh.lip_gap(still.target) > mesh.lip_gap(portrait.shot(0, delta * 0).target) + 3
    portrait.sway = Sway(np.eye(3, dtype=np.float32)[None], np.array([[1, 0, 0]], np.float32))
    try:
        moved = portrait.shot(0, delta)
    finally:
        portrait.sway = None
    scale = np.linalg.norm(portrait._pose[:, 0])
    shift = (moved.target - still.target).mean(0)
    assert abs(shift[0] - scale) < 0.2 and abs(shift[1]) < 0.5


def test_the_box_holds_the_head_and_stays_inside(portrait, footage):
    for sitter in (portrait, footage):
        left, top, side = sitter.box()
        face = sitter.widest()[1]
        assert left >= 0 and top >= 0 and left + side <= sitter.size[1] and top + side <= sitter.size[0]
        assert left < face[:, 0].min() and face[:, 0].max() < left + side


def test_a_video_goes_to_and_fro(footage):
    assert [footage.place(i) for i in range(18)] == [*range(8), *range(6, -1, -1), 1, 2, 3]


def test_a_video_keeps_its_head_motion_and_tells_where_nobody_is(footage):
    delta = np.zeros((478, 3), np.float32)
    shots = [footage.shot(i, delta) for i in range(8)]
    assert [shot.seen for shot in shots] == [True] * 4 + [False] * 2 + [True] * 2
    noses = [shot.target[1, 0] for shot in shots]
    assert noses[3] - noses[0] > 8
    for shot in shots[:4]:
        eyes = list(mesh.LEFT_EYE)
        np.testing.assert_allclose(shot.target[eyes], shot.now[eyes], atol=0.05)


def test_a_videos_lower_face_is_the_predicted_one(footage):
    delta = chewing(6).deltas()[4]
    shot = footage.shot(0, delta)
    assert abs(mesh.lip_gap(shot.vertices) - mesh.lip_gap(footage.rest + delta)) < 0.05
    assert source.lower_share()[mesh.LOWER_INNER] == 1 and source.lower_share()[33] == 0


def test_frames_come_back_nearly_as_they_were(footage):
    image = footage.image(0)
    assert np.abs(image.astype(int) - data.astronaut()[:240, 120:376]).mean() < 5
