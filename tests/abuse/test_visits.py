"""How long a visitor is remembered: as long as the page is there, and not for ever."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

from app import session as module
from app.colonoscopy.session import ColonoscopySession
from app.colonoscopy.tab import ColonoscopyTab
from app.face.session import FaceSession
from app.face.tab import FaceTab
from app.messages import settled
from app.scene.session import SceneSession
from app.session import Visits
from models.core.errors import UserError
from models.scene.data.scan import Scan

ONE = SimpleNamespace(session_hash="one", query_params={}, headers={})


def scan(points: int) -> Scan:
    where = np.zeros((points, 3), np.float32)
    return Scan(
        "x", where, where.astype(np.uint8), np.zeros((0, 3), np.int32), np.zeros(points, np.int32), ()
    )


def test_what_runs_after_the_goodbye_is_forgotten_soon(monkeypatch):
    visits = Visits()
    visits.arrived("one")
    before = visits.of(ONE)
    visits.left("one")
    late = visits.of(ONE)
    folder = late.folder
    assert before.gone.is_set() and late is not before
    visits.forget()
    assert folder.exists()
    monkeypatch.setattr(module, "LATE", -1.0)
    visits.forget()
    assert not folder.exists() and late.gone.is_set()


def test_nothing_is_kept_for_who_has_left():
    visits = Visits()
    visits.arrived("one")
    visit = visits.of(ONE)
    visits.left("one")
    for keep in (lambda: visit.folder, lambda: visit.shown, lambda: visit.keeps(1)):
        with pytest.raises(UserError, match="cancelled"):
            keep()


@pytest.mark.parametrize("kind", [SceneSession, FaceSession, ColonoscopySession])
def test_a_lab_has_one_session_of_a_visitor_and_it_ends_with_the_visit(kind):
    visits = Visits()
    first, second = (visits.of(SimpleNamespace(session_hash=name)) for name in ("one", "two"))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: first.lab(kind), range(32)))
    assert all(one is found[0] for one in found)
    assert found[0] is not second.lab(kind) and found[0].visit is first
    first.end()
    ended = found[0].stop if kind is SceneSession else found[0].halt
    assert ended.is_set()


def test_a_page_that_is_open_is_remembered_and_a_caller_is_not_for_long(monkeypatch):
    visits = Visits()
    visits.arrived("one")
    page, caller = visits.of(ONE), visits.of(SimpleNamespace(session_hash="two"))
    passing = visits.of(SimpleNamespace(session_hash=None))
    monkeypatch.setattr(module, "ALONE", -1.0)
    with visits.during(SimpleNamespace(session_hash="two")):
        visits.forget()
        assert not caller.gone.is_set()
    visits.forget()
    assert caller.gone.is_set() and passing.gone.is_set() and not page.gone.is_set()
    monkeypatch.setattr(module, "IDLE", -1.0)
    visits.forget()
    assert page.gone.is_set()


def test_two_windows_of_one_session_end_with_the_last():
    visits = Visits()
    visits.arrived("one")
    visits.arrived("one")
    visit = visits.of(ONE)
    visits.left("one")
    assert not visit.gone.is_set()
    visits.left("one")
    assert visit.gone.is_set()


def test_visitors_scans_are_bounded_together(monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 3000)
    visits = Visits()
    callers = (visits.of(SimpleNamespace(session_hash=name)) for name in ("one", "two"))
    first, second = (one.lab(SceneSession) for one in callers)
    first.opens(scan(100))
    first.opens(scan(100))  # takes the place of the one before
    with pytest.raises(UserError, match="house_full"):
        second.opens(scan(100))
    second.opens(scan(100), shipped="room")  # which is shared
    first.visit.end()
    second.opens(scan(100))


@pytest.mark.parametrize("tab", [ColonoscopyTab, FaceTab])
@pytest.mark.parametrize("fails", [False, True])
def test_the_last_update_says_all_that_was_said(tab, fails):
    """A busy browser joins updates of a widget and keeps the last."""

    def work(session):
        yield {"strip": 1, "status": "drawing"}
        yield {"strip": 2}
        if fails:
            raise UserError("busy")
        yield {"status": "done"}

    widgets = SimpleNamespace(
        session=lambda request: None,
        notice="notice",
        status="status",
        stop="stop",
        _result=lambda request, session: {},
    )
    last = list(settled(tab.told_while(widgets, ONE, work)))[-1]
    assert last["strip"] == 2 and "stop" in last
    assert last["status"] == ("" if fails else "done")
    assert ("Too many" in last.get("notice", "")) == fails


def test_the_last_update_has_what_was_taken_out_of_the_first():
    """Gradio pops the value of an update that it gets."""
    steps = settled(iter([{"strip": {"value": 1, "preview": ""}}, {"stop": 2}]))
    assert next(steps)["strip"].pop("value") == 1
    assert list(steps)[-1] == {"strip": {"value": 1, "preview": ""}, "stop": 2}
