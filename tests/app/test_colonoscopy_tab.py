"""What the tab answers to its events, without a browser: a frame of one's own is altered and shown beside."""

import json
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from app import i18n, validation
from app.colonoscopy import tab as colonoscopy_tab
from app.session import Visits
from models.colonoscopy import pipeline
from models.colonoscopy.data.exports import mask_png
from models.colonoscopy.data.images import fitted, own_part
from models.colonoscopy.pipeline import Sample
from models.colonoscopy.synthesis.registry import GENERATORS
from models.core.progress import Drawing, Progress
from tests.colonoscopy import stand_in

REQUEST = SimpleNamespace(session_hash="a visitor", query_params={}, headers={})


def altering(order):
    """Stands for the networks: the mask is painted yellow, or grey where the polyp goes."""
    frame = order.frame.copy()
    frame[order.mask] = (90, 90, 90) if order.remove else (230, 210, 60)
    yield Progress(0.5, "drawing", Drawing(0, frame // 2))
    kind = "removed" if order.remove else "inpainted"
    yield Sample(
        frame=frame,
        mask=order.mask,
        found=order.mask,
        dice=1.0,
        nearest=0.9,
        percentile=60.0,
        seed=order.seed,
        model=pipeline.INPAINTER,
        weights="0123456789ab",
        steps=order.steps,
        sampler="repaint",
        seconds=0.1,
        look=order.look,
        kind=kind,
        before=order.frame,
    )


def tab_of(monkeypatch, models):
    monkeypatch.setattr(pipeline, "checkpoints", list)
    monkeypatch.setattr(pipeline, "looks_like_endoscopy", lambda frame: True)
    monkeypatch.setattr(pipeline, "inpaint", altering)
    monkeypatch.setattr(pipeline, "draw", stand_in.drawing())
    with gr.Blocks():
        fragments = {name: colonoscopy_tab.fragments(name) for name in i18n.LANGUAGES}
        return colonoscopy_tab.ColonoscopyTab(Visits(), i18n.i18n(fragments), models)


@pytest.fixture
def tab(monkeypatch):
    return tab_of(monkeypatch, list(GENERATORS))


@pytest.fixture
def frame_file(tmp_path):
    pixels = np.random.default_rng(0).integers(80, 200, (120, 200, 3)).astype(np.uint8)
    path = tmp_path / "frame.png"
    Image.fromarray(pixels).save(path)
    return path, pixels


def drawn(tab, task):
    mask = np.zeros((256, 256), bool)
    mask[60:130, 90:170] = True
    url = validation.png_url(mask_png(mask))
    return list(
        tab.draw_frames(url, 1, 7, GENERATORS.default, 20, "dpm", "polyps", "any", task, REQUEST)
    ), mask


@pytest.mark.parametrize("task", ["inpaint", "remove"])
def test_ones_own_frame_is_altered(tab, frame_file, task):
    path, pixels = frame_file
    laid = tab.take_frame(str(path), "draw", REQUEST)
    assert laid[tab.task] == gr.update(visible=True, value="inpaint") and laid[tab.notice] == ""
    assert "data:image/jpeg" in laid[tab.pad]["laid"] and not path.exists()
    steps, mask = drawn(tab, task)
    assert all(not step.get(tab.notice) for step in steps)
    (made,) = tab.session(REQUEST).frames
    assert made.frame.shape == pixels.shape
    outside = ~fitted(mask[own_part(pixels.shape, len(mask))], *pixels.shape[:2])
    assert np.array_equal(made.frame[outside], pixels[outside])
    card = json.loads(
        next(step[tab.strip]["card_0"] for step in steps if "card_0" in step.get(tab.strip, {}))
    )
    assert card["size"] == 256 and card["before"].startswith("data:image/jpeg"), "no other model draws it"
    compared = list(tab.compare(REQUEST, SimpleNamespace(_data={"place": 0})))
    assert compared[-1][tab.notice]


def test_another_frame_leaves_what_is_to_be_done(tab, frame_file):
    laid = tab.take_frame(str(frame_file[0]), "remove", REQUEST)
    assert laid[tab.task] == gr.skip() and "data:image/jpeg" in laid[tab.pad]["laid"]


def test_without_the_inpainter_a_frame_is_only_drawn_over(monkeypatch, frame_file):
    path, _ = frame_file
    models = [name for name in GENERATORS if name != pipeline.INPAINTER]
    tab = tab_of(monkeypatch, models)
    assert tab.take_frame(str(path), "draw", REQUEST)[tab.task] == gr.update(visible=False, value="draw")


def test_altering_without_a_frame_is_told(tab):
    steps, _ = drawn(tab, "inpaint")
    assert "no frame of your own" in steps[-1][tab.notice]
    steps, _ = drawn(tab, "draw")
    assert not steps[-1].get(tab.notice)


def test_previews_are_squares_of_the_strip(tab, frame_file):
    tab.take_frame(str(frame_file[0]), "draw", REQUEST)
    steps, _ = drawn(tab, "inpaint")
    shown = [step[tab.strip]["preview"] for step in steps if "preview" in step.get(tab.strip, {})]
    assert any("data:image/jpeg" in one for one in shown)


def test_all_models_stand_in_a_table_and_keep_it_in_another_language(tab):
    mask = np.zeros((256, 256), bool)
    mask[60:130, 90:170] = True
    steps = list(tab.draw_grid(validation.png_url(mask_png(mask)), 2, 7, 20, "dpm", "polyps", "any", REQUEST))
    shown = [step[tab.strip] for step in steps if tab.strip in step]
    table = json.loads(shown[0]["table"])
    assert table["rows"] == ["Seed 7", "Seed 8"] and len(table["columns"]) == len(tab.models)
    frames = tab.session(REQUEST).frames
    assert [(one.seed, one.model) for one in frames] == [
        (seed, model) for seed in (7, 8) for model in tab.models
    ]
    chinese = SimpleNamespace(session_hash="a visitor", query_params={"lang": "zh-CN"}, headers={})
    assert json.loads(tab.speak(chinese)[tab.strip]["table"])["rows"] == ["种子 7", "种子 8"]
    drawn(tab, "draw")
    assert tab.speak(REQUEST)[tab.strip]["table"] == ""


@pytest.mark.parametrize("seeds", [0, 1, 3, 16, None, "4"])
def test_a_grid_has_two_rows_or_four(tab, seeds):
    mask = np.zeros((256, 256), bool)
    mask[60:130, 90:170] = True
    steps = list(
        tab.draw_grid(validation.png_url(mask_png(mask)), seeds, 7, 20, "dpm", "polyps", "any", REQUEST)
    )
    assert steps[-1][tab.notice]
