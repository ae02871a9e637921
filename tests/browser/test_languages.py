"""Each lab in each language: said in it from the first picture on, and no word is cut."""

from collections.abc import Iterator

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import BrowserContext, Page

from app.i18n import LANGUAGES, words
from tests.browser.jobs import JOBS, LABS, open_lab

# What is wider than the box that it stands in, or cut by it: its words.
CUT_JS = """() => {
  // What scrolls sideways in its own row, and what is only heard.
  const BESIDES = 'script, style, option, select, .visually-hidden, .sr-only, .tl-chips, #tl-scans'
    + ', #tl-methods, .hs-row';
  const cut = new Set(), walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const text = node.nodeValue.trim(), {parentElement: parent} = node;
    if (!text || parent.closest(BESIDES)) continue;
    if (!parent.checkVisibility({visibilityProperty: true})) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const said = range.getBoundingClientRect();
    if (said.width < 1 || said.bottom < 0) continue;
    const box = (parent.closest('button, label, a, td, th, p, span') ?? parent).getBoundingClientRect();
    const out = said.right > box.right + 1 || said.left < box.left - 1 || said.right > innerWidth + 1;
    if (out) cut.add(text);
  }
  return [...cut];
}"""

# All that is ever seen of the page, picture by picture: words also come into view without a change of the
# document, when a style arrives.
HEAR_JS = """window.heard = [];
const hear = () => {
  const text = document.body?.innerText;
  if (text && text !== window.heard.at(-1)) window.heard.push(text);
  requestAnimationFrame(hear);
};
hear();"""
HEARD_JS = "said => window.heard.some(text => text.includes(said))"


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    page = context.new_page()
    yield page
    page.close()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("lab", LABS)
def test_no_word_is_cut(page: Page, address: str, lab: str, language: str) -> None:
    open_lab(page, address, lab, f"lang={language}")
    JOBS[lab](page)
    for width, height in ((1280, 800), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(300)
        assert page.evaluate(CUT_JS) == []


def test_a_word_that_is_cut_is_seen(page: Page, address: str) -> None:
    open_lab(page, address, "colonoscopy")
    page.locator("#tl-draw").evaluate(
        "one => { one.style.cssText = 'flex: none; width: 20px; max-width: 20px; white-space: nowrap'; }"
    )
    assert page.evaluate(CUT_JS) == ["Draw frames"]


@pytest.mark.parametrize("lab", LABS)
def test_the_first_words_are_chinese(page: Page, address: str, lab: str) -> None:
    page.add_init_script(HEAR_JS)
    open_lab(page, address, lab, "lang=zh-CN")
    told = (f"{lab}.tab", f"{lab}.lead", "page.subtitle", "page.talk")
    for key in told:
        page.wait_for_function(HEARD_JS, arg=words("zh-CN")[key])
    assert [key for key in told if page.evaluate(HEARD_JS, words("en")[key])] == []
