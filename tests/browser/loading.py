"""`python -m tests.browser.loading [--write]`: how long a slow line takes to bring the page, lab by lab.

The line is Chromium's own emulation of a fast 3G: 400 ms there and back, 1.6 Mbit/s down, 0.75 up.
"""

import os
import sys
import time

from playwright.sync_api import Browser, sync_playwright

from app import page
from models.core import results
from tests.browser.conftest import CHROMIUM, FLAGS

LINE = {"offline": False, "latency": 400, "downloadThroughput": 200_000, "uploadThroughput": 93_750}
# What is there when a lab can be used.
USABLE = {
    "scene": ".sv[data-state=ready]",
    "face": "#tl-face-chips button",
    "colonoscopy": ".mp-presets img",
}
SHIFT_JS = """() => {
  window.shift = 0;
  new PerformanceObserver(list => {
    for (const one of list.getEntries()) if (!one.hadRecentInput) window.shift += one.value;
  }).observe({type: 'layout-shift', buffered: true});
}"""
SLOW = 300_000  # milliseconds


def opened(browser: Browser, url: str, lab: str) -> dict[str, object]:
    """One cold opening of a lab: the row of the table."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    tab = context.new_page()
    tab.add_init_script(f"({SHIFT_JS})()")
    line = context.new_cdp_session(tab)
    brought: list[float] = []
    line.on("Network.loadingFinished", lambda event: brought.append(event["encodedDataLength"]))
    line.send("Network.enable")
    line.send("Network.emulateNetworkConditions", LINE)
    began = time.monotonic()
    tab.goto(f"{url}?lab={lab}&__theme=light", wait_until="commit", timeout=SLOW)
    tab.wait_for_selector(USABLE[lab], timeout=SLOW)
    usable = time.monotonic() - began
    megabytes = sum(brought) / 1e6
    tab.wait_for_timeout(1500)
    shift = tab.evaluate("window.shift")
    context.close()
    return {
        "lab": lab,
        "usable, s": usable,
        "brought until then, MB": f"{megabytes:.2f}",
        "shift": f"{shift:.3f}",
    }


def main(write: bool) -> None:
    """Print the table; `write` puts it into docs/RESULTS.md."""
    os.environ.update(GRADIO_ANALYTICS_ENABLED="0", HF_HUB_OFFLINE="1")
    running = page.start("127.0.0.1", None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        opened(browser, running.local_url, "scene")  # the server's first answer is made, not kept
        rows = [opened(browser, running.local_url, lab) for lab in USABLE]
        browser.close()
    running.close(verbose=False)
    table = results.markdown(rows)
    print(table)
    if write:
        results.write("loading", f"{TITLE}\n\n{table}\n\n`python -m tests.browser.loading --write`")


TITLE = """## Opening the page on a slow line

Each lab opened by its address in a browser that has nothing of it; 400 ms there and back, 1.6 Mbit/s down.
Usable is when the room is drawn, the face's examples stand there, the shapes can be clicked; shift is the
cumulative layout shift. The room is drawn in software, on a machine that had other work.
Before the document was compressed and the scan had an address, the same command on the same machine gave
61.2, 12.4 and 12.2 s for 2.35, 0.86 and 0.86 MB."""

if __name__ == "__main__":
    main("--write" in sys.argv)
