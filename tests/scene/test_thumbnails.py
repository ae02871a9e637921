"""Small pictures of rooms: what looks up is seen, the rest is nothing, and each shipped scan has its own."""

import numpy as np
import pytest
from PIL import Image

from models.scene import pipeline, thumbnails
from models.scene.data.scan import Scan
from tests.scene.scan_makers import room


def test_a_picture_shows_what_faces_the_eye_in_its_colour():
    vertices, colours, faces, objects = room()
    scan = Scan(
        "room", vertices.astype(np.float32), colours, faces.astype(np.int32), objects.astype(np.int32)
    )
    seen = np.asarray(thumbnails.picture(scan))
    assert seen.shape == (thumbnails.HEIGHT, thumbnails.WIDTH, 4)
    assert 0.2 < (seen[..., 3] > 0).mean() < 0.9 and seen[0, 0, 3] == 0
    blue = (seen[..., 3] == 255) & (seen[..., 2] > 2 * seen[..., 0].astype(int))  # the chair's seat
    rows, columns = np.nonzero(blue)
    assert 20 < len(rows) < 600 and np.ptp(columns) < thumbnails.WIDTH / 3


def test_what_looks_away_is_not_in_the_way():
    vertices, colours, faces, objects = room()
    lid = vertices[:400] + np.array([0, 0, 2.5])  # over the floor, its faces down, as a ceiling
    count = len(vertices)
    down = faces[(faces < 400).all(1)][:, ::-1] + count
    closed = Scan(
        "room",
        np.concatenate([vertices, lid]).astype(np.float32),
        np.concatenate([colours, np.full((400, 3), 9, np.uint8)]),
        np.concatenate([faces, down]).astype(np.int32),
        np.concatenate([objects, np.zeros(400)]).astype(np.int32),
    )
    seen = np.asarray(thumbnails.picture(closed))
    assert (seen[..., :3][seen[..., 3] == 255].max(-1) > 60).all()


@pytest.mark.parametrize("scan", pipeline.examples())
@pytest.mark.parametrize(
    ("folder", "size", "most"),
    [
        (thumbnails.FOLDER, (thumbnails.WIDTH, thumbnails.HEIGHT), 6_000),
        (thumbnails.STILLS, (thumbnails.STILL_WIDTH, thumbnails.STILL_HEIGHT), 50_000),
    ],
)
def test_each_scan_that_ships_has_a_small_picture_and_a_still(scan, folder, size, most):
    file = thumbnails.file(scan, folder)
    assert file is not None and file.stat().st_size < most
    with Image.open(file) as drawn:
        assert drawn.format == "WEBP" and drawn.size == size


def test_no_other_file_has_an_address():
    assert thumbnails.file("../scans/CREDITS") is None and thumbnails.file("room_none") is None
