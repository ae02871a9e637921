"""Finding polyps in frames that a visitor brings: what is read, what is refused, what comes back."""

import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from app.colonoscopy import find_service, find_views
from app.colonoscopy.session import ColonoscopySession
from app.session import Visit
from models.colonoscopy.data import findings
from models.colonoscopy.detection.base import MaskDetector
from models.colonoscopy.detection.registry import DETECTORS
from models.colonoscopy.finding import disputed
from models.colonoscopy.segmentation.registry import SEGMENTERS
from models.core.errors import UserError
from tests.colonoscopy.makers import frame_of, mask_of, sample_of


def by_colour(frame):
    return (frame[..., 1] > 130).astype(np.float32)


def shifted(frame):
    return np.roll(by_colour(frame), 60, 1)


@pytest.fixture(autouse=True)
def networks(monkeypatch):
    known = {"polyps": by_colour, "sanet": shifted}
    monkeypatch.setattr(SEGMENTERS, "loaded", lambda name: known[name])
    monkeypatch.setattr(DETECTORS, "loaded", lambda name: MaskDetector(by_colour))


@pytest.fixture
def session():
    session = Visit().lab(ColonoscopySession)
    yield session
    session.visit.end()


def brought(tmp_path, *names):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(frame_of(mask_of())).save(tmp_path / name)
    return [tmp_path / name for name in names]


def test_frames_are_read_once_and_deleted(tmp_path):
    files = brought(tmp_path, "a/polyp.png", "b/polyp.png")
    frames = find_service.open_frames(files)
    assert [name for name, _ in frames] == ["polyp", "polyp_2"]
    assert not any(file.exists() for file in files)


def test_what_cannot_be_read_is_told_and_deleted(tmp_path):
    (tmp_path / "note.png").write_bytes(b"no picture")
    files = [*brought(tmp_path, "good.png"), tmp_path / "note.png"]
    with pytest.raises(UserError):
        find_service.open_frames(files)
    assert not any(file.exists() for file in files)
    for files, key in (([], "no_file"), ([tmp_path / "x.png"] * 25, "frames_many")):
        with pytest.raises(UserError) as refused:
            find_service.open_frames(files)
        assert refused.value.key == key


def test_networks_are_chosen_from_anything():
    assert find_service.chosen(["sanet", "polyps"], "") == (("polyps", "sanet"), ())
    assert find_service.chosen("sanet", "mask_boxes") == (("sanet",), ("mask_boxes",))
    for asked, key in (
        ((None, []), "nothing_chosen"),
        ((["<b>"], None), "model_unknown"),
        ((7, {}), "nothing_chosen"),
    ):
        with pytest.raises(UserError) as refused:
            find_service.chosen(*asked)
        assert refused.value.key == key


def test_what_is_found_is_shown_and_taken_home(session, tmp_path):
    frames = find_service.open_frames(brought(tmp_path, "<i>x.png"))
    (found,) = find_service.find(session, frames, ("polyps", "sanet"), ("mask_boxes",))
    assert found.agreement == pytest.approx(0.4, abs=0.01)  # 40 of 100 columns are both's
    assert disputed(found).sum() == pytest.approx(2 * 60 * 60, abs=10)
    shown = find_views.found("en", [found])
    assert "disagree" in shown and "9.2 % of the frame" in shown and "1 box (100 %)" in shown
    assert "<i>x" not in shown and "&lt;i&gt;x" in shown
    with zipfile.ZipFile(find_service.pack(session, [found])) as packed:
        names = set(packed.namelist())
        rows = json.loads(packed.read("found.json"))["frames"]
        picture = np.asarray(Image.open(io.BytesIO(packed.read("outlines/<i>x.jpg"))))
    assert {"masks/polyps/<i>x.png", "masks/sanet/<i>x.png"} < names
    assert rows[0]["boxes"]["mask_boxes"][0]["box"] == [80.0, 60.0, 180.0, 120.0]
    assert picture.shape == found.frame.shape and np.abs(picture.astype(int) - found.frame).max() > 50


def test_drawn_frames_are_held_against_their_masks(session):
    with pytest.raises(UserError) as refused:
        list(find_service.find_in_drawn(session, ("polyps",), ()))
    assert refused.value.key == "no_frames"
    session.frames = [sample_of(3), sample_of(4)]
    found = list(find_service.find_in_drawn(session, ("polyps",), ()))
    assert [one.name for one in found] == ["synthetic_3", "synthetic_4"]
    assert found[0].dice["polyps"] == 1.0 and found[0].agreement is None
    assert findings.facts(found[0])["dice"] == {"polyps": 1.0}


def test_no_two_of_the_networks_that_ship_share_a_colour():
    segmenters, detectors = len(SEGMENTERS.shipped), len(DETECTORS.shipped)
    used = {*findings.COLOURS[:segmenters], *findings.COLOURS[::-1][:detectors]}
    assert len(used) == segmenters + detectors
