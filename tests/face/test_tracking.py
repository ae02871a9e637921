"""Faces are found, followed and refused; poses and vertices say the same as the picture."""

import hashlib
import zipfile

import numpy as np
import pytest
from skimage import data

from models.core.errors import UserError
from models.face.sources import face_model, mesh, tracking


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return data.astronaut()


@pytest.fixture(scope="module")
def track(astronaut) -> tracking.Track:
    return tracking.track_image(astronaut)


def test_the_mesh_is_mediapipes():
    assert mesh.canonical().shape == (468, 3) and mesh.triangles().shape == (898, 3)
    assert len(mesh.BLENDSHAPES) == 52 and len(set(mesh.LIPS)) == 40
    assert 17 < mesh.face_height() < 18
    assert mesh.still_weights()[list(mesh.JAW)].sum() == 0


def test_a_face_is_found_where_it_is(track):
    pixels = track.pixels()[0]
    nose = pixels[1]
    assert 200 < nose[0] < 250 and 90 < nose[1] < 150
    assert pixels[33][0] < pixels[263][0] and pixels[10][1] < pixels[152][1]
    assert mesh.lip_gap(track.vertices)[0] > 0.5  # she smiles
    named = dict(zip(mesh.BLENDSHAPES, track.blendshapes[0], strict=True))
    assert named["mouthSmileLeft"] > 0.5 > named["jawOpen"]


def test_a_pose_and_its_inverse(track):
    back = mesh.unproject(track.poses[0], track.pixels()[0])
    np.testing.assert_allclose(back, track.vertices[0], atol=1e-3)
    np.testing.assert_allclose(mesh.align(track.pixels()[0]), track.poses[0], atol=1e-2)
    assert np.abs(track.vertices[0][:468] - mesh.canonical()).mean() < 1.2


def test_the_shape_does_not_depend_on_size_place_or_tilt(astronaut, track):
    import cv2

    matrix = cv2.getRotationMatrix2D((224, 120), 15, 0.8)
    matrix[:, 2] += (20, 30)
    moved = cv2.warpAffine(astronaut, matrix, (512, 512), borderMode=cv2.BORDER_REFLECT)
    again = tracking.track_image(moved)
    lips = list(mesh.LIPS)
    assert np.abs(again.vertices[0][lips] - track.vertices[0][lips]).mean() < 0.15
    scale = np.linalg.norm(again.poses[0][:, 0]) / np.linalg.norm(track.poses[0][:, 0])
    assert abs(scale - 0.8) < 0.04


def test_a_film_in_which_the_face_goes_away(astronaut):
    face = astronaut[:256, 100:356]
    blank = np.full_like(face, 90)
    found = tracking.track_video([face] * 3 + [blank] * 4 + [face] * 3)
    assert found.seen.tolist() == [True] * 3 + [False] * 4 + [True] * 3
    assert found.vertices.shape == (10, 478, 3) and np.isfinite(found.vertices).all()
    assert found.rest.shape == (478, 3)


def refused(image) -> str:
    with pytest.raises(UserError) as caught:
        tracking.track_image(image)
    return caught.value.key


def test_what_is_no_portrait_is_refused(astronaut):
    face = astronaut[0:240, 110:350]
    assert refused(data.chelsea()) == "no_face"  # a cat
    assert refused(np.zeros((64, 64, 3), np.uint8)) == "no_face"
    assert refused(np.concatenate([face, face[:, ::-1]], axis=1)) == "many_faces"
    with pytest.raises(UserError) as caught:
        tracking.track_video([np.zeros((64, 64, 3), np.uint8)] * 3)
    assert caught.value.key == "no_face"


def test_a_small_face_is_refused(astronaut):
    import cv2

    tiny = np.full((400, 400, 3), 120, np.uint8)
    tiny[150:250, 150:250] = cv2.resize(astronaut[:300, 80:380], (100, 100), interpolation=cv2.INTER_AREA)
    assert refused(tiny) in ("face_small", "no_face")


def test_a_face_that_looks_away_is_refused():
    pose = mesh.align(np.concatenate([mesh.canonical(), mesh.canonical()[:10]]) * (20, -20, -20))
    tracking._check(pose)
    angle = np.radians(60)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    with pytest.raises(UserError) as caught:
        tracking._check(mesh.turned(turn, np.zeros(3), pose))
    assert caught.value.key == "face_profile" and caught.value.facts["degrees"] == 60


def test_smoothing_has_no_lag():
    wave = np.sin(np.arange(60) / 4)[:, None, None] * np.ones((1, 478, 3), np.float32)
    smooth = tracking._smooth(wave, 5)
    shifts = [float((smooth[5:-5, 0, 0] * np.roll(wave, k, axis=0)[5:-5, 0, 0]).sum()) for k in (-1, 0, 1)]
    assert shifts[1] == max(shifts)


def test_the_model_file_is_the_published_one(tmp_path):
    assert hashlib.sha256(face_model.packaged().read_bytes()).hexdigest() == face_model.SHA256
    for name, make in (("text.task", None), ("empty.task", "w")):
        file = tmp_path / name
        if make:
            with zipfile.ZipFile(file, make) as archive:
                archive.writestr("face_detector.tflite", b"")
        else:
            file.write_text("no zip")
        try:
            with pytest.raises(UserError) as caught:
                face_model.choose(file)
            assert caught.value.key == "face_model_broken"
        finally:
            face_model._own.clear()
            face_model.canonical.cache_clear()
