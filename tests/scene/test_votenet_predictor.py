"""Objects of a scan by the boxes that VoteNet detects."""

import numpy as np
import pytest

from models.core.errors import UserError
from models.core.progress import Progress
from models.scene.data.scannet import load_folder
from models.scene.segmentation import votenet_predictor
from models.scene.segmentation.detection import Detections
from models.scene.segmentation.predictor import upright
from models.scene.segmentation.votenet_predictor import VoteNetSegmenter, with_points
from tests.scene.scan_makers import scannet

BOX = (0.0, 0.0, -0.1, 1.0, 1.0, 1.0)
INSIDE = np.array([[0.5, 0.5, 0.01 * step] for step in range(60)], np.float32)
XYZ = np.concatenate([INSIDE, INSIDE + np.float32([2, 0, 0])])


def detections(*scores: float) -> Detections:
    boxes = np.array([BOX, np.add(BOX, (2, 0, 0, 2, 0, 0)), np.add(BOX, 9)], np.float32)[: len(scores)]
    return Detections(boxes, ("chair", "table", "bed")[: len(scores)], np.array(scores, np.float32))


def test_an_object_is_the_points_in_its_box_that_do_not_lie_on_the_floor():
    found, classes = with_points(detections(0.5, 0.9, 0.8), XYZ)
    assert classes == ["table", "chair"]  # best first; in the third box is nothing
    assert found.scores == pytest.approx([0.9, 0.5])
    np.testing.assert_array_equal(found.members[1], np.arange(4, 60))


def test_what_it_is_not_sure_of_is_no_object():
    assert with_points(detections(0.1, 0.9), XYZ)[1] == ["table"]


@pytest.fixture
def segmenter(monkeypatch: pytest.MonkeyPatch):
    """Around whatever `detect` is told to find."""

    def made(found: Detections) -> VoteNetSegmenter:
        monkeypatch.setattr(votenet_predictor, "detect", lambda network, xyz: found)
        return_value = VoteNetSegmenter.__new__(VoteNetSegmenter)
        return_value.network = None  # type: ignore[assignment]
        return return_value

    return made


def test_a_scan_gets_its_objects_in_stages(tmp_path, segmenter):
    scannet(tmp_path / "scene", "scene")
    scan = load_folder(tmp_path / "scene")
    table = next(one for one in scan.instances if one.label == "table")
    xyz = upright(scan)[2][scan.vertex_instance == table.id]
    box = np.concatenate([xyz.min(0), xyz.max(0)])[None]
    found = Detections(box, ("table",), np.array([0.9], np.float32))
    *steps, result = segmenter(found).steps(scan)
    assert steps and all(isinstance(step, Progress) for step in steps)
    assert [one.label for one in result.scan.instances] == ["table"] and result.classes == ["table"]
    np.testing.assert_allclose(result.scan.instances[0].box, table.box, atol=0.05)
    assert (result.scan.vertex_instance == 0).sum() == len(result.masks[0])


def test_nothing_found_is_told(tmp_path, segmenter):
    scannet(tmp_path / "scene", "scene")
    with pytest.raises(UserError, match="segment_nothing"):
        segmenter(detections(0.01))(load_folder(tmp_path / "scene"))
