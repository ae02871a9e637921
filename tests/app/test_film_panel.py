"""What the film panel answers to its events, without a browser."""

import json
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from app import i18n, validation
from app.colonoscopy import film_panel
from app.colonoscopy import tab as colonoscopy_tab
from app.session import Visits
from models.colonoscopy import pipeline
from models.colonoscopy.data.exports import mask_png
from models.colonoscopy.synthesis.registry import GENERATORS
from models.colonoscopy.video.registry import FILMS
from tests.colonoscopy import stand_in
from tests.colonoscopy.makers import mask_of

REQUEST = SimpleNamespace(session_hash="a visitor", query_params={}, headers={})
PAD = validation.png_url(mask_png(mask_of()))


def panel_of(monkeypatch):
    """The panel below the tab that it belongs to, and the tab."""
    monkeypatch.setattr(pipeline, "checkpoints", list)
    monkeypatch.setattr(pipeline, "looks_like_endoscopy", lambda frame: True)
    visits = Visits()
    with gr.Blocks() as page:
        words = i18n.i18n({name: colonoscopy_tab.fragments(name) for name in i18n.LANGUAGES})
        tab = colonoscopy_tab.ColonoscopyTab(visits, words, list(GENERATORS))
        parts = film_panel.TabParts(tab.pad, tab.look, tab.judge, tab.framed, tab.hearing)
        return film_panel.FilmPanel(visits, words, parts), tab, page


@pytest.fixture
def panel(monkeypatch):
    stand_in.stand_in_films(monkeypatch)
    return panel_of(monkeypatch)[0]


def filmed(panel, drawing=PAD, model="conditioned", move="left", seconds=0.5, seed=7, begin="drawn"):
    return list(panel.make(drawing, model, move, seconds, seed, begin, "any", "polyps", REQUEST))


def shown(steps, panel):
    """The last of everything that was told to each widget."""
    told = {}
    for step in steps:
        told |= step
    return {widget: told.get(widget) for widget in (panel.screen, panel.status, panel.notice, panel.stop)}


def test_a_film_comes_as_pictures_and_then_as_a_video(panel):
    steps = filmed(panel)
    previews = [json.loads(step[panel.screen]["preview"] or "{}") for step in steps if panel.screen in step]
    pictures = [one["picture"][:22] for one in previews if one.get("picture")]
    assert len(pictures) >= 5 and set(pictures) == {"data:image/jpeg;base64"}
    last = shown(steps, panel)
    value = json.loads(last[panel.screen]["value"])
    assert [view["name"] for view in value["views"]] == ["plain", "outlined"] and len(value["files"]) == 4
    assert "5 frames, 0.5 s. Mean Dice 1.00." in last[panel.status] and last[panel.notice] == ""
    assert last[panel.stop] == gr.update(interactive=False)
    assert panel.free(REQUEST) == {panel.film: gr.update(interactive=True)}


def test_the_pads_outline_is_keyed_as_the_last_and_taken_away(panel):
    refused = panel.take_last("", REQUEST)
    assert "no polyp in the mask" in refused[panel.notice] and panel.last not in refused
    told = panel.take_last(PAD, REQUEST)
    assert "The outline of the last frame" in told[panel.last]
    assert told[panel.forget_last] == gr.update(visible=True)
    filmed(panel)
    assert panel.session(REQUEST).film.facts["last_outline"] is True
    assert panel.drop_last(REQUEST)[panel.last] == ""
    filmed(panel)
    assert panel.session(REQUEST).film.facts["last_outline"] is False


def test_a_film_begins_with_the_frame_that_was_brought(monkeypatch, tmp_path):
    stand_in.stand_in_films(monkeypatch)
    panel, tab, _ = panel_of(monkeypatch)
    assert panel.offer_frame(REQUEST) == {panel.begin: gr.update(visible=False, value="drawn")}
    Image.fromarray(np.full((120, 200, 3), 90, np.uint8)).save(tmp_path / "frame.png")
    tab.take_frame(str(tmp_path / "frame.png"), "draw", REQUEST)
    assert panel.offer_frame(REQUEST) == {panel.begin: gr.update(visible=True, value="painted")}
    filmed(panel, begin="painted")
    film = panel.session(REQUEST).film
    assert film.facts["own_frame"] and film.facts["painted"] and "drew the polyp in it" in film.facts["note"]
    filmed(panel, begin="own")
    film = panel.session(REQUEST).film
    assert film.facts["own_frame"] and not film.facts["painted"]
    assert film.facts["note"].startswith("Colonoscopy film that begins with")
    filmed(panel, begin="drawn")
    assert not panel.session(REQUEST).film.facts["own_frame"]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"drawing": ""}, "no polyp in the mask"),
        ({"drawing": "/etc/passwd"}, "is not a mask"),
        ({"move": "<b>up"}, "No camera moves as &lt;b&gt;up"),
        ({"seconds": float("nan")}, "lasts 0.5 to 30.0 seconds"),
        ({"seed": None}, "seed has to be"),
        ({"model": "../x"}, "no model called"),
    ],
)
def test_what_cannot_be_filmed_is_a_sentence(panel, wrong, told):
    last = shown(filmed(panel, **wrong), panel)
    assert told in last[panel.notice] and last[panel.stop] == gr.update(interactive=False)
    assert not panel.session(REQUEST).at_film.locked()


def test_a_method_that_knows_no_mask_says_so_before_and_after(panel):
    assert "knows no mask" in panel.choose_model("lvdm", REQUEST)[panel.maskless]
    assert panel.choose_model("conditioned", REQUEST)[panel.maskless] == ""
    last = shown(filmed(panel, drawing="", model="lvdm"), panel)
    assert "This method knows no mask." in last[panel.status]


def test_another_language_says_anew_what_was_told(panel):
    panel.take_last(PAD, REQUEST)
    filmed(panel)
    chinese = SimpleNamespace(session_hash="a visitor", query_params={"lang": "zh-CN"}, headers={})
    told = panel.speak("pvdm", chinese)
    assert "5 帧" in told[panel.status] and "不识掩膜" in told[panel.maskless]
    labels = [one["label"] for one in json.loads(told[panel.screen]["value"])["files"]]
    assert "最后的轮廓" in told[panel.last] and "带轮廓的 MP4" in labels


def test_a_second_click_while_the_first_is_answered_does_nothing(panel):
    with panel.session(REQUEST).at_film:
        assert filmed(panel) == [{panel.status: gr.skip()}]
    assert panel.session(REQUEST).film is None


def test_without_a_network_there_is_a_sentence_and_no_button(monkeypatch):
    monkeypatch.setattr(FILMS, "installed", lambda: ())
    panel, _, page = panel_of(monkeypatch)
    ids = {getattr(block, "elem_id", None) for block in page.blocks.values()}
    assert "tl-film-missing" in ids and "tl-film-go" not in ids and not hasattr(panel, "film")
