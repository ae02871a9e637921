"""`python -m tests.browser.loading [--write]`: how long a slow line takes to bring the page, lab by lab.

The line is Chromium's own emulation of a fast 3G: 400 ms there and back, 1.6 Mbit/s down, 0.75 up. Under the
table stands what moved on the page while it came (Cumulative Layout Shift), where anything did.
"""

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
# What is there before, when the lab's question can be asked: of Scene a still of the room, or the room.
SEEN = {**USABLE, "scene": f".sv-still:not([hidden]), {USABLE['scene']}"}
SCREENS: Mapping[str, Mapping[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 800}},
    "phone": {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True},
}
SHIFT_JS = """() => {
  window.shift = 0;
  window.moved = [];
  const place = ({x, y, width, height}) => [x, y, width, height].map(Math.round).join(' ');
  const named = node => {
    const one = node?.nodeType === Node.TEXT_NODE ? node.parentElement : node;
    return one ? `${one.tagName.toLowerCase()}.${one.className} in #${one.closest('[id]')?.id}` : 'gone';
  };
  new PerformanceObserver(list => {
    for (const one of list.getEntries()) {
      if (one.hadRecentInput) continue;
      window.shift += one.value;
      const at = `${one.value.toFixed(4)} after ${Math.round(one.startTime)} ms:`;
      for (const {node, previousRect, currentRect} of one.sources)
        window.moved.push(`${at} ${named(node)}, ${place(previousRect)} -> ${place(currentRect)}`);
    }
  }).observe({type: 'layout-shift', buffered: true});
}"""
# Asked in every frame; a selector that is waited for is looked for every half second.
SHOWN_JS = "wanted => [...document.querySelectorAll(wanted)].some(one => one.checkVisibility())"
SLOW = 300_000  # milliseconds
STILL = 2_500  # milliseconds after which nothing moves any more


@dataclass(frozen=True)
class Opening:
    """One cold opening of a lab. seen: seconds until SEEN, seconds: until USABLE.

    moved: a line for each element that moved, and from where to where.
    """

    seen: float
    seconds: float
    megabytes: float
    shift: float
    moved: tuple[str, ...]


def opened(browser: Browser, url: str, lab: str, screen: str, line: Mapping[str, object] | None) -> Opening:
    """Open a lab by its address in a browser that has nothing of it. line: None for the machine's own."""
    context = browser.new_context(**SCREENS[screen])
    tab = context.new_page()
    tab.add_init_script(f"({SHIFT_JS})()")
    wire = context.new_cdp_session(tab)
    brought: list[float] = []
    wire.on("Network.loadingFinished", lambda event: brought.append(event["encodedDataLength"]))
    wire.send("Network.enable")
    if line is not None:
        wire.send("Network.emulateNetworkConditions", dict(line))
    began = time.monotonic()
    tab.goto(f"{url}?lab={lab}&__theme=light", wait_until="commit", timeout=SLOW)
    tab.wait_for_function(SHOWN_JS, arg=SEEN[lab], timeout=SLOW)
    tab.wait_for_function("[...document.images].every(one => one.complete)", timeout=SLOW)
    seen = time.monotonic() - began
    tab.wait_for_function(SHOWN_JS, arg=USABLE[lab], timeout=SLOW)
    seconds, megabytes = time.monotonic() - began, sum(brought) / 1e6
    tab.wait_for_timeout(STILL)
    found = Opening(
        seen, seconds, megabytes, tab.evaluate("window.shift"), tuple(tab.evaluate("window.moved"))
    )
    context.close()
    return found


def main(write: bool) -> None:
    """Print the table; `write` puts it into docs/RESULTS.md."""
    os.environ.update(GRADIO_ANALYTICS_ENABLED="0", HF_HUB_OFFLINE="1")
    running = page.start("127.0.0.1", None)
    url = running.local_url
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        opened(browser, url, "scene", "desktop", LINE)  # the server's first answer is made, not kept
        found = {
            lab: {screen: opened(browser, url, lab, screen, LINE) for screen in SCREENS} for lab in USABLE
        }
        browser.close()
    running.close(verbose=False)
    table = results.markdown([_row(lab, screens) for lab, screens in found.items()])
    print(table)
    for lab, screens in found.items():
        for screen, one in screens.items():
            print(
                *(f"{lab}, {screen}: {line}" for line in one.moved), sep="\n", end="\n" if one.moved else ""
            )
    if write:
        results.write("loading", f"{TITLE}\n\n{table}\n\n`python -m tests.browser.loading --write`")


def _row(lab: str, screens: Mapping[str, Opening]) -> dict[str, object]:
    desktop = screens["desktop"]
    return {
        "lab": lab,
        "seen, s": f"{desktop.seen:.1f}",
        "usable, s": f"{desktop.seconds:.1f}",
        "brought until then, MB": f"{desktop.megabytes:.2f}",
        **{f"shift, {screen}": f"{one.shift:.3f}" for screen, one in screens.items()},
    }


TITLE = """## Opening the page on a slow line

Each lab opened by its address in a browser that has nothing of it; 400 ms there and back, 1.6 Mbit/s down.
Seen is when a still of the room stands there and the sentence can be asked, usable when the room is drawn and
turns; of the others both are when the face's examples stand there, the shapes can be clicked; shift is the
cumulative layout shift, on 1280 x 800 pixels and on a phone's 390 x 844. The room is drawn in software, on a
machine that had no other work.
Before the document was compressed and the scan had an address, the same command on the same machine gave
61.2, 12.4 and 12.2 s for 2.35, 0.86 and 0.86 MB."""

if __name__ == "__main__":
    main("--write" in sys.argv)
