"""A browser's context that waits for a machine that draws in software and has company."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page

SLOW = 90_000  # milliseconds


@contextmanager
def patient(browser: Browser, width: int = 1280, height: int = 900, **more: Any) -> Iterator[BrowserContext]:
    """A context of width x height in which everything may take SLOW."""
    context = browser.new_context(viewport={"width": width, "height": height}, **more)
    context.set_default_timeout(SLOW)
    context.new_page()  # stays: as long as there is a page, the next one finds the scripts compiled
    yield context
    context.close()


@contextmanager
def watched(where: Browser | BrowserContext, **more: Any) -> Iterator[Page]:
    """A page of a browser or context; a script that throws on it fails the test."""
    page = where.new_page(**more)
    thrown: list[str] = []
    page.on("pageerror", lambda error: thrown.append(str(error)))
    yield page
    page.close()
    assert thrown == []
