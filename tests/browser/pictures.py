"""`python -m tests.browser.pictures [NAME ...]` takes docs/*.png: the page with what ships."""

import os
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Page, sync_playwright

from app import page
from app.scene import example_cache
from models.scene import pipeline
from models.scene.grounding.registry import GROUNDERS
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.odd_scans import ODD
from tests.scene.scan_makers import ply

DOCS = Path(__file__).parents[2] / "docs"
SHOTS = {
    "page": ({"__theme": "light"}, (1440, 900)),
    "page-dark": ({"__theme": "dark"}, (1440, 900)),
    "page-zh": ({"__theme": "light", "lang": "zh-CN", "q": "离电视最近的扶手椅"}, (1440, 900)),
    "talk": ({"__theme": "light", "talk": "1"}, (1600, 900)),
    "phone": ({"__theme": "light"}, (390, 844)),
    "compare": ({"__theme": "light", "methods": ",".join(GROUNDERS.shipped)}, (1440, 900)),
    "caption": ({"__theme": "light", "q": ""}, (1440, 900)),
    "raw": ({"__theme": "light", "q": ""}, (1440, 900)),
    **{name: ({"__theme": "light", "q": ""}, (1440, 1080)) for name in ODD},
    "colonoscopy-page": ({"__theme": "light", "lab": "colonoscopy"}, (1440, 900)),
    "face": ({"__theme": "light", "lab": "face", "say": "Good morning! I am only a picture."}, (1440, 900)),
}
RAW = "room_office_01"  # shown without its labels
SLOW = 300_000  # milliseconds


def main(names: list[str]) -> None:
    """One picture for each of SHOTS, of the first shipped scan with an example sentence answered."""
    os.environ.update(GRADIO_ANALYTICS_ENABLED="0", HF_HUB_OFFLINE="1")
    scan = example_cache.names()[0]
    asked = {"scan": scan, "q": example_cache.sentences(scan)[0]}
    running = page.start("127.0.0.1", None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for name in names or SHOTS:
            query, (width, height) = SHOTS[name]
            tab = browser.new_page(viewport={"width": width, "height": height})
            tab.set_default_timeout(SLOW)
            tab.goto(f"{running.local_url}?{urlencode({**asked, **query})}")
            if "lab" not in query:
                tab.wait_for_selector(".sv[data-state=ready]")
            if name in ODD:
                bring(tab, name)
            else:
                SHOWN.get(name, answered)(tab)
            tab.wait_for_timeout(2000)
            tab.screenshot(path=DOCS / f"{name}.png")
            tab.close()
        browser.close()
    running.close(verbose=False)


def answered(tab: Page) -> None:
    """Wait for the answer of the link's sentence."""
    tab.wait_for_selector(".tl-verdict")


def look(tab: Page) -> None:
    """Have the room described, stop at some, and look at an object."""
    tab.locator("#tl-room [data-do=describe]").click()
    tab.wait_for_selector("#tl-room a")
    tab.locator("#tl-room li:has-text('couch')").first.click()
    tab.wait_for_selector(".tl-caption:not(.tl-saying)")


def find(tab: Page) -> None:
    """Upload a room without its labels, and wait for the objects that are found."""
    scan = pipeline.open_example(RAW)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "room.ply"
        file.write_bytes(ply(scan.aligned, scan.colours, scan.faces))
        tab.locator("input[type=file]").first.set_input_files(file)
        tab.wait_for_selector(".tl-list")
    tab.wait_for_selector(".sv[data-state=ready]")


def bring(tab: Page, name: str) -> None:
    """Upload an odd scan and wait until it is drawn, and what was made of it is told."""
    with tempfile.TemporaryDirectory() as folder:
        tab.locator("input[type=file]").first.set_input_files(ODD[name](Path(folder)))
        tab.wait_for_selector("#tl-scans:not(:has(input:checked))", state="attached")
        tab.wait_for_selector(".tl-read, #tl-notice p, #tl-status p", state="attached")
    tab.wait_for_selector(".sv[data-state=ready]")
    tab.wait_for_timeout(15_000)


def draw(tab: Page) -> None:
    """Four frames of a shape that is offered."""
    tab.locator("[data-preset=oval]").click()
    tab.locator("#tl-draw").click()
    tab.wait_for_selector(".rs[data-count='4']")


def speak(tab: Page) -> None:
    """Let the example portrait say what is typed, and stop at an open mouth."""
    tab.locator("#tl-face-example").click()
    tab.wait_for_selector("#tl-face-portrait img")
    tab.locator("#tl-face-consent input").check()
    tab.locator("#tl-animate").click()
    tab.wait_for_selector(".ts[data-state=ready]")
    tab.locator(".ts-views button").nth(1).click()
    tab.wait_for_timeout(2000)
    tab.locator("#tl-face-screen video").evaluate("video => { video.pause(); video.currentTime = 0.6; }")


SHOWN = {"caption": look, "raw": find, "face": speak, "colonoscopy-page": draw}  # what is done before

if __name__ == "__main__":
    main(sys.argv[1:])
