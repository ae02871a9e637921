"""Several methods side by side: what a session keeps, the table, the boxes and the legend."""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.scene import comparison, object_panel, service
from app.scene.session import SceneSession
from app.session import Visit
from models.core.errors import UserError
from models.scene import pipeline
from models.scene.data.instance_edits import Rename
from models.scene.grounding.registry import GROUNDERS
from tests.scene.scan_makers import scannet
from tests.served import SCANS, method_matcher, name_matcher

TABLE, CHAIR = 6, 7
ALL = tuple(GROUNDERS.shipped)
SENTENCE = "the chair at the table"  # the stand-ins mean the table, TGNN's the chair


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SceneSession]:
    """A visitor before a shipped scan who chose all methods, with the stand-ins for the networks."""
    for name in SCANS:
        scannet(tmp_path / "scans" / name, name)
    monkeypatch.setattr(pipeline, "SCANS", tmp_path / "scans")
    monkeypatch.setattr(pipeline, "ground", name_matcher)
    monkeypatch.setattr(pipeline, "ground_by", method_matcher)
    service.shipped.cache_clear()
    session = Visit().lab(SceneSession)
    session.methods = ALL
    service.open_shipped(session, SCANS[0])
    yield session
    session.visit.end()
    service.shipped.cache_clear()


def test_every_chosen_method_is_asked_and_no_other(session: SceneSession) -> None:
    assert [one.method for one in service.compare(session, SENTENCE)] == list(ALL)
    session.methods = ("tgnn",)
    assert [one.method for one in service.compare(session, SENTENCE)] == ["tgnn"]


def test_a_comparison_is_forgotten_with_its_scan_and_with_the_next_question(session: SceneSession) -> None:
    service.compare(session, SENTENCE)
    service.repair(session, Rename(CHAIR, "stool"))
    assert session.compared == ()
    service.compare(session, SENTENCE)
    service.ask(session, "the table")
    assert session.compared == () and session.answer is not None
    service.compare(session, SENTENCE)
    assert session.answer is None
    session.visit.end()
    assert session.compared == ()


def test_nothing_is_asked_without_a_scan_or_a_sentence(session: SceneSession) -> None:
    with pytest.raises(UserError, match="sentence_empty"):
        service.compare(session, "  ")
    with pytest.raises(UserError, match="no_scan"):
        service.compare(SceneSession(Visit(), methods=ALL), SENTENCE)


def test_a_row_a_method_and_who_agrees_with_whom(session: SceneSession) -> None:
    html = comparison.panel("en", service.compare(session, SENTENCE), "room")
    rows = dict(re.findall(r'<tr data-method="(\w+)"(.*?)</tr>', html))
    assert list(rows) == list(ALL)
    assert f'data-object="{CHAIR}"' in rows["tgnn"] and "<td>–</td>" in rows["tgnn"]
    assert "ScanRefer, ReferIt3DNet" in rows["instancerefer"]
    assert "3 of 4 methods agree" in html
    for method in ALL:
        assert comparison.colour(method) in rows[method]
        assert f'<details data-method="{method}">' in html


def test_all_agree_or_none_does(session: SceneSession) -> None:
    session.methods = ("scanrefer", "referit3dnet")
    assert "All 2 methods" in comparison.panel("en", service.compare(session, SENTENCE), "")
    session.methods = ("scanrefer", "tgnn")
    assert "No two methods agree" in comparison.panel("en", service.compare(session, SENTENCE), "")


def test_a_method_that_finds_nothing_has_a_row_and_no_box(session: SceneSession) -> None:
    found = service.compare(session, "the piano")
    html = comparison.panel("en", found, "")
    assert html.count("<tr data-method=") == 4 and 'data-object="' not in html
    assert json.loads(comparison.overlay(found))["marks"] == []


def test_boxes_around_the_same_object_are_shells_in_the_methods_colours(session: SceneSession) -> None:
    found = service.compare(session, SENTENCE)
    over = json.loads(comparison.overlay(found))
    marks = [mark for mark in over["marks"] if mark["id"] == TABLE]
    lows = [mark["box"][0] for mark in marks]
    assert lows == sorted(lows, reverse=True) and len(set(lows)) == 3
    assert len({mark["colour"] for mark in over["marks"]}) == 4
    assert {"method": "TGNN", "id": CHAIR, "fits": 0}.items() <= over["legend"][2].items()
    assert over["title"] == SENTENCE


def test_the_boxes_stay_when_an_object_is_looked_at(session: SceneSession) -> None:
    service.compare(session, SENTENCE)
    session.looked = CHAIR
    over = json.loads(object_panel.overlay(session))
    assert len(over["marks"]) == 4 and over["picked"] == CHAIR


def test_a_label_is_text_and_the_export_is_json(session: SceneSession) -> None:
    found = service.compare(session, SENTENCE)
    bad = replace(found[1], ranked=(replace(found[1].ranked[0], label="<script>x</script>"),))
    html = comparison.panel("en", (found[0], bad), "room")
    assert "<script>" not in html
    link = re.search(r'href="data:application/json;base64,([^"]+)"', html)
    assert link is not None
    saved = json.loads(base64.b64decode(link.group(1)))
    assert saved["scan"] == "room"
    assert saved["methods"]["instancerefer"]["object_id"] == TABLE
    assert "<script>" not in comparison.overlay((bad,))
