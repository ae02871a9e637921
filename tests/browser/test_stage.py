"""Talk mode: for the last row of a hall, driven by a presenter's keys."""

from collections.abc import Iterator

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.jobs import FIELD, JOBS, LABS, open_lab

STRIPS = {"scene": "questions", "face": "faces", "colonoscopy": "drawings"}
LEAST = 24  # pixels of type
# What can be read and is smaller than that: its words, and its size.
SMALL_JS = """least => {
  const small = new Set(), walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const text = node.nodeValue.trim(), {parentElement: parent} = node;
    if (!text || parent.matches('script, style, option, svg *, .sr-only')) continue;  // the last is heard
    if (!parent.checkVisibility({visibilityProperty: true})) continue;
    const range = document.createRange();
    range.selectNode(node);
    const {width, height, bottom} = range.getBoundingClientRect();
    const size = parseFloat(getComputedStyle(parent).fontSize);
    if (width > 1 && height > 1 && bottom > 0 && size < least) small.add(`${text.slice(0, 30)} ${size}`);
  }
  for (const field of document.querySelectorAll('textarea, input:not([type])')) {
    const size = parseFloat(getComputedStyle(field).fontSize);
    if (field.checkVisibility() && size < least) small.add(`${field.value} ${size}`);
  }
  return [...small];
}"""


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    page = context.new_page()
    yield page
    page.close()


@pytest.mark.parametrize("lab", LABS)
def test_the_result_fills_the_screen_in_large_type(page: Page, address: str, lab: str) -> None:
    page.set_viewport_size({"width": 1920, "height": 1080})
    open_lab(page, address, lab, "talk=1")
    JOBS[lab](page)
    result = page.locator({"scene": "#tl-view .sv", "face": ".ts-screen", "colonoscopy": ".rs-cards"}[lab])
    for width, height in ((1920, 1080), (1280, 720)):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(300)
        assert page.evaluate(SMALL_JS, LEAST) == []
        assert page.evaluate("document.documentElement.scrollHeight") <= height
        box = result.bounding_box()
        assert box is not None and box["y"] >= 0 and box["y"] + box["height"] <= height
        assert box["width"] * box["height"] > 0.2 * width * height
        page.keyboard.press("h")
        strip = page.locator(f"#tl-history-{STRIPS[lab]} .hs")
        expect(strip).to_be_in_viewport(ratio=1)
        assert page.evaluate(SMALL_JS, LEAST) == []
        assert page.evaluate("document.documentElement.scrollHeight") <= height
        page.keyboard.press("h")
        expect(strip).to_be_hidden()


def test_a_presenter_needs_no_mouse(page: Page, address: str) -> None:
    open_lab(page, address, "scene", "talk=1")
    expect(page.locator("#tl-examples button").first).to_be_visible()
    page.keyboard.press("?")
    expect(page.locator(".tl-keys")).to_be_visible()
    expect(page.locator(".tl-keys dt")).to_have_count(8)
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    expect(page.locator(".tl-verdict b")).to_contain_text("table")
    page.locator(FIELD).fill("the chair")
    page.keyboard.press("Escape")
    page.keyboard.press("a")
    expect(page.locator(".tl-verdict b")).to_contain_text("chair")
    page.keyboard.press("3")
    page.keyboard.press("n")
    expect(page.locator(".mp-area")).to_contain_text("Polyp area")
    page.keyboard.press("a")
    expect(page.locator(".rs[data-count='4']")).to_be_visible()
    expect(page.locator("#tl-draw")).to_be_enabled()
    page.keyboard.press("c")
    expect(page.locator(".rs-beside .rs-over svg")).to_be_attached()
    page.keyboard.press("Escape")
    page.keyboard.press("f")
    page.wait_for_function("document.fullscreenElement")
    page.keyboard.press("f")
    page.wait_for_function("!document.fullscreenElement")
    page.keyboard.press("q")
    expect(page.locator("#tl-header header")).to_be_visible()
    expect(page.locator(".rs-card b")).to_have_count(4)
    page.get_by_role("tab", name="Scene").click()
    expect(page.locator(".tl-verdict b")).to_contain_text("chair")


def test_an_earlier_question_comes_back_by_keys(page: Page, address: str) -> None:
    open_lab(page, address, "scene", "talk=1")
    strip = page.locator("#tl-history-questions .hs")
    past = strip.locator(".hs-past")
    page.keyboard.press("h")  # nothing was made yet
    for count, sentence in enumerate(("the table", "the chair"), start=1):
        page.locator(FIELD).fill(sentence)
        page.locator(FIELD).press("Enter")
        expect(past).to_have_count(count)
        expect(strip).to_be_hidden()
    page.keyboard.press("Escape")
    page.keyboard.press("h")
    expect(past.first).to_be_focused()
    page.keyboard.press("Escape")
    expect(strip).to_be_hidden()
    page.keyboard.press("h")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(strip).to_be_hidden()
    expect(page.locator(FIELD)).to_have_value("the table")
    expect(page.locator(".tl-verdict b")).to_contain_text("table")
    page.keyboard.press("h")
    page.keyboard.press("q")
    expect(page.locator("#tl-header header")).to_be_visible()
    expect(past.last).to_have_attribute("aria-current", "true")
    expect(strip).to_be_visible()  # in its place again
    assert strip.get_attribute("popover") is None


def test_scans_and_models_are_a_click_away(page: Page, address: str) -> None:
    open_lab(page, address, "scene", "talk=1")
    page.locator("#tl-scans label", has_text="Office").click()
    expect(page.locator("#tl-scans label:has-text('Office') input")).to_be_checked()
    page.get_by_role("tab", name="Colonoscopy").click()
    page.locator("#tl-model label").nth(1).click()
    expect(page.locator("#tl-model input").nth(1)).to_be_checked()
