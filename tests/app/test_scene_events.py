"""What the page's own events answer, over the wire and without a browser: clicks, repairs, long jobs."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from app.scene import object_views, service
from models.core.progress import Progress
from models.scene import pipeline
from models.scene.data.scan import Instance, Scan
from models.scene.types import Caption
from tests.served import SCANS, label_sayer, paint_finder, until

CHAIR, TABLE = 7, 6
Shown = dict[str, Any]


class Page:
    """An open page: fires an event as a browser does, and gives what each step showed by element id."""

    def __init__(self, address: str, session: str) -> None:
        self.address, self.session = address, session
        config = httpx.get(f"{address}config", timeout=60).json()
        self.ids = {one["props"].get("elem_id"): one["id"] for one in config["components"]}
        self.dependencies = config["dependencies"]

    def fire(self, element: str, event: str, about: object = None, value: object = None) -> Shown:
        """All that an event shows in the end."""
        shown: Shown = {}
        for step in self.steps(element, event, about, value):
            shown |= step
        return shown

    def post(self, element: str, event: str, about: object = None, value: object = None) -> tuple[str, list]:
        """The event's id, and the elements that it shows something in."""
        target = [self.ids[element], event]
        found = next(one for one in self.dependencies if target in [list(t) for t in one["targets"]])
        body = {
            "fn_index": found["id"],
            "data": [value for _ in found["inputs"]],
            "event_data": about,
            "session_hash": self.session,
        }
        told = httpx.post(f"{self.address}gradio_api/queue/join", json=body, timeout=60).json()
        names = {number: name for name, number in self.ids.items()}
        return told["event_id"], [names.get(number) for number in found["outputs"]]

    def steps(self, element: str, event: str, about: object = None, value: object = None) -> Iterator[Shown]:
        """An empty one for each step, and at last what is shown."""
        mine, names = self.post(element, event, about, value)
        stream = f"{self.address}gradio_api/queue/data?session_hash={self.session}"
        with httpx.stream("GET", stream, timeout=60) as answer:
            for line in answer.iter_lines():
                told = json.loads(line.removeprefix("data:")) if line.startswith("data:") else {}
                if told.get("event_id") != mine:
                    continue
                if told["msg"] == "process_generating":
                    yield {}
                if told["msg"] == "process_completed":
                    assert told["success"], told
                    yield dict(zip(names, told["output"]["data"], strict=True))
                    return


@pytest.fixture
def page(address: str, request: pytest.FixtureRequest) -> Page:
    page = Page(address, request.node.name[:60])
    page.fire("tl-scans", "input", value=SCANS[0])
    return page


def pick(page: Page, id: object) -> Shown:
    return page.fire("tl-view", "pick", {"id": id, "xyz": [0, 0, 0]})


def repair(page: Page, do: str, value: object = None, id: object = CHAIR) -> Shown:
    return page.fire("tl-object", "repair", {"do": do, "id": id, "value": value})


def test_a_click_gives_the_caption_and_keeps_the_answer(page: Page) -> None:
    page.fire("tl-find", "click", value="the table")
    shown = pick(page, CHAIR)
    assert "This is a chair." in shown["tl-object"]
    assert '<span lang="en">This is a chair.' in shown["tl-object"]
    assert "61 %" in shown["tl-object"] and "42 %" in shown["tl-object"]
    assert "table&nbsp;6" in shown["tl-panel"]
    over = json.loads(shown["tl-view"]["props"]["overlay"])
    assert (over["picked"], over["from"]) == (CHAIR, CHAIR)
    assert [one["label"] for one in over["anchors"]] == ["floor"]
    assert [one["id"] for one in over["candidates"]] == [TABLE]


def test_a_caption_is_chinese_on_a_chinese_page_where_it_can_be() -> None:
    said = object_views._caption("zh-CN", "This is a chair. It is next to the table.")
    assert ">这是一把椅子。它在桌子旁边。<" in said and 'title="This is a chair. It is next' in said
    assert 'lang="en">A thing hums.<' in object_views._caption("zh-CN", "A thing hums.")
    assert 'lang="en"' in object_views._caption("en", "This is a chair.")


@pytest.mark.parametrize("id", [99, "7", None, [7], 10**40, 1.5, {"a": 1}])
def test_a_click_on_nothing_is_told_or_does_nothing(page: Page, id: object) -> None:
    pick(page, id)
    page.fire("tl-panel", "choose", {"id": id})
    assert "This is a chair." in pick(page, CHAIR)["tl-object"]


def test_a_label_is_text_and_is_asked_for(page: Page) -> None:
    pick(page, CHAIR)
    evil = '<script>alert(1)</script>"><img>'
    shown = repair(page, "rename", evil)
    assert "<script" not in shown["tl-object"] and "<img" not in shown["tl-object"]
    assert "&lt;script&gt;" in shown["tl-object"]
    assert "<script" not in json.dumps(shown["tl-view"])
    repair(page, "rename", "Stool")
    assert "stool&nbsp;7" in page.fire("tl-find", "click", value="the stool")["tl-panel"]


@pytest.mark.parametrize(
    ("do", "value", "id"),
    [
        ("rename", "", CHAIR),
        ("rename", "x" * 10**5, CHAIR),
        ("rename", "椅子", CHAIR),
        ("rename", None, CHAIR),
        ("rename", "stool", 99),
        ("rename", "stool", "7"),
        ("merge", CHAIR, CHAIR),
        ("merge", 99, CHAIR),
        ("merge", "6", CHAIR),
        ("delete", None, -1),
        ("drop tables", None, CHAIR),
        (None, None, None),
    ],
)
def test_a_repair_that_cannot_be_is_told_and_changes_nothing(
    page: Page, do: str, value: object, id: object
) -> None:
    shown = repair(page, do, value, id)
    assert 'role="alert"' in shown["tl-notice"]
    assert "inside the program" not in shown["tl-notice"]
    assert "tl-undo" not in pick(page, CHAIR)["tl-object"]


def test_all_is_deleted_and_undone(page: Page) -> None:
    for id in (5, TABLE, CHAIR):
        shown = repair(page, "delete", id=id)
    assert "0 objects" in shown["tl-status"] or "no labelled objects" in shown["tl-status"]
    assert 'role="alert"' in page.fire("tl-find", "click", value="the chair")["tl-notice"]
    for _ in range(5):
        shown = repair(page, "undo")
    assert "3 objects" in shown["tl-status"]
    assert "tl-undo" not in shown["tl-object"]


def test_two_pages_have_each_their_own_repairs(page: Page, address: str) -> None:
    other = Page(address, "somebody else")
    other.fire("tl-scans", "input", value=SCANS[0])
    repair(page, "rename", "stool")
    assert "stool" in pick(page, CHAIR)["tl-object"]
    assert "This is a chair." in pick(other, CHAIR)["tl-object"]


def test_the_room_is_described_step_by_step(page: Page) -> None:
    steps = list(page.steps("tl-room", "describe", {}))
    assert len(steps) >= 4  # begun, two objects, done
    assert steps[-1]["tl-room"].count("<li") == 2
    assert "data:application/json;base64," in steps[-1]["tl-room"]


def run(work: Callable[[], Shown]) -> tuple[threading.Thread, Shown]:
    shown: Shown = {}
    thread = threading.Thread(target=lambda: shown.update(work()))
    thread.start()
    return thread, shown


def test_stop_works_at_once_and_keeps_what_is_done(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()

    def slow(scan: Scan, model: str) -> Iterator[Caption]:
        for one in scan.instances:
            yield label_sayer(scan, one.id)
            go.wait(30)

    monkeypatch.setattr(pipeline, "describe", slow)
    thread, shown = run(lambda: page.fire("tl-room", "describe", {}))
    assert until(lambda: service.working.inside == 1)
    time.sleep(1)  # the first caption is there
    page.post("tl-room", "stop", {})
    thread.join(15)
    stopped = not thread.is_alive()
    go.set()
    assert stopped
    assert "1 of 2 described" in shown["tl-room"]


def test_another_scan_is_opened_while_objects_are_found(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()

    def finder(scan: Scan, model: str) -> Iterator[Progress | object]:
        yield Progress(0.0, "find_load")
        go.wait(30)
        yield from paint_finder(scan)

    monkeypatch.setattr(pipeline, "segmenting", finder)
    thread, shown = run(lambda: page.fire("tl-room", "find", {}))
    assert until(lambda: service.working.inside == 1)
    page.post("tl-scans", "input", value=SCANS[1])
    thread.join(15)
    stopped = not thread.is_alive()
    go.set()
    assert stopped
    assert "found by a network" not in json.dumps(shown)
    assert "This is a chair." in pick(page, CHAIR)["tl-object"]


@pytest.mark.parametrize(("odds", "told"), [(0.62, "62 % a word"), (None, "proven by the boxes")])
def test_how_sure_a_caption_is(odds: float | None, told: str) -> None:
    assert told in object_views._odds("en", odds)


@pytest.mark.parametrize(
    ("odds", "where", "doubted"),
    [
        (0.62, "next to the door", True),
        (None, "next to the door", False),
        (0.62, "the second closest to the door", False),  # and may be far from it
    ],
)
def test_what_the_boxes_prove_is_not_doubted(odds: float | None, where: str, doubted: bool) -> None:
    boxes = [(0, 0, 0, 1, 1, 1), (1.2, 0, 0, 2, 1, 1), (9, 9, 0, 10, 10, 1)]
    boxes += [(0, 1.2 + n, 0, 0.5, 1.7 + n, 1) for n in range(6)]  # nearer than the door
    names = ("chair", "chair", "door", *(f"box {n}" for n in range(6)))
    grey = np.full(3, 128, np.float32)
    things = tuple(
        Instance(n, name, np.array(box, np.float32), grey)
        for n, (name, box) in enumerate(zip(names, boxes, strict=True))
    )
    scan = Scan.__new__(Scan)
    object.__setattr__(scan, "instances", things)
    said = Caption(0, "chair", f"This is a chair. It is {where}.", (), (odds,), (), "c", 0.1)
    assert ("tl-doubt" in "".join(object_views._said("en", scan, said, "c"))) == doubted
