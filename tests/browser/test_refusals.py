"""What isn't taken is refused in our own sentences, in the page's language, whatever tab it is brought to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import BrowserContext, Page, expect

from models.core.upload_validation import MEGABYTE
from tests.browser.whole import whole

FIELDS = {"scene": "#tl-upload", "colonoscopy": "#tl-mask-upload", "face": "#tl-face-portrait"}
NOTICES = {"scene": "#tl-notice", "colonoscopy": "#tl-colonoscopy-notice", "face": "#tl-face-refused"}
SAID = {
    "scene": "None of the files (holiday.webm) is a mesh",
    "colonoscopy": "is not a picture but: film",
    "face": "is not a picture",
}
INPUTS = {
    "scene": ".tl-uploads input[type=file]",
    "colonoscopy": ".tl-uploads input[type=file]",
    "face": "#tl-face-portrait input[type=file]",
}
GRADIOS = ("files are allowed", "maximum allowed size", "not playable", "Invalid file type")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.page.MAX_FILE", 2 * MEGABYTE)
        with whole(tmp_path_factory.mktemp("scans")) as address:
            yield address


def opened(context: BrowserContext, address: str, lab: str, lang: str = "en") -> Page:
    page = context.new_page()
    page.goto(f"{address}?lab={lab}&lang={lang}")
    expect(page.locator(FIELDS[lab])).to_be_visible()
    return page


@pytest.mark.parametrize("lab", FIELDS)
def test_a_film_where_none_is_wanted_and_a_file_too_large(
    context: BrowserContext, address: str, lab: str, tmp_path: Path
) -> None:
    page = opened(context, address, lab)
    film, large = tmp_path / "holiday.webm", tmp_path / "large.png"
    film.write_bytes(b"\x1aE\xdf\xa3" + bytes(4000))
    large.write_bytes(bytes(3 * MEGABYTE))
    page.locator(INPUTS[lab]).last.set_input_files(large)
    told = page.locator(".tl-too-large[role=alert]")
    expect(told).to_contain_text("large.png is too big: 3 MB, and at most 2 MB are read.")
    page.locator(INPUTS[lab]).last.set_input_files(film)
    expect(page.locator(f"{NOTICES[lab]} [role=alert]")).to_contain_text(SAID[lab])
    expect(told).to_have_count(0)
    for words in GRADIOS:
        expect(page.get_by_text(words)).to_have_count(0)
    page.close()


def test_a_file_too_large_is_told_in_chinese(context: BrowserContext, address: str, tmp_path: Path) -> None:
    page = opened(context, address, "colonoscopy", "zh-CN")
    (tmp_path / "large.png").write_bytes(bytes(3 * MEGABYTE))
    page.locator(INPUTS["colonoscopy"]).last.set_input_files(tmp_path / "large.png")
    expect(page.locator(".tl-too-large")).to_contain_text("large.png 太大：3 MB")
    page.close()
