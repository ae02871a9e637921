"""A browser's context that waits for a machine that draws in software and has company."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, BrowserContext, Locator, expect

SLOW = 90_000  # milliseconds
ATTEMPTS = 3
WATCH_JS = """button => {
  button.dataset.taken = '';
  const note = () => { if (button.disabled) button.dataset.taken = 'yes'; };
  new MutationObserver(note).observe(button, {attributes: true, attributeFilter: ['disabled']});
}"""
CLICK_JS = "(button, times) => { for (let i = 0; i < times; i++) button.click(); }"


def press(button: Locator, times: int = 1) -> None:
    """Click (many times at once), and wait until the page has taken it: the button is out of use for a while.

    The page itself takes note: on a busy machine a look from outside may come when all is over. Gradio now
    and then drops a click on such a machine; then it is clicked again, as a visitor would.
    """
    expect(button).to_be_enabled()
    button.evaluate(WATCH_JS)
    for attempt in range(ATTEMPTS):
        button.evaluate(CLICK_JS, times)
        try:
            expect(button).to_have_attribute("data-taken", "yes", timeout=SLOW // ATTEMPTS)
            return
        except AssertionError:
            if attempt + 1 == ATTEMPTS:
                raise


@contextmanager
def patient(browser: Browser, width: int = 1280) -> Iterator[BrowserContext]:
    """A context of width x 900 in which everything may take SLOW."""
    expect.set_options(timeout=SLOW)
    context = browser.new_context(viewport={"width": width, "height": 900})
    context.set_default_timeout(SLOW)
    yield context
    context.close()
    expect.set_options(timeout=5_000)
