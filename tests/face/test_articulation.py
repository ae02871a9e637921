"""How an articulation is counted, on mouths whose answer is known."""

import cv2
import numpy as np
import pytest

from models.face.sources import mesh
from models.face.sources.tracking import Track
from models.face.sync import articulation


def faces(opening: np.ndarray, wider: float = 0.0, out: float = 0.0) -> np.ndarray:
    """Faces (T, 478, 3) whose mouths open by `opening` (T,) cm, and spread and round with it."""
    vertices = np.zeros((len(opening), mesh.VERTICES, 3), np.float32)
    vertices[:, : mesh.SKIN] = mesh.canonical()
    vertices[:, mesh.LOWER_INNER] = vertices[:, mesh.UPPER_INNER]
    vertices[:, mesh.LOWER_INNER, 1] -= opening
    vertices[:, mesh.MOUTH_CORNERS[1], 0] += wider * opening
    vertices[:, [mesh.UPPER_INNER, mesh.LOWER_INNER], 2] += out * opening[:, None]
    return vertices


@pytest.fixture(scope="module")
def opening() -> np.ndarray:
    """Four seconds of a mouth that shuts twelve times."""
    return np.abs(np.sin(np.linspace(0.3, 12.3 * np.pi, 100))).astype(np.float32)


def test_a_film_is_like_itself(opening):
    found = articulation.compared(faces(opening, 0.5, 0.3), faces(opening, 0.5, 0.3))
    assert found == pytest.approx(dict.fromkeys(found, 1.0), abs=1e-4)
    assert len(found) == 7


def test_half_of_each_movement_is_a_range_of_half(opening):
    found = articulation.compared(faces(opening / 2, 0.5, 0.3), faces(opening, 0.5, 0.3))
    for name in articulation.EXTENTS:
        assert found[f"{name}_range"] == pytest.approx(0.5, abs=0.02)
        assert found[f"{name}_r"] == pytest.approx(1, abs=1e-3)


def test_a_mouth_that_never_moves_has_no_correlation_and_no_range(opening):
    found = articulation.compared(faces(np.full(100, 0.4, np.float32)), faces(opening))
    assert found["gap_range"] == pytest.approx(0, abs=1e-6) and np.isnan(found["gap_r"])
    assert found["closures_f1"] == 0


def test_closures_are_counted_between_openings_and_may_be_two_frames_late(opening):
    assert len(articulation.closures(opening)) == 12
    assert articulation.closures_f1(np.roll(opening, 2), opening) == pytest.approx(1, abs=0.1)
    half = opening.copy()
    half[:50] = np.maximum(half[:50], 0.5)
    assert articulation.closures_f1(half, opening) == pytest.approx(2 * 0.5 / 1.5, abs=0.05)
    assert np.isnan(articulation.closures_f1(opening, np.linspace(0, 1, 100, dtype=np.float32)))


def test_what_is_light_between_the_lips_counts_as_teeth(opening):
    pose = np.array([[[10, 0, 0, 200], [0, -10, 0, 200], [0, 0, -10, 0]]], np.float32).repeat(100, 0)
    track = Track(faces(opening), pose, np.zeros((100, 52)), np.ones(100, bool), (400, 400))
    wide = []
    for corners in track.pixels()[..., :2]:
        frame = np.full((400, 400, 3), 150, np.uint8)
        inner = np.round(corners[list(mesh.INNER_LIPS)]).astype(np.int32)
        cv2.fillPoly(frame, [inner], (40, 10, 10))
        cv2.fillPoly(frame, [np.minimum(inner, [999, int(inner[:, 1].min()) + 6])], (230, 230, 220))
        wide.append(frame)
    shown = articulation.teeth(wide, track)
    assert shown.max() > 0.001
    assert articulation.teeth([np.full_like(wide[0], 30)] * 100, track).max() > 0  # as light as the face
    dark = [np.where(frame > 200, 10, frame).astype(np.uint8) for frame in wide]
    assert articulation.teeth(dark, track).max() == 0
