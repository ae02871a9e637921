"""What each lab brings back when an entry of its strip is clicked, without a browser."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from app import history, i18n, validation
from app.colonoscopy import film_panel
from app.colonoscopy import tab as colonoscopy_tab
from app.colonoscopy.works import Drawn, Filmed
from app.face import films, service
from app.face import tab as face_tab
from app.face.session import FaceSession
from app.scene import questions
from app.scene.session import SceneSession
from app.session import Visit, Visits
from models.colonoscopy import pipeline
from models.colonoscopy.data.exports import mask_png
from models.colonoscopy.synthesis.registry import GENERATORS
from models.core.errors import UserError
from models.face.types import Order
from models.scene.data.scan import Scan
from tests.colonoscopy import stand_in
from tests.colonoscopy.makers import mask_of
from tests.face import stand_in as face

REQUEST = SimpleNamespace(session_hash="a visitor", query_params={}, headers={})
OTHER = SimpleNamespace(session_hash="another", query_params={}, headers={})
CHINESE = SimpleNamespace(session_hash="a visitor", query_params={"lang": "zh-CN"}, headers={})
PAD = validation.png_url(mask_png(mask_of()))


def click(number: object) -> SimpleNamespace:
    return SimpleNamespace(_data={"number": number})


def pasts(update: dict) -> list[dict]:
    """What a strip was told to show."""
    return json.loads(update["value"])["pasts"]


# ---- colonoscopy


@pytest.fixture
def labs(monkeypatch):
    """The tab and the film panel below it, on stand-ins."""
    stand_in.stand_in(monkeypatch)
    visits = Visits()
    with gr.Blocks():
        words = i18n.i18n({name: colonoscopy_tab.fragments(name) for name in i18n.LANGUAGES})
        tab = colonoscopy_tab.ColonoscopyTab(visits, words, list(GENERATORS))
        parts = film_panel.TabParts(tab.pad, tab.look, tab.judge, tab.framed, tab.hearing)
        return tab, film_panel.FilmPanel(visits, words, parts)


def draw(tab, seed, count=2, model=GENERATORS.default, task="draw"):
    fields = (PAD, count, seed, model, 20, "dpm", "polyps", "any", task)
    told = {}
    for step in tab.draw_frames(*fields, REQUEST):
        told |= step
    return pasts(told[tab.earlier.strip])


def test_each_drawing_comes_back_with_its_settings(labs):
    tab, _ = labs
    draw(tab, 7, count=2)
    second, first = draw(tab, 90, count=5, model=list(GENERATORS)[1])
    assert (len(first["pictures"]), len(second["pictures"])) == (2, 4)
    assert first["title"].endswith("· 7") and first["lines"] == ["2 frames"]
    told = tab.bring_back(REQUEST, click(first["number"]))
    assert [one.seed for one in tab.session(REQUEST).frames] == [7, 8]
    assert told[tab.strip]["value"] == "2" and told[tab.notice] == ""
    assert (told[tab.seed], told[tab.count], told[tab.model]) == (7, 2, GENERATORS.default)
    laid = validation.drawing(json.loads(told[tab.pad]["laid"])["mask"], 256)
    assert np.array_equal(laid, mask_of())
    shown = json.loads(told[tab.earlier.strip]["value"])
    assert shown["current"] == first["number"] and len(shown["pasts"]) == 2
    assert tab.pack(True, REQUEST)[tab.saved]


@pytest.mark.parametrize("number", [None, "1", -3, 10**30, True, {"a": 1}])
def test_what_is_no_entry_is_told(labs, number):
    tab, panel = labs
    for one in (tab, panel):
        told = one.bring_back(REQUEST, click(number))
        assert "not kept any more" in told[one.notice] and one.earlier.strip not in told


def test_nobody_brings_back_what_another_made(labs):
    tab, _ = labs
    ((mine),) = draw(tab, 7)
    assert "not kept any more" in tab.bring_back(OTHER, click(mine["number"]))[tab.notice]
    assert tab.session(OTHER).frames == []


def test_nothing_comes_back_while_frames_are_drawn(labs):
    tab, panel = labs
    (mine,) = draw(tab, 7)
    (film,) = make_film(panel, 3)
    with tab.session(REQUEST).at_work, panel.session(REQUEST).at_film:
        assert "still being made" in tab.bring_back(REQUEST, click(mine["number"]))[tab.notice]
        assert "still being made" in panel.bring_back(REQUEST, click(film["number"]))[panel.notice]


def test_an_altered_frame_comes_back_with_what_it_was(labs, tmp_path, monkeypatch):
    tab, _ = labs
    monkeypatch.setattr(pipeline, "inpaint", lambda order: iter([stand_in.sample(kind="inpainted")]))
    Image.fromarray(np.full((120, 200, 3), 90, np.uint8)).save(tmp_path / "frame.png")
    tab.take_frame(str(tmp_path / "frame.png"), "draw", REQUEST)
    (mine,) = draw(tab, 7, count=1, task="inpaint")
    tab.session(REQUEST).own_frame = None
    told = tab.bring_back(REQUEST, click(mine["number"]))
    assert tab.session(REQUEST).own_frame.shape == (120, 200, 3)
    assert told[tab.task] == gr.update(value="inpaint", visible=True)
    assert json.loads(told[tab.pad]["laid"])["backdrop"].startswith("data:image/jpeg")


def make_film(panel, seed, move="left", seconds=0.5):
    told = {}
    for step in panel.make(PAD, "conditioned", move, seconds, seed, "drawn", "any", "polyps", REQUEST):
        told |= step
    return pasts(told[panel.earlier.strip])


def test_each_film_comes_back_with_its_settings(labs):
    _, panel = labs
    make_film(panel, 3, move="around")
    first_name = panel.session(REQUEST).film.video.name
    second, first = make_film(panel, 4)
    assert first["pictures"][0].startswith("data:image/jpeg") and "Around" in first["lines"][0]
    gone = panel.session(REQUEST).film.paths
    told = panel.bring_back(REQUEST, click(first["number"]))
    film = panel.session(REQUEST).film
    assert film.video.name == first_name and all(path.is_file() for path in film.paths)
    assert not any(path.exists() for path in gone), "what the page may serve is one film"
    assert (told[panel.seed], told[panel.move], told[panel.seconds]) == (3, "around", 0.5)
    assert first_name in told[panel.screen]["value"]
    panel.bring_back(REQUEST, click(second["number"]))
    assert all(path.is_file() for path in panel.session(REQUEST).film.paths)


def test_a_film_that_is_too_old_goes_with_its_files(labs, monkeypatch):
    _, panel = labs
    monkeypatch.setattr(history, "MOST", 1)
    (first,) = make_film(panel, 3)
    kept = panel.visits.of(REQUEST).history.get(Filmed, first["number"]).made.paths
    assert all(path.is_file() for path in kept)
    (second,) = make_film(panel, 4)
    assert second["number"] != first["number"] and not any(path.exists() for path in kept)
    assert "not kept any more" in panel.bring_back(REQUEST, click(first["number"]))[panel.notice]


def test_the_strip_speaks_as_the_page_does(labs):
    tab, _ = labs
    draw(tab, 7)
    key = tab.visits.of(REQUEST).history.key
    told = tab.earlier.returned(CHINESE, SimpleNamespace(_data={"key": key}))
    assert pasts(told[tab.earlier.strip])[0]["lines"] == ["2 帧"]


def test_memory_of_drawings_is_counted(labs):
    tab, _ = labs
    draw(tab, 7)
    ((_, work),) = tab.visits.of(REQUEST).history.of(Drawn)
    assert work.size() == 2 * 256 * 256 * 5


# ---- face


@pytest.fixture
def portrait(tmp_path):
    path = tmp_path / "kept.png"
    Image.new("RGB", (64, 64), "red").save(path)
    return path


@pytest.fixture
def speaking(monkeypatch):
    """The face tab on stand-ins, and a visitor who has brought a portrait."""
    face.stand_in(monkeypatch)
    visits = Visits()
    with gr.Blocks():
        tab = face_tab.FaceTab(visits, i18n.i18n({name: face_tab.fragments(name) for name in i18n.LANGUAGES}))
    session = visits.of(REQUEST).lab(FaceSession)
    service.take_example(session)
    bring(session)
    return tab, session


def bring(session) -> Path:
    service.forget(session, "portrait")
    session.portrait = service.take_example(session)
    return session.portrait


def animate(tab, text, seed=7, panels=True, tongue="en"):
    voice = tab.choose_language(tongue, None, REQUEST)[tab.voice]["value"]
    told = {}
    wanted = (text, tongue, voice, "blend", panels, True, seed, 1.2, True)
    for step in tab.make("portrait", "text", *wanted, REQUEST):
        told |= step
    assert not told.get(tab.notice), told
    return pasts(told[tab.earlier.strip])


def test_each_video_comes_back_with_its_face_and_settings(speaking):
    tab, session = speaking
    animate(tab, "Good morning.", seed=3)
    first_name, first_face = session.made.video.name, session.portrait.read_bytes()
    bring(session)
    second, first = animate(tab, "Good night.", seed=4, panels=False)
    assert (first["title"], second["title"]) == ("Good morning.", "Good night.")
    assert first["pictures"][0].startswith("data:image/jpeg")
    replaced, last = session.portrait, session.made
    told = tab.bring_back(REQUEST, click(first["number"]))
    assert session.made.video.name == first_name and first_name in told[tab.screen]["value"]
    assert all(file.is_file() for file in service.files(session.made))
    assert not any(file.exists() for file in service.files(last)) and not replaced.exists()
    assert session.portrait.read_bytes() == first_face
    assert told[tab.portrait]["value"].endswith(session.portrait.name)
    assert (told[tab.text], told[tab.seed], told[tab.panels]) == ("Good morning.", 3, True)
    assert told[tab.articulation] == 1.2
    assert tab.consent not in told, "consent is given anew"
    assert "2.0 s" in told[tab.status] and told[tab.log]
    tab.bring_back(REQUEST, click(second["number"]))
    assert all(file.is_file() for file in service.files(session.made))


def test_a_video_outlives_its_visit_for_a_reload(speaking):
    tab, session = speaking
    (mine,) = animate(tab, "Good morning.")
    tab.visits.arrived("a visitor")
    key = session.visit.history.key
    tab.visits.left("a visitor")
    assert not session.visit.history.of(films.Film)
    told = tab.earlier.returned(OTHER, SimpleNamespace(_data={"key": key}))
    assert [one["number"] for one in pasts(told[tab.earlier.strip])] == [mine["number"]]
    told = tab.bring_back(OTHER, click(mine["number"]))
    assert not told.get(tab.notice)
    there = tab.session(OTHER)
    assert all(file.is_file() for file in service.files(there.made)) and there.portrait.is_file()
    assert tab.bring_back(REQUEST, click(mine["number"]))[tab.notice]


def test_nothing_comes_back_while_a_video_is_made(speaking):
    tab, session = speaking
    (mine,) = animate(tab, "Good morning.")
    with session.at_work:
        assert "still being made" in tab.bring_back(REQUEST, click(mine["number"]))[tab.notice]


def test_recorded_speech_comes_back(speaking, tmp_path):
    tab, session = speaking
    (mine,) = animate(tab, "Good morning.")
    film = session.visit.history.get(films.Film, mine["number"])
    sound = tmp_path / "speech.wav"
    sound.write_bytes(b"RIFF")
    spoken = replace(film, order=Order(portrait=film.order.portrait, audio=sound, seed=1))
    number = session.visit.history.add(spoken)
    assert films.past("en", number, spoken).title == "A recording"
    told = tab.bring_back(REQUEST, click(number))
    assert told[tab.says] == "audio" and told[tab.typed] == gr.update(visible=False)
    assert session.speech.read_bytes() == b"RIFF" and tab.text not in told


# ---- scene


def scan(name: str) -> Scan:
    where = np.zeros((3, 3), np.float32)
    return Scan(name, where, where.astype(np.uint8), np.zeros((0, 3), np.int32), np.zeros(3, np.int32), ())


def test_a_question_about_ones_own_scan_goes_with_the_scan():
    session = Visit().lab(SceneSession)
    session.opens(scan("mine"))
    session.visit.history.add(questions.asked(session, " the   chair "))
    session.visit.history.add(questions.asked(session, "the chair"))
    ((_, one),) = session.visit.history.of(questions.Question)
    assert (one.sentence, one.name, one.is_of(session)) == ("the chair", "mine", True)
    session.opens(scan("room"), shipped="room")
    assert not one.is_of(session)
    assert session.visit.history.of(questions.Question) == []
    session.visit.history.add(questions.asked(session, "the chair"))
    ((_, one),) = session.visit.history.of(questions.Question)
    session.opens(scan("other"), shipped="other")
    assert one.there() and not one.is_of(session)


def test_a_question_that_can_not_be_read_is_none():
    session = Visit().lab(SceneSession)
    session.opens(scan("room"), shipped="room")
    with pytest.raises(UserError, match="sentence_empty"):
        questions.asked(session, "")


def test_what_was_typed_before_the_page_had_arrived_stays(speaking):
    tab, _ = speaking
    assert tab.arrive(REQUEST)[tab.text] == gr.skip()
    linked = SimpleNamespace(session_hash="a visitor", query_params={"say": "Hello."}, headers={})
    assert tab.arrive(linked)[tab.text] == "Hello."
