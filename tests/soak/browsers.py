"""Browsers of the soak: people who open the page, draw, ask, look, and close it or lose it in the middle.

Each has a Chromium of its own, at a lower priority than the server that it asks, and kills it now and then
as a crash would.
"""

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, Playwright, expect, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from tests.browser.conftest import CHROMIUM, FLAGS
from tests.scene import scan_makers
from tests.soak.tally import JOB_SECONDS, Tally

ANSWER = JOB_SECONDS * 1000  # milliseconds
STEP = 180_000  # of the page alone, on a machine that others use
LABS = {"draw": "colonoscopy", "stop": "colonoscopy", "animate": "face"}
FIELD = "#tl-sentence :is(input, textarea)"
# A browser that is one of many gives way to the server: its processes inherit that, where they may not lift
# themselves again, as root's may. The shell's id becomes the browser's, and it leads a group with them all.
STARTER = """#!/bin/sh
echo $$ > "{pid}"
[ "$(id -u)" = 0 ] && command -v setpriv > /dev/null && meek="setpriv --bounding-set=-sys_nice"
exec $meek nice -n 5 "{chromium}" "$@"
"""


class ToldError(Exception):
    """The page said in a sentence why there is no answer."""


class Person:
    """Opens the page again and again in a Chromium of its own."""

    def __init__(self, address: str, folder: Path, tally: Tally, seed: int) -> None:
        self.address, self.tally, self.random = address, tally, random.Random(seed)
        self.secret = tally.secret()
        self.folder = folder / self.secret
        self.folder.mkdir()
        self.pid = self.folder / "pid"
        self.starter = self.folder / "chromium"
        self.starter.write_text(STARTER.format(pid=self.pid, chromium=CHROMIUM))
        self.starter.chmod(0o700)
        self.files = list(
            scan_makers.scannet(
                self.folder / "scan", self.secret, labels=("floor", "table", self.secret)
            ).values()
        )

    def live(self, over: threading.Event) -> None:
        """Visits until told to stop; a browser that was killed is followed by another."""
        with sync_playwright() as playwright:
            while not over.is_set():
                try:
                    self._browse(playwright, over)
                finally:
                    self.kill()

    def _browse(self, playwright: Playwright, over: threading.Event) -> None:
        """A browser's life: some visits, then it is closed, or killed in one."""
        browser = playwright.chromium.launch(executable_path=self.starter, headless=True, args=FLAGS)
        for _ in range(self.random.randint(2, 5)):
            if over.is_set():
                break
            if self.random.random() < 0.15:
                self._visit(browser, self.crash)
                return
            ways = (self.draw, self.stop, self.ask, self.own, self.animate, self.leave)
            self._visit(browser, self.random.choice(ways))
        browser.close()

    def kill(self) -> None:
        """End the browser's processes, all of them, whatever became of it."""
        with suppress(OSError, ValueError):
            os.killpg(int(self.pid.read_text()), signal.SIGKILL)
        self.pid.unlink(missing_ok=True)

    def _visit(self, browser: Browser, way: Callable[[Page], None]) -> None:
        name, began = way.__name__, time.monotonic()
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(STEP)
        page = context.new_page()
        thrown: list[str] = []
        page.on("pageerror", lambda error: thrown.append(str(error)))
        try:
            page.goto(f"{self.address}?lab={LABS.get(name, 'scene')}")
            page.locator("#tl-labs").wait_for()
            self.tally.page_took(time.monotonic() - began)
            way(page)
            self.tally.look(page.content(), self.secret)
        except ToldError as told:
            self.tally.told(f"browser {name}", str(told))
        except (PlaywrightError, AssertionError) as error:
            if way != self.crash:
                seconds = time.monotonic() - began
                self.tally.lost(f"browser {name} after {seconds:.0f} s", " ".join(str(error).split())[:250])
        self.tally.expect(not thrown, f"browser {name}: a script threw {thrown[:1]}")
        self.tally.done(f"browser {name}")
        with suppress(PlaywrightError):
            context.close()

    def draw(self, page: Page) -> None:
        """A preset, Draw; all the frames must stand in the strip."""
        self._begin_drawing(page, self.random.randint(1, 4))
        count = int(page.locator("#tl-count input[type=number]").input_value())
        _answered(page, page.locator(f".rs[data-count='{count}']"))
        expect(page.locator(".rs-card:not(.rs-making)")).to_have_count(count, timeout=STEP)

    def stop(self, page: Page) -> None:
        """Stopped in the middle: the button must come back."""
        self._begin_drawing(page, 4)
        page.wait_for_timeout(self.random.uniform(500, 8000))
        with suppress(PlaywrightError):  # it may all be done by now
            page.locator("#tl-stop").click(timeout=5000)
        expect(page.locator("#tl-draw")).to_be_enabled(timeout=ANSWER)

    def _begin_drawing(self, page: Page, count: int) -> None:
        page.locator(".mp-presets button").first.click()
        page.locator("#tl-count input[type=number]").fill(str(count))
        page.locator("#tl-count input[type=number]").press("Tab")
        page.locator("#tl-draw").click()

    def ask(self, page: Page) -> None:
        """A question about the scan that is open."""
        _answered(page, page.locator(".sv[data-state=ready]"))
        self._find(page, "the chair")
        _answered(page, page.locator(".tl-verdict"))

    def own(self, page: Page) -> None:
        """A scan of one's own, whose chair is called by the secret; it must be what is asked."""
        _answered(page, page.locator(".sv[data-state=ready]"))
        page.locator("#tl-scene input[type=file]").first.set_input_files(self.files)
        _answered(page, page.locator("#tl-status:has-text('3 objects')"))
        self._find(page, "the table")
        _answered(page, page.locator(".tl-verdict"))
        self.tally.expect("table" in page.locator(".tl-verdict").inner_text(), "no table in the own scan")

    def animate(self, page: Page) -> None:
        """The example portrait says the example sentence."""
        page.locator("#tl-face-example").click()
        _answered(page, page.locator("#tl-face-portrait img"))
        page.locator("#tl-face-text textarea").fill("Hi.")
        page.locator("#tl-face-consent input").check()
        page.locator("#tl-animate").click()
        _answered(page, page.locator("#tl-face-screen .ts[data-state=ready] video"))

    def leave(self, page: Page) -> None:
        """Asks and closes the page before the answer."""
        self._find(page, "the table")

    def crash(self, page: Page) -> None:
        """Asks, and the browser is gone."""
        self._find(page, "the table")
        page.wait_for_timeout(self.random.uniform(0, 2000))
        self.kill()

    def _find(self, page: Page, sentence: str) -> None:
        page.locator(FIELD).first.fill(sentence)
        page.locator("#tl-find").click()


def _answered(page: Page, answer: Locator) -> None:
    """Wait for an answer, or for the sentence that stands in its place. Raises ToldError."""
    told = page.locator(".tl-notice:visible, .toast-body:visible")
    expect(answer.or_(told).first).to_be_visible(timeout=ANSWER)
    if not answer.first.is_visible():
        raise ToldError(told.first.inner_text())
