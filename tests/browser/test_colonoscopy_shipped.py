"""The colonoscopy tab with what ships: a mask drawn with the mouse, frames with the polyp there."""

import re
from collections.abc import Iterator

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Browser, Page, expect

from app import page as app_page
from app.colonoscopy import service
from models.core import checkpoints
from tests.browser.patience import patient
from tests.browser.test_colonoscopy_tab import drag, draw_frames, opened

NEEDED = ("arsdm", *service.BESIDE)
BAR = 0.6  # Dice between what was drawn and what the segmenter finds, mean of the frames

pytestmark = pytest.mark.skipif(
    not all((checkpoints.FOLDER / name / "model.safetensors").exists() for name in NEEDED),
    reason="the trained weights are not here",
)


@pytest.fixture(scope="module")
def lab(browser: Browser) -> Iterator[Page]:
    running = app_page.start("127.0.0.1", None)
    with patient(browser, width=1440) as context:
        yield opened(context.new_page(), running.local_url)
    running.close(verbose=False)


def test_the_polyp_is_where_the_mouse_drew_it(lab: Page) -> None:
    lab.locator(".mp-stage").focus()
    lab.keyboard.press("e")
    drag(lab, (0.3, 0.35), (0.68, 0.72))
    draw_frames(lab, 3)
    told = lab.locator(".rs-card b").all_inner_texts()
    scores = [float(re.search(r"\d\.\d+", text)[0]) for text in told]  # type: ignore[index]
    assert sum(scores) / len(scores) >= BAR, scores
    expect(lab.locator(".rs-card figcaption").first).to_contain_text("training frame")


def test_another_model_draws_the_same_noise(lab: Page) -> None:
    if len(service.models()) < 2:
        pytest.skip("only one model is installed")
    lab.locator(".rs-card figcaption button").first.click()
    expect(lab.locator(".rs-over svg")).to_be_attached()
