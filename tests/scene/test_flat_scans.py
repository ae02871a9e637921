"""Scans with one object, or without any height, are answered as others are."""

import numpy as np
import pytest

from models.core.checkpoints import FOLDER
from models.scene import pipeline
from models.scene.data.scan import Scan, instances_of

pytestmark = pytest.mark.skipif(
    not (FOLDER / "instancerefer" / "model.safetensors").is_file(), reason="no checkpoint here"
)


def scan_of(points: np.ndarray, label: str) -> Scan:
    """A scan that one object fills."""
    points = points.astype(np.float32)
    owner = np.zeros(len(points), np.int32)
    colours = np.full((len(points), 3), 120, np.uint8)
    found = instances_of(points, colours, owner, {0: label})
    return Scan("one", points, colours, np.zeros((0, 3), np.int32), owner, found)


@pytest.mark.parametrize(("label", "extent"), [("table", (1, 1, 0)), ("chair", (1, 1, 1))])
def test_a_scan_of_one_object_is_asked(label, extent):
    scan = scan_of(np.random.default_rng(0).random((500, 3)) * extent, label)
    answer = pipeline.ground(scan, f"the {label} near the window")
    assert [one.object_id for one in answer.candidates] == [0]
    assert np.isfinite(answer.candidates[0].score)
