import time

import numpy as np
import pytest

from models.face.rendering.mesh_renderer import draw_mesh
from models.face.sources import mesh
from tests.face.made_face import pixels


def face(height: float = 300, middle: tuple[float, float] = (256, 256), open_by: float = 0.0) -> np.ndarray:
    return pixels(height, middle, open_by)


def test_a_face_is_drawn_on_a_dark_ground():
    image = draw_mesh(face(), (512, 512))
    assert image.shape == (512, 512, 3) and image.dtype == np.uint8
    assert image[:20].max() < 60 and image[250, 200].mean() > 90


def test_what_faces_the_light_is_brighter():
    image = draw_mesh(face(), (512, 512)).astype(float)
    assert image[150:330, 150:220].mean() > image[150:330, 300:370].mean()


def test_light_runs_smoothly_over_the_cheek():
    cheek = draw_mesh(face(), (512, 512))[280:300, 190:220].astype(int)
    assert np.abs(np.diff(cheek, axis=1)).max() < 12


def test_an_open_mouth_is_dark_inside():
    shut, opened = (draw_mesh(face(open_by=by), (512, 512)) for by in (0.0, 2.0))
    x, y = face(open_by=2.0)[[mesh.UPPER_INNER, mesh.LOWER_INNER], :2].mean(0).astype(int)
    assert opened[y, x].mean() < 70 < shut[y, x].mean()


def test_a_face_may_lie_partly_or_wholly_outside():
    assert draw_mesh(face(middle=(-40, 500)), (512, 512)).shape == (512, 512, 3)
    assert draw_mesh(face(middle=(2000, 256)), (240, 320)).max() < 60


def test_the_pictures_size_is_height_and_width():
    assert draw_mesh(face(height=120, middle=(160, 90)), (180, 320)).shape == (180, 320, 3)


@pytest.mark.parametrize("height", [200, 380])
def test_a_frame_takes_hundredths_of_a_second(height: int):
    points = face(height)
    draw_mesh(points, (512, 512))
    begun = time.process_time()
    for _ in range(5):
        draw_mesh(points, (512, 512))
    assert (time.process_time() - begun) / 5 < 0.05
