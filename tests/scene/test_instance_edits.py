"""Instances renamed, merged and deleted; the scan that was there before stays as it was."""

import numpy as np
import pytest

from models.core.errors import UserError
from models.scene.data.instance_edits import Delete, Edit, Merge, Rename, edited, owners
from models.scene.data.scan import Instance, Scan, instances_of
from models.scene.data.scannet import load_folder
from tests.scene.scan_makers import scannet

FLOOR, TABLE, CHAIR = 5, 6, 7  # ids of scannet()


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Scan:
    folder = tmp_path_factory.mktemp("scan")
    scannet(folder / "room", "room")
    return load_folder(folder / "room")


def labels(scan: Scan) -> dict[int, str]:
    return {one.id: one.label for one in scan.instances}


def test_no_edit_is_the_scan_itself(scan: Scan) -> None:
    assert edited(scan, ()) is scan


def test_a_renamed_object_keeps_all_but_its_label(scan: Scan) -> None:
    after = edited(scan, [Rename(CHAIR, "stool")])
    assert labels(after) == {FLOOR: "floor", TABLE: "table", CHAIR: "stool"}
    assert labels(scan)[CHAIR] == "chair"
    assert np.array_equal(after.instances[2].box, scan.instances[2].box)
    assert np.array_equal(after.vertex_instance, scan.vertex_instance)


def test_a_merged_object_is_what_its_vertices_say(scan: Scan) -> None:
    after = edited(scan, [Merge(TABLE, CHAIR)])
    assert labels(after) == {FLOOR: "floor", TABLE: "table"}
    both = np.isin(scan.vertex_instance, (TABLE, CHAIR))
    assert np.array_equal(after.vertex_instance == TABLE, both)
    measured = instances_of(after.aligned, after.colours, after.vertex_instance, labels(after))
    for one, expected in zip(after.instances, measured, strict=True):
        assert one.box == pytest.approx(expected.box, abs=1e-5)
        assert one.colour == pytest.approx(expected.colour, abs=0.01)


def test_three_become_one_whatever_the_order(scan: Scan) -> None:
    first = edited(scan, [Merge(TABLE, CHAIR), Merge(TABLE, FLOOR)])
    second = edited(scan, [Merge(CHAIR, FLOOR), Merge(TABLE, CHAIR)])
    assert np.array_equal(first.vertex_instance, second.vertex_instance)
    assert first.instances[0].box == pytest.approx(second.instances[0].box)
    assert first.instances[0].colour == pytest.approx(second.instances[0].colour, abs=0.01)
    assert owners(scan, [Merge(TABLE, CHAIR), Merge(TABLE, FLOOR)]) == dict.fromkeys(
        (FLOOR, TABLE, CHAIR), TABLE
    )


def test_a_deleted_object_leaves_its_points(scan: Scan) -> None:
    after = edited(scan, [Delete(CHAIR)])
    assert labels(after) == {FLOOR: "floor", TABLE: "table"}
    assert ((after.vertex_instance == -1) == (scan.vertex_instance == CHAIR)).all()
    assert len(after.vertices) == len(scan.vertices)
    nothing = edited(scan, [Delete(CHAIR), Delete(TABLE), Delete(FLOOR)])
    assert nothing.instances == ()
    assert (nothing.vertex_instance == -1).all()


@pytest.mark.parametrize(
    "edits",
    [
        [Rename(99, "stool")],
        [Delete(-1)],
        [Merge(TABLE, 99)],
        [Delete(CHAIR), Rename(CHAIR, "stool")],
        [Delete(CHAIR), Delete(CHAIR)],
        [Merge(TABLE, CHAIR), Delete(CHAIR)],
        [Merge(TABLE, CHAIR), Merge(FLOOR, CHAIR)],
    ],
)
def test_an_object_that_is_not_there_any_more(scan: Scan, edits: list[Edit]) -> None:
    with pytest.raises(UserError) as raised:
        edited(scan, edits)
    assert raised.value.key == "object_unknown"


def test_nothing_is_merged_with_itself(scan: Scan) -> None:
    with pytest.raises(UserError) as raised:
        edited(scan, [Merge(CHAIR, CHAIR)])
    assert raised.value.key == "merge_itself"


def test_boxes_without_vertices_and_doubts_of_a_detector() -> None:
    boxes = np.array([[0, 0, 0, 1, 1, 1], [2, 0, 0, 3, 1, 2]], np.float32)
    grey, red = np.array([[100, 100, 100], [200, 0, 0]], np.float32)
    detected = (Instance(0, "chair", boxes[0], grey, 0.4), Instance(1, "chair", boxes[1], red, 0.6))
    points = np.zeros((4, 3), np.float32)
    nobody = np.full(4, -1, np.int32)
    scan = Scan("x", points, points.astype(np.uint8), np.zeros((0, 3), np.int32), nobody, detected)
    (one,) = edited(scan, [Merge(0, 1)]).instances
    assert one.box.tolist() == [0, 0, 0, 3, 1, 2]
    assert one.colour.tolist() == [150, 50, 50]
    assert one.confidence == 1
    assert [one.confidence for one in edited(scan, [Rename(1, "stool")]).instances] == [0.4, 1]
