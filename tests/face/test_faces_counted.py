"""Faces of groups are found and counted, also those that enter a film later."""

import numpy as np
import pytest
from PIL import Image

from app.face.service import example
from models.core.errors import UserError
from models.face.sources import tracking


@pytest.fixture(scope="module")
def head() -> np.ndarray:
    """The head of the example portrait, (220, 200, 3)."""
    return np.asarray(Image.open(example()).convert("RGB"))[0:220, 130:330]


def group(head: np.ndarray, rows: int, columns: int, size: tuple[int, int]) -> np.ndarray:
    small = np.asarray(Image.fromarray(head).resize(size))
    return np.tile(small, (rows, columns, 1))


def test_six_people_are_counted(head):
    with pytest.raises(UserError) as refused:
        tracking.track_image(group(head, 2, 3, (200, 220)))
    assert refused.value.key == "many_faces" and refused.value.facts["count"] == 6


def test_a_second_speaker_who_enters_later_is_noticed(head):
    alone = np.concatenate([head, np.full_like(head, 90)], axis=1)
    both = np.concatenate([head, head], axis=1)
    track = tracking.track_video([alone] * 3 + [both] * 30)
    assert track.faces == 2 and tracking.track_video([alone] * 3).faces == 1
    assert tracking.look_for_faces([np.zeros((90, 90, 3), np.uint8)]) == tracking.Faces(0, 0, 0)
