"""Boxes that are detected, and how they are measured."""

import numpy as np
import pytest

from models.scene.segmentation.detection import (
    Detections,
    average_precision,
    detect,
    mean_average_precision,
    suppressed,
)
from models.scene.segmentation.votenet import CLASSES, VoteNet
from tests.scene.segmentation.test_votenet import TINY

CHAIR, TABLE = CLASSES.index("chair"), CLASSES.index("table")


def box(x: float, side: float = 1.0) -> list[float]:
    return [x, 0, 0, x + side, 1, 1]


def seen(*rows: tuple[float, str, float]) -> Detections:
    return Detections(
        np.array([box(x) for x, *_ in rows], np.float32).reshape(-1, 6),
        tuple(name for _, name, _ in rows),
        np.array([score for *_, score in rows], np.float32),
    )


def test_of_boxes_that_overlap_within_a_class_the_best_stays():
    boxes = np.array([box(0), box(0.1), box(0.1), box(5)], np.float32)
    found = suppressed(boxes, np.array([CHAIR, CHAIR, TABLE, CHAIR]), np.array([0.5, 0.9, 0.4, 0.04]))
    assert found.classes == ("chair", "table")
    assert found.scores.tolist() == pytest.approx([0.9, 0.4])


def test_average_precision_by_hand():
    truth = seen((0, "chair", 1), (5, "chair", 1))
    found = seen((0, "chair", 0.9), (2.5, "chair", 0.8), (5, "chair", 0.7), (5.1, "chair", 0.6))
    assert average_precision([found], [truth], "chair", 0.5) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert average_precision([seen((0, "table", 1))], [truth], "chair", 0.5) == 0
    assert np.isnan(average_precision([found], [seen()], "chair", 0.5))


def test_a_bound_decides_what_is_found():
    truth, found = seen((0, "chair", 1)), seen((0.5, "chair", 0.9))  # IoU 1/3
    assert mean_average_precision([found], [truth], 0.25) == (1.0, {"chair": 1.0})
    assert mean_average_precision([found], [truth], 0.5)[0] == 0


def test_a_network_gives_boxes_best_first_and_the_same_every_time():
    cloud = np.random.default_rng(0).uniform(0, 3, (500, 3)).astype(np.float32)
    network = VoteNet(**TINY).eval()
    found, again = detect(network, cloud, 200), detect(network, cloud, 200)
    assert found.boxes.shape[1] == 6 and set(found.classes) <= set(CLASSES)
    assert (np.diff(found.scores) <= 0).all()
    np.testing.assert_array_equal(found.boxes, again.boxes)
