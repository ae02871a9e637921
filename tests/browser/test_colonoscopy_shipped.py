"""The colonoscopy tab with what ships: a mask drawn with the mouse, frames with the polyp there."""

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Browser, Page, expect

from app import page as app_page
from app.colonoscopy import service
from models.colonoscopy import pipeline
from models.colonoscopy.data.images import fitted
from models.colonoscopy.synthesis.inpainting import area_around, feathered
from models.colonoscopy.synthesis.registry import GENERATORS
from models.core import checkpoints
from tests.browser.patience import patient
from tests.browser.test_colonoscopy_tab import drag, draw_frames, opened

NEEDED = (*GENERATORS["arsdm"].checkpoints, *service.BESIDE)
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
    lab.get_by_role("button", name="Compare models").first.click()
    expect(lab.locator(".rs-over svg")).to_be_attached()
    lab.locator(".rs-beside .rs-close").click()


def test_a_look_is_chosen_and_told(lab: Page) -> None:
    lab.locator("#tl-look input").click()
    lab.get_by_role("option", name="BKAI, Vietnam").click()
    draw_frames(lab, 1)
    expect(lab.locator(".rs-card figcaption").first).to_contain_text("BKAI, Vietnam")


@pytest.mark.parametrize("task", ["A polyp into my frame", "Remove the polyp from my frame"])
def test_a_frame_of_ones_own_changes_under_the_mask_alone(lab: Page, tmp_path: Path, task: str) -> None:
    frame = own_frame()
    Image.fromarray(frame).save(tmp_path / "own.png")
    lab.locator(".tl-uploads input[type=file]").nth(0).set_input_files(tmp_path / "own.png")
    expect(lab.locator(".mp[data-backdrop]")).to_be_visible()
    lab.get_by_label(task).check()
    lab.locator(".mp-stage").focus()
    lab.keyboard.press("Delete")
    lab.keyboard.press("e")
    drag(lab, (0.4, 0.4), (0.55, 0.55))
    few_steps(lab)
    draw_frames(lab, 1)
    lab.get_by_role("button", name="Before and after").click()
    expect(lab.locator(".rs-beside .rs-names b").nth(1)).to_have_text("As it was")
    expect(lab.locator(".rs-beside .rs-side img")).to_have_count(2)
    lab.locator(".rs-beside .rs-close").click()
    lab.locator("#tl-burn input").uncheck()
    with lab.expect_download() as packed:
        lab.locator("#tl-zip").click()
    with zipfile.ZipFile(packed.value.path()) as archive:
        (image,) = (name for name in archive.namelist() if name.startswith("images/"))
        (mask,) = (name for name in archive.namelist() if name.startswith("masks/"))
        changed, drawn = (np.asarray(Image.open(io.BytesIO(archive.read(name)))) for name in (image, mask))
    assert changed.shape == frame.shape
    polyp = fitted(drawn > 127, *frame.shape[:2])
    may_change = feathered(polyp, area_around(polyp).side) > 0
    assert np.array_equal(changed[~may_change], frame[~may_change]), "to the bit"
    assert (changed[polyp] != frame[polyp]).any()


def few_steps(page: Page) -> None:
    """What must not change doesn't, after however many steps."""
    steps = page.locator("#tl-steps input[type=number]")
    if not steps.is_visible():
        page.locator("#tl-more button").first.click()
    steps.fill("4")
    steps.press("Tab")


def own_frame() -> np.ndarray:
    """What a visitor brings: a frame that nobody photographed, of its own size."""
    mask = np.zeros((256, 256), bool)
    mask[150:190, 60:110] = True
    steps = pipeline.draw(pipeline.Order(mask, count=1, seed=5))
    frame = next(step.frame for step in steps if isinstance(step, pipeline.Sample))
    return np.asarray(Image.fromarray(frame).resize((400, 360), Image.Resampling.BICUBIC))
