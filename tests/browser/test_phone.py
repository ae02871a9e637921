"""The page on a phone: by finger, the result first, the main button always at hand."""

from collections.abc import Iterator

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.jobs import JOBS, LABS, open_lab
from tests.browser.patience import patient

WIDTH, HEIGHT = 390, 844
FINGER = 40  # pixels that a finger needs, at least one way round
TOUCHED = "button, a[href], select, summary, [role=tab], textarea, input, label:has(input)"
# A box is touched with its label, an object under its name. Gradio keeps an unseen copy of the tabs.
# unseen copy of the tabs.
BESIDES = "[type=range], [type=file], label input, .sv-label, .visually-hidden *"
# What can be touched and is too small to be hit: what it is, and how high.
THIN_JS = """([touched, besides, least]) => [...document.querySelectorAll(touched)]
  .filter(one => one.checkVisibility({visibilityProperty: true}) && !one.disabled && !one.matches(besides))
  .map(one => [one, one.getBoundingClientRect()])
  .filter(([, box]) => box.width > 1 && box.height > 1 && box.bottom > 0 && box.height < least - 0.5)
  .map(([one, box]) => `${one.tagName}.${one.className} ${one.textContent.trim()} ${box.height}`)"""


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    with patient(browser, WIDTH, HEIGHT, has_touch=True, is_mobile=True) as context:
        yield context


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    page = context.new_page()
    yield page
    page.close()


@pytest.mark.parametrize("lab", LABS)
def test_what_came_out_is_seen_first_and_all_can_be_touched(page: Page, address: str, lab: str) -> None:
    open_lab(page, address, lab)
    JOBS[lab](page)
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(300)
    seen = {
        "scene": ["#tl-view .sv", "#tl-object .tl-caption"],
        "face": [".ts-screen"],
        "colonoscopy": [".mp-stage"],
    }
    for part in seen[lab]:
        box = page.locator(part).first.bounding_box()
        assert box is not None and 0 <= box["y"] < HEIGHT - 100
    assert page.evaluate(THIN_JS, [TOUCHED, BESIDES, FINGER]) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTH


@pytest.mark.parametrize(
    ("lab", "button"), [("scene", "#tl-find"), ("face", "#tl-animate"), ("colonoscopy", "#tl-draw")]
)
def test_the_main_button_stays_at_hand(page: Page, address: str, lab: str, button: str) -> None:
    open_lab(page, address, lab)
    for share in (0, 0.5, 1):
        page.evaluate("share => scrollTo(0, share * document.documentElement.scrollHeight)", share)
        page.wait_for_timeout(200)
        box = page.locator(button).bounding_box()
        assert box is not None and box["y"] >= 0 and box["y"] + box["height"] <= HEIGHT


def test_two_frames_stand_in_a_row(page: Page, address: str) -> None:
    JOBS["colonoscopy"](open_lab(page, address, "colonoscopy"))
    boxes = [one.bounding_box() for one in page.locator(".rs-card").all()]
    tops = [round(box["y"]) for box in boxes if box is not None]
    assert tops[0] == tops[1] < tops[2] == tops[3]
    first = boxes[0]
    assert first is not None and first["height"] < 420
