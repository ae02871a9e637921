"""`python -m tests.browser.pictures` takes docs/*.png: the page with the shipped scans and network."""

import os
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import sync_playwright

from app import page, precompute
from tests.browser.conftest import CHROMIUM, FLAGS

DOCS = Path(__file__).parents[2] / "docs"
SHOTS = {
    "page": ({"__theme": "light"}, (1440, 900)),
    "page-dark": ({"__theme": "dark"}, (1440, 900)),
    "page-zh": ({"__theme": "light", "lang": "zh-CN"}, (1440, 900)),
    "talk": ({"__theme": "light", "talk": "1"}, (1600, 900)),
    "phone": ({"__theme": "light"}, (390, 844)),
}
SLOW = 120_000  # milliseconds


def main() -> None:
    """One picture for each of SHOTS, of the first shipped scan with an example sentence answered."""
    os.environ.update(GRADIO_ANALYTICS_ENABLED="0", HF_HUB_OFFLINE="1")
    scan = precompute.names()[0]
    asked = {"scan": scan, "q": precompute.sentences(scan)[0]}
    running = page.start("127.0.0.1", None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for name, (query, (width, height)) in SHOTS.items():
            tab = browser.new_page(viewport={"width": width, "height": height})
            tab.goto(f"{running.local_url}?{urlencode({**asked, **query})}")
            tab.wait_for_selector(".sv[data-state=ready]", timeout=SLOW)
            tab.wait_for_selector(".tl-verdict", timeout=SLOW)
            tab.wait_for_timeout(2000)
            tab.screenshot(path=DOCS / f"{name}.png", full_page=name == "phone")
            tab.close()
        browser.close()
    running.close(verbose=False)


if __name__ == "__main__":
    main()
