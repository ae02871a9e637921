"""PraNet with its authors' weights, imported by the command: the page offers it, and it judges a frame."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
import torch
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from models.colonoscopy import __main__ as command
from models.colonoscopy.segmentation.pranet import PraNet
from models.colonoscopy.segmentation.registry import SEGMENTERS
from tests.browser.patience import patient
from tests.browser.test_colonoscopy_tab import opened
from tests.colonoscopy import stand_in


@pytest.fixture(scope="module")
def lab(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page, on which only drawing is a stand-in; PraNet sees polyp everywhere."""
    folder = tmp_path_factory.mktemp("imported")
    network = PraNet()
    torch.nn.init.constant_(network.ra2_conv4.bn.bias, 50.0)
    torch.save(network.state_dict(), folder / "PraNet-19.pth")
    true = {"installed": SEGMENTERS.installed, "loaded": SEGMENTERS.loaded}
    others = stand_in.stand_in

    def but_segmenters(patch: pytest.MonkeyPatch, *how: Any) -> None:
        others(patch, *how)
        for name, method in true.items():
            patch.setattr(SEGMENTERS, name, method)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRILAB_HOME", str(folder))
        patch.setattr(SEGMENTERS, "_loaded", {})
        patch.setattr(stand_in, "stand_in", but_segmenters)
        assert command.main(["import", "pranet", str(folder / "PraNet-19.pth"), "--name", "theirs"]) == 0
        with stand_in.served() as address, patient(browser, width=1440) as context:
            yield opened(context.new_page(), address)


def test_the_imported_network_is_a_choice_and_judges_a_frame(lab: Page, tmp_path: Path) -> None:
    lab.locator("#tl-more button").first.click()
    expect(lab.locator("#tl-judge")).to_contain_text("PraNet (theirs)")
    choices = lab.locator("#tl-polyps-segmenters label")
    for place in range(choices.count()):
        if "theirs" not in choices.nth(place).inner_text():
            choices.nth(place).click()
    Image.fromarray(stand_in.sample().frame).save(tmp_path / "frame.png")
    lab.locator("#tl-polyps input[type=file]").set_input_files(tmp_path / "frame.png")
    figure = lab.locator("#tl-polyps-results figure")
    expect(figure).to_have_count(1)
    expect(figure.locator("li").first).to_contain_text("PraNet (theirs) 100.0 % of the frame")
