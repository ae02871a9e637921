"""axe-core looks at every lab, in both themes, before and after its main job."""

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("axe_playwright_python", reason="axe-core is not installed")
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page

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


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("lab", LABS)
def test_axe_finds_nothing_grave(context: BrowserContext, address: str, lab: str, theme: str) -> None:
    page = open_lab(context.new_page(), address, lab, f"__theme={theme}")
    before = grave(page)
    JOBS[lab](page)
    after = grave(page)
    page.close()
    assert (before, after) == ([], [])


def test_axe_sees_what_is_wrong(context: BrowserContext, address: str) -> None:
    page = open_lab(context.new_page(), address, "face")
    page.locator("#tl-animate").evaluate(FAINT_JS)
    page.locator("#tl-face-portrait").evaluate("one => one.append(document.createElement('button'))")
    found = {line.partition(":")[0] for line in grave(page)}
    page.close()
    assert {"color-contrast", "button-name"} <= found
