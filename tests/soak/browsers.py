"""Browsers of the soak: people who open the page, draw, ask, look, and close it or lose it in the middle."""

import random
import threading
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from tests.browser.conftest import CHROMIUM, FLAGS
from tests.soak.visitors import Tally

SLOW = 180_000  # milliseconds that a step may take on a machine that others use


class Person:
    """Opens the page again and again in a Chromium of its own."""

    def __init__(self, address: str, folder: Path, tally: Tally, seed: int) -> None:
        self.address, self.tally, self.random = address, tally, random.Random(seed)

    def live(self, over: threading.Event) -> None:
        """Visits until told to stop; at random the browser is killed in the middle of one."""
        with sync_playwright() as playwright:
            while not over.is_set():
                browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
                for _ in range(3):
                    if not over.is_set():
                        self._visit(browser)
                browser.close()

    def _visit(self, browser: Browser) -> None:
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(SLOW)
        page = context.new_page()
        way = self.random.choice((self.draw, self.ask, self.leave))
        self.tally.add("jobs")
        try:
            began = time.monotonic()
            page.goto(f"{self.address}?lab={'colonoscopy' if way == self.draw else 'scene'}")
            page.locator("#tl-labs").wait_for()
            with self.tally.lock:
                self.tally.slowest_page = max(self.tally.slowest_page, time.monotonic() - began)
            way(page)
        except (PlaywrightError, AssertionError) as error:
            self.tally.add("lost", f"browser {way.__name__}: {str(error).splitlines()[0]}")
        finally:
            context.close()

    def draw(self, page: Page) -> None:
        """A preset, Draw; all the frames must stand in the strip."""
        page.locator(".mp-preset").first.click()
        page.locator("#tl-draw").click()
        expect(page.locator("#tl-strip .rs-card")).to_have_count(4, timeout=SLOW)

    def ask(self, page: Page) -> None:
        """A question about the scan that is open."""
        page.locator("#tl-sentence textarea, #tl-sentence input").first.fill("the chair")
        page.locator("#tl-find").click()
        expect(page.locator("#tl-panel")).to_contain_text("chair", timeout=SLOW)

    def leave(self, page: Page) -> None:
        """Asks and closes the page before the answer."""
        page.locator("#tl-sentence textarea, #tl-sentence input").first.fill("the table")
        page.locator("#tl-find").click()
