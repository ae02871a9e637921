"""Real Chromium, drawing WebGL in software: what every test of this folder drives."""

import shlex
import shutil
from collections.abc import Iterator

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# The software that stands for a GPU draws WebGL alone: the page itself takes a third of the time without it.
FLAGS = shlex.split(
    "--use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader --disable-gpu-rasterization "
    "--disable-gpu-compositing --no-sandbox --disable-quic "
    "--disable-background-networking --disable-component-update --disable-sync --no-first-run"
)
# The pages of a context share a process, and so what it compiled: the page loads in half of the time.
SHARING = ("--renderer-process-limit=1", "--disable-site-isolation-trials")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A browser that a busy machine kept waiting is driven once more; the report lists who needed it."""
    for item in items:
        if item.path.parent.name == "browser":
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="session")
def browser() -> Iterator["sync_api.Browser"]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    from tests.browser.patience import SLOW

    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=[*FLAGS, *SHARING])
        sync_api.expect.set_options(timeout=SLOW)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The whole page on stand-ins, for files that serve nothing of their own."""
    from tests.browser.whole import whole

    with whole(tmp_path_factory.mktemp("scans")) as address:
        yield address


@pytest.fixture(scope="module")
def context(browser: "sync_api.Browser") -> Iterator["sync_api.BrowserContext"]:
    """A patient context of 1280 x 900, shared by the tests of a file."""
    from tests.browser.patience import patient

    with patient(browser) as context:
        yield context


@pytest.fixture
def page(context: "sync_api.BrowserContext") -> Iterator["sync_api.Page"]:
    """A fresh page of the file's context; a script that throws on it fails the test."""
    from tests.browser.patience import watched

    with watched(context) as page:
        yield page
