"""The panel that finds polyps, as a clinician uses it: frames brought, networks chosen, a zip taken home."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.browser.patience import patient
from tests.browser.test_colonoscopy_tab import opened
from tests.colonoscopy import stand_in


@pytest.fixture(scope="module")
def lab(browser: Browser) -> Iterator[Page]:
    with stand_in.served() as address, patient(browser, width=1440) as context:
        yield opened(context.new_page(), address)


def test_a_frame_is_judged_by_three_segmenters_and_two_detectors(lab: Page, tmp_path: Path) -> None:
    Image.fromarray(stand_in.sample().frame).save(tmp_path / "my frame.png")
    lab.locator("#tl-polyps-detectors label").nth(1).click()
    lab.locator("#tl-polyps input[type=file]").set_input_files(tmp_path / "my frame.png")
    figure = lab.locator("#tl-polyps-results figure")
    expect(figure).to_have_count(1)
    expect(figure.locator("figcaption > b")).to_contain_text("my")
    expect(figure.locator("li")).to_have_count(5)
    expect(figure.locator("li").nth(1)).to_contain_text("PraNet 8.5 % of the frame")
    expect(figure.locator("li").nth(4)).to_contain_text("Deformable DETR 1 box (100 %)")
    expect(figure.locator(".tl-agree")).to_contain_text("1.00")
    with lab.expect_download() as waiting:
        lab.locator("#tl-polyps-zip").click()
    with zipfile.ZipFile(waiting.value.path()) as packed:
        assert len([name for name in packed.namelist() if name.startswith("masks/")]) == 3


def test_another_choice_looks_again_and_none_is_told(lab: Page) -> None:
    choices = lab.locator("#tl-polyps-segmenters label")
    choices.nth(1).click()
    choices.nth(2).click()
    lab.locator("#tl-polyps-again").click()
    expect(lab.locator("#tl-polyps-results figure li")).to_have_count(3)
    for one in (choices.nth(0), *(lab.locator("#tl-polyps-detectors label").nth(i) for i in range(2))):
        one.click()
    lab.locator("#tl-polyps-again").click()
    expect(lab.locator("#tl-polyps-status [role=alert]")).to_contain_text("No network is chosen")
