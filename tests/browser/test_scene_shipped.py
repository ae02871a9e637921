"""The scene tab with what ships: a demo scan, the trained network, a sentence, the right object."""

import re
from collections.abc import Iterator

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Browser, Page, expect

from app import page as app_page
from app.precompute import CHECKPOINT
from models.core import checkpoints
from models.scene import pipeline

FIELD = "#tl-sentence :is(input, textarea)"
SCAN = "room_office_01"
SLOW = 90_000  # milliseconds: software drawing on a machine with company

pytestmark = pytest.mark.skipif(
    not (checkpoints.FOLDER / CHECKPOINT / "model.safetensors").exists(), reason="the checkpoint is not here"
)


@pytest.fixture(scope="module")
def office(browser: Browser) -> Iterator[Page]:
    running = app_page.start("127.0.0.1", None)
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(SLOW)
    expect.set_options(timeout=SLOW)
    page = context.new_page()
    page.goto(f"{running.local_url}?scan={SCAN}")
    expect(page.locator(".sv[data-state=ready]")).to_be_visible()
    yield page
    expect.set_options(timeout=5_000)
    context.close()
    running.close(verbose=False)


def ask(page: Page, sentence: str) -> None:
    page.locator(FIELD).fill(sentence)
    page.locator(FIELD).press("Enter")


def test_the_network_finds_the_right_trash_can_and_says_why(office: Page) -> None:
    ask(office, "the trash can that stands next to the whiteboard")  # no stored answer: the network itself
    expect(office.locator(".tl-words")).to_contain_text("stands")
    board = next(one for one in pipeline.open_example(SCAN).instances if one.label == "whiteboard")
    cans = [one for one in pipeline.open_example(SCAN).instances if one.label == "trash can"]
    nearest = min(cans, key=lambda one: float(abs(one.box[:3] - board.box[:3]).sum()))
    expect(office.locator(".tl-verdict b")).to_contain_text(f"trash can {nearest.id}")
    expect(office.locator(".tl-how")).to_contain_text(checkpoints.card(CHECKPOINT).sha256)
    expect(office.locator(".sv-winner")).to_be_visible()
    expect(office.locator("#tl-panel")).to_contain_text(re.compile(rf"whiteboard\s*{board.id}"))


def test_what_is_not_in_the_scan_is_not_found(office: Page) -> None:
    ask(office, "the bathtub in the corner")
    expect(office.locator(".tl-verdict")).to_contain_text("bathtub")
    expect(office.locator(".sv-winner")).to_have_count(0)
