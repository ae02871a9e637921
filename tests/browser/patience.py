"""A browser's context that waits for a machine that draws in software and has company."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, BrowserContext

SLOW = 90_000  # milliseconds


@contextmanager
def patient(browser: Browser, width: int = 1280) -> Iterator[BrowserContext]:
    """A context of width x 900 in which everything may take SLOW."""
    context = browser.new_context(viewport={"width": width, "height": 900})
    context.set_default_timeout(SLOW)
    yield context
    context.close()
