"""An answer as the page tells it: several that fit, none that does, what the boxes prove."""

from dataclasses import replace

import pytest

from app.scene import comparison, questions, views
from app.scene.session import SceneSession
from app.session import Visit
from models.core.notes import note
from models.scene.data.scan import Scan
from models.scene.grounding.base import Grounding, RankedObject
from models.scene.types import Answer, Candidate

SEVERAL = note("several_fit", count=4, things="chairs")
FEW = note("too_few", count=4, things="chairs", rank=5)
PROOF = note("proof_left", rank=2, things="chairs", count=5)


def answer(count: int, **more) -> Answer:
    found = tuple(Candidate(n, "chair", (0, 0, 0, 1, 1, 1), 1 / count, 0, 0, 0) for n in range(count))
    cells = ((0.0,) * 3,) * 3
    return Answer("the chair", "chair", found, (), (), (0, 0), cells, "c", 0.1, **more)


@pytest.mark.parametrize(
    ("language", "verdict"), [("en", "<b>4 chairs fit</b>"), ("zh-CN", "<b>有 4 个椅子都符合</b>")]
)
def test_four_chairs_fit(language: str, verdict: str) -> None:
    shown = views.panel(language, answer(4, fits=(0, 1, 2, 3), notes=(SEVERAL,)), False, "c", None)
    assert verdict in shown and shown.count('<tr data-object="') == 4
    assert "% sure" not in shown and "把握" not in shown and "tl-floor" not in shown


@pytest.mark.parametrize(("language", "told"), [("en", "only 4 chairs"), ("zh-CN", "只有 4 个椅子")])
def test_none_fits(language: str, told: str) -> None:
    bare = replace(answer(1), candidates=(), notes=(FEW,))
    shown = views.panel(language, bare, False, "c", None)
    assert shown.count(told) == 1 and "tl-none" in shown


@pytest.mark.parametrize(
    ("language", "told"),
    [("en", "number 2 from the left, of 5 chairs"), ("zh-CN", "5 个椅子中从左数第 2 个")],
)
def test_a_proof_is_told(language: str, told: str) -> None:
    assert told in views.panel(language, answer(1, proofs=(PROOF,)), False, "c", None)


def test_a_thing_without_a_chinese_name_keeps_its_own() -> None:
    found = replace(answer(1), candidates=(Candidate(7, "hoverboard", (0, 0, 0, 1, 1, 1), 0.9, 0, 0, 0),))
    assert "hoverboard&nbsp;7" in views.panel("zh-CN", found, False, "c", None)
    assert "椅子&nbsp;0" in views.panel("zh-CN", answer(1), False, "c", None)


def test_methods_that_cannot_tell_things_apart_say_so_together() -> None:
    ranked = tuple(RankedObject(n, "chair", (n, 0, 0, n + 1, 1, 1), 0.25, {}) for n in range(4))
    found = [
        Grounding(name, "the chair", ranked, "chair", "c", 0.1, fits=(0, 1, 2, 3), notes=(SEVERAL,))
        for name in ("scanrefer", "tgnn")
    ]
    assert "4 chairs fit" in comparison.panel("en", found, "room")
    assert comparison.overlay(found).count('"method":""') == 4


def test_an_earlier_question_tells_how_many_fitted() -> None:
    session = Visit().lab(SceneSession)
    session.original = Scan.__new__(Scan)
    object.__setattr__(session.original, "name", "room")
    session.answer = answer(4, fits=(0, 1, 2, 3))
    asked = questions.asked(session, "the chair")
    assert questions.past("en", 1, asked, "Room").lines == ("Room · chair × 4",)
    assert questions.past("zh-CN", 1, asked, "客厅").lines == ("客厅 · 椅子 × 4",)
