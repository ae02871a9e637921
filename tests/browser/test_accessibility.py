"""axe-core looks at every lab, in both themes, before and after its main job."""

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("axe_playwright_python", reason="axe-core is not installed")
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.jobs import JOBS, LABS, open_lab

GRAVE = ("critical", "serious")
FAINT_JS = "one => { one.style.cssText = 'color: #999 !important; background: #777 !important'; }"
# A button that is just being enabled is on its way between two colours.
SETTLED_JS = "() => Promise.allSettled(document.getAnimations().map(one => one.finished))"


def grave(page: Page) -> list[str]:
    """What axe finds that keeps somebody from using the page: a line for each element."""
    page.evaluate(SETTLED_JS)
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {' '.join(node['target'][-1:])} {node['any'][0]['message'] if node['any'] else ''}"
        for one in found
        if one["impact"] in GRAVE
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("lab", LABS)
def test_axe_finds_nothing_grave(context: BrowserContext, address: str, lab: str) -> None:
    page = open_lab(context.new_page(), address, lab, "__theme=light")
    found = {"light, before": grave(page), "dark, before": grave_in(page, "dark")}
    JOBS[lab](page)
    found |= {"dark, after": grave(page), "light, after": grave_in(page, "light")}
    page.close()
    assert {state: lines for state, lines in found.items() if lines} == {}


def grave_in(page: Page, theme: str) -> list[str]:
    """`grave`, after the visitor changed the colours."""
    page.locator(f"[data-set='__theme={theme}']").click()
    page.mouse.move(0, 0)
    expect(page.locator("body.dark")).to_have_count(int(theme == "dark"))
    return grave(page)


def test_axe_sees_what_is_wrong(context: BrowserContext, address: str) -> None:
    page = open_lab(context.new_page(), address, "face")
    page.locator("#tl-animate").evaluate(FAINT_JS)
    page.locator("#tl-face-portrait").evaluate("one => one.append(document.createElement('button'))")
    found = {line.partition(":")[0] for line in grave(page)}
    page.close()
    assert {"color-contrast", "button-name"} <= found
