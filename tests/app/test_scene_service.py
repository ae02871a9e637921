"""What a visitor can ask of the scene lab beside a question: captions, found objects, repairs."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import validation
from app.scene import example_cache, service
from app.scene.session import SceneSession
from app.session import Visit
from models.core.errors import UserError
from models.scene import pipeline
from models.scene.data.instance_edits import Delete, Edit, Merge, Rename
from models.scene.data.scan import Scan
from models.scene.types import Caption
from tests.scene.scan_makers import ply, room, scannet
from tests.served import EXAMPLE, SCANS, all_said, label_sayer, name_matcher, paint_finder, until

FLOOR, TABLE, CHAIR = 5, 6, 7  # ids of scannet()


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SceneSession]:
    """A visitor before a shipped scan, with the stand-ins for the networks."""
    for name in SCANS:
        scannet(tmp_path / "scans" / name, name)
    monkeypatch.setattr(pipeline, "SCANS", tmp_path / "scans")
    for name, stand_in in {
        "ground": name_matcher,
        "caption": label_sayer,
        "describe": all_said,
        "segmenting": paint_finder,
    }.items():
        monkeypatch.setattr(pipeline, name, stand_in)
    service.shipped.cache_clear()
    session = Visit().lab(SceneSession)
    service.open_shipped(session, SCANS[0])
    yield session
    session.visit.end()
    service.shipped.cache_clear()


@pytest.fixture
def raw(session: SceneSession, tmp_path: Path) -> SceneSession:
    """The visitor before a scan without labels."""
    vertices, colours, faces, _ = room()
    (tmp_path / "raw.ply").write_bytes(ply(vertices, colours, faces))
    service.open_upload(session, [tmp_path / "raw.ply"])
    return session


def labels(session: SceneSession) -> dict[int, str]:
    assert session.scan is not None
    return {one.id: one.label for one in session.scan.instances}


def test_a_repaired_scan_is_what_is_asked_and_the_shipped_one_stays(session: SceneSession) -> None:
    service.ask(session, "the chair")
    service.repair(session, Rename(CHAIR, "stool"))
    assert session.answer is None
    assert service.ask(session, "the stool").candidates[0].object_id == CHAIR
    assert not service.ask(session, "the chair").candidates
    assert service.caption(session, CHAIR).label == "stool"
    other = Visit().lab(SceneSession)
    service.open_shipped(other, SCANS[0])
    assert labels(other)[CHAIR] == "chair"
    service.undo(session)
    assert session.scan is other.scan


def test_a_stored_answer_is_not_used_once_the_scan_was_repaired(
    session: SceneSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert session.scan is not None
    kept = name_matcher(session.scan, "the floor")
    monkeypatch.setattr(example_cache, "stored", lambda scan, sentence: kept)
    assert service.ask(session, EXAMPLE) is kept
    service.repair(session, Rename(TABLE, "desk"))
    assert service.ask(session, EXAMPLE) is not kept
    assert not session.stored
    service.undo(session)
    assert service.ask(session, EXAMPLE) is kept


def test_all_is_deleted_and_comes_back(session: SceneSession) -> None:
    for one in (FLOOR, TABLE, CHAIR):
        service.repair(session, Delete(one))
    for ask in (
        lambda: service.ask(session, "the chair"),
        lambda: list(service.describing(session)),
    ):
        with pytest.raises(UserError, match="scan_unlabelled"):
            ask()
    for _ in range(4):  # once more than there is to undo
        service.undo(session)
    assert labels(session) == {FLOOR: "floor", TABLE: "table", CHAIR: "chair"}


@pytest.mark.parametrize(
    ("edit", "key"),
    [
        (Merge(TABLE, TABLE), "merge_itself"),
        (Merge(TABLE, 99), "object_unknown"),
        (Merge(FLOOR, CHAIR), "object_unknown"),
        (Delete(10**30), "object_unknown"),
        (Rename(-1, "stool"), "object_unknown"),
    ],
)
def test_a_repair_that_cannot_be_changes_nothing(session: SceneSession, edit: Edit, key: str) -> None:
    service.repair(session, Merge(TABLE, CHAIR))
    before = session.scan
    with pytest.raises(UserError, match=key):
        service.repair(session, edit)
    assert session.scan is before
    assert session.edits == (Merge(TABLE, CHAIR),)


@pytest.mark.parametrize("label", ["", "  \t", None, 7, "\x00\x07"])
def test_an_empty_label_is_none(label: object) -> None:
    with pytest.raises(UserError, match="label_empty"):
        validation.label(label)


def test_labels_are_short_english_and_plain() -> None:
    assert validation.label("  Office\n CHAIR ") == "office chair"
    assert (
        validation.label("<script>alert(1)</script>") == "<script>alert(1)</script>"
    )  # text, and shown as text
    with pytest.raises(UserError, match="label_long"):
        validation.label("x" * 10**6)
    with pytest.raises(UserError, match="label_language"):
        validation.label("椅子")


def test_a_room_is_described_and_what_was_said_is_kept(session: SceneSession) -> None:
    said = list(service.describing(session))
    assert [one.label for one in said] == ["table", "chair"]
    assert session.captions == tuple(said)
    assert service.caption(session, CHAIR) is said[1]
    service.repair(session, Rename(CHAIR, "stool"))
    assert session.captions == ()


def endless(scan: Scan, model: str) -> Iterator[Caption]:
    while True:
        yield label_sayer(scan, CHAIR)
        threading.Event().wait(0.01)


def test_stopping_keeps_what_is_done(session: SceneSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "describe", endless)
    for count, _ in enumerate(service.describing(session), start=1):
        if count == 5:
            session.stop.set()
    assert len(session.captions) == 5
    assert until(lambda: service.working.inside == 0)


def test_a_second_run_ends_the_first(session: SceneSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "describe", endless)
    first = service.describing(session)
    next(first)
    monkeypatch.setattr(pipeline, "describe", all_said)
    second = service.describing(session)
    ended: list[Caption] = []
    thread = threading.Thread(target=lambda: ended.extend(first))
    told = []
    other = threading.Thread(target=lambda: told.extend(second))
    other.start()
    thread.start()
    thread.join(10)
    other.join(10)
    assert not thread.is_alive()
    assert [one.label for one in told] == ["table", "chair"]


def test_a_repair_ends_the_description_of_what_it_changed(
    session: SceneSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "describe", endless)
    running = service.describing(session)
    next(running)
    service.repair(session, Delete(CHAIR))
    assert list(running) == []
    assert session.captions == ()


def test_a_closed_page_ends_its_long_job(session: SceneSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "describe", endless)
    running = service.describing(session)
    next(running)
    session.visit.end()
    with pytest.raises(UserError, match="cancelled"):
        list(running)
    assert until(lambda: service.working.inside == 0)


def test_objects_are_found_and_then_repaired_from_there(raw: SceneSession) -> None:
    assert [step.key for step in service.finding(raw)] == ["find_load", "find_group"]
    assert (raw.found, raw.tilt) == (True, 12)
    assert set(labels(raw).values()) == {"table", "chair"}
    first = next(iter(labels(raw)))
    service.repair(raw, Delete(first))
    assert len(labels(raw)) == 1
    service.undo(raw)
    assert len(labels(raw)) == 2


def test_another_scan_is_opened_while_objects_are_found(raw: SceneSession) -> None:
    running = service.finding(raw)
    next(running)
    service.open_shipped(raw, SCANS[1])
    assert list(running) == []
    assert not raw.found
    assert labels(raw) == {FLOOR: "floor", TABLE: "table", CHAIR: "chair"}


def test_finding_is_stopped_and_nothing_has_changed(raw: SceneSession) -> None:
    running, before = service.finding(raw), raw.scan
    next(running)
    raw.stop.set()
    assert list(running) == []
    assert raw.scan is before
    assert until(lambda: service.working.inside == 0)


def test_memory_runs_out_while_finding_and_the_next_run_works(
    raw: SceneSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(scan: Scan, model: str) -> Iterator[object]:
        yield next(paint_finder(scan))
        raise MemoryError

    monkeypatch.setattr(pipeline, "segmenting", too_large)
    with pytest.raises(UserError, match="out_of_memory"):
        list(service.finding(raw))
    monkeypatch.setattr(pipeline, "segmenting", paint_finder)
    list(service.finding(raw))
    assert raw.found


def test_an_answer_to_another_scan_is_dropped_with_a_word(
    session: SceneSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(scan: Scan, sentence: str) -> object:
        service.open_shipped(session, SCANS[1])  # opened while the network thinks
        return name_matcher(scan, sentence)

    monkeypatch.setattr(pipeline, "ground", slow)
    with pytest.raises(UserError, match="scan_changed"):
        service.ask(session, "the chair")
    assert session.answer is None and session.shipped == SCANS[1]
