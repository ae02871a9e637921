"""Nothing that a visitor is about to read or to press moves away while the page loads."""

from collections.abc import Iterator

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Browser

from app import page as app_page
from tests.browser import loading

MOST = 0.05  # half of what is called good


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """What ships, whose scans have as much to tell as a visitor's first one."""
    running = app_page.start("127.0.0.1", None)
    yield running.local_url
    running.close(verbose=False)


@pytest.mark.parametrize("lab", loading.USABLE)
@pytest.mark.parametrize("screen", loading.SCREENS)
def test_a_lab_opened_by_its_address_hardly_moves(
    browser: Browser, address: str, lab: str, screen: str
) -> None:
    seen = loading.opened(browser, address, lab, screen, line=None)
    assert seen.shift <= MOST, "\n".join(seen.moved)
