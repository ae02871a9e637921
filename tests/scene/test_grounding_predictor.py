"""The shipped checkpoint on the shipped scans: what a visitor asks, answered as a visitor would."""

import json
import subprocess
import sys

import numpy as np
import pytest

from models.core.checkpoints import FOLDER
from models.core.errors import UserError
from models.core.sentences import told
from models.scene import pipeline
from models.scene.__main__ import main
from models.scene.data.geometry import box_gaps
from models.scene.data.scan import Instance, Scan
from models.scene.types import Answer

pytestmark = pytest.mark.skipif(
    not (FOLDER / "instancerefer" / "model.safetensors").exists(), reason="the checkpoint is not here"
)
OFFICE = "room_office_01"


@pytest.fixture(scope="module")
def office() -> Scan:
    return pipeline.open_example(OFFICE)


def labelled(scan: Scan, label: str) -> list[Instance]:
    return [item for item in scan.instances if item.label == label]


def test_the_closest_chair_is_the_closest(office: Scan) -> None:
    """Judged by a tape."""
    answer = pipeline.ground(office, "the office chair closest to the door")
    door = labelled(office, "door")[0].box[None]
    chairs = sorted(
        labelled(office, "office chair"), key=lambda item: float(box_gaps(item.box[None], door)[0, 0])
    )
    assert answer.candidates[0].object_id == chairs[0].id


@pytest.mark.parametrize("thing", ["whiteboard", "plant", "backpack", "file cabinet", "bookshelf"])
def test_what_is_asked_for_is_what_is_found(office: Scan, thing: str) -> None:
    answer = pipeline.ground(office, f"the {thing} near the wall")
    assert answer.candidates[0].label == thing
    assert answer.target == thing


@pytest.mark.parametrize("thing", ["toilet", "bathtub", "bed", "refrigerator", "piano"])
def test_what_is_not_there_is_not_found(office: Scan, thing: str) -> None:
    answer = pipeline.ground(office, f"the {thing} next to the door")
    assert answer.candidates == ()
    assert answer.missing


def test_an_answer_shows_its_work(office: Scan) -> None:
    answer = pipeline.ground(office, "the trash can next to the whiteboard")
    assert isinstance(answer, Answer)
    shares = [found.score for found in answer.candidates]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1, abs=0.01)
    assert [word for word, _ in answer.words] == answer.sentence.split()
    assert max(weight for _, weight in answer.words) == 1
    assert np.sum(answer.cells) == pytest.approx(1, abs=0.01)
    assert 0 < answer.seconds < 60


def test_anchors_are_what_the_sentence_names(office: Scan) -> None:
    answer = pipeline.ground(office, "the trash can next to the whiteboard")
    assert answer.anchors[0].label == "whiteboard"


def test_four_that_fit_alike_are_all_given(office: Scan) -> None:
    answer = pipeline.ground(office, "the office chair")
    chairs = {item.id for item in labelled(office, "office chair")}
    assert set(answer.fits) == {found.object_id for found in answer.candidates} == chairs
    assert {found.score for found in answer.candidates} == {0.25}
    assert [told(one) for one in answer.notes] == [
        "4 office chairs fit: nothing in the sentence tells them apart."
    ]
    assert pipeline.ground(office, "the office chair closest to the door").fits == ()


def test_boxes_prove_a_rank_and_refuse_one_that_is_too_high(office: Scan) -> None:
    assert pipeline.ground(office, "the seventh monitor from the left").candidates == ()
    cans = pipeline.ground(office, "the trash can in the corner of the room")
    assert [one.key for one in cans.proofs] == ["proof_corner"]
    assert cans.proofs[0].facts["count"] == len(labelled(office, "trash can"))


def test_labels_of_other_words_are_understood(office: Scan) -> None:
    assert pipeline.ground(office, "the garbage bin by the whiteboard").candidates[0].label == "trash can"


def test_the_answer_knows_only_boxes_labels_and_colours_where_there_are_no_points(office: Scan) -> None:
    bare = Scan(
        "bare",
        office.vertices[:10],
        office.colours[:10],
        np.zeros((0, 3), np.int32),
        np.full(10, -1, np.int32),
        office.instances,
        office.alignment,
    )
    assert pipeline.ground(bare, "the whiteboard").candidates[0].label == "whiteboard"


def test_a_scan_without_labels_is_told() -> None:
    scan = Scan(
        "x",
        np.zeros((3, 3), np.float32),
        np.zeros((3, 3), np.uint8),
        np.zeros((0, 3), np.int32),
        np.full(3, -1, np.int32),
    )
    with pytest.raises(UserError, match="scan_unlabelled"):
        pipeline.ground(scan, "the chair")


def test_a_checkpoint_that_is_not_there_is_named(office: Scan) -> None:
    with pytest.raises(UserError, match="checkpoint_missing"):
        pipeline.ground(office, "the chair", "nobody")


def test_the_command_line_answers_in_json() -> None:
    command = [
        sys.executable,
        "-m",
        "models.scene",
        "ground",
        str(pipeline.SCANS / OFFICE),
        "the whiteboard",
        "--json",
    ]
    told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=pipeline.SCANS.parents[1])
    answer = json.loads(told.stdout)
    assert answer["label"] == "whiteboard"
    assert {"object_id", "label", "box", "score", "candidates"} <= set(answer)


def test_the_command_line_says_that_several_fit(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ground", str(pipeline.SCANS / OFFICE), "the office chair"]) == 0
    told = capsys.readouterr().out
    assert "4 office chairs fit" in told and told.count("25.0%") == 4
    assert main(["ground", str(pipeline.SCANS / OFFICE), "the eighth printer from the left"]) == 0
    assert main(["ground", str(pipeline.SCANS / OFFICE), "the seventh monitor from the left"]) == 0
    assert "There are only 6 monitors here" in capsys.readouterr().out


def test_detections_from_a_file_take_the_place_of_labels(tmp_path, office: Scan) -> None:
    rows = [
        {
            "id": 100 + item.id,
            "label": item.label,
            "extension": [float(value) for value in item.box],
            "score": 0.9,
            "median_rgba": [*(int(value) for value in item.colour), 255],
        }
        for item in office.instances
    ]
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps({office.name: rows}))
    found = pipeline.ground(pipeline.with_proposals(office, path), "the whiteboard").candidates[0]
    assert found.object_id == 100 + labelled(office, "whiteboard")[0].id
