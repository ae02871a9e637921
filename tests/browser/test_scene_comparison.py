"""Several methods asked on the page, as a visitor would: on a shipped scan and on a raw upload."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Browser, Page, expect

from tests.browser.patience import patient
from tests.scene.scan_makers import ply, room
from tests.served import SCANS, served

FIELD = "#tl-sentence :is(input, textarea)"
THREE = "?scan={scan}&methods=instancerefer,tgnn,referit3dnet"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("scans")) as address:
        yield address


@pytest.fixture
def tab(browser: Browser, address: str) -> Iterator[Page]:
    """The page, opened by a link that names three methods."""
    with patient(browser) as context:
        page = context.new_page()
        page.goto(address + THREE.format(scan=SCANS[0]))
        expect(page.locator(".sv[data-state=ready]")).to_be_visible()
        yield page


def ask(page: Page, sentence: str) -> None:
    page.locator(FIELD).fill(sentence)
    page.locator(FIELD).press("Enter")


def test_three_methods_on_a_shipped_scan(tab: Page) -> None:
    ask(tab, "the chair at the table")
    rows = tab.locator(".tl-methods tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(1)).to_contain_text("chair 7")
    expect(tab.locator(".tl-verdict").first).to_contain_text("2 of 3")
    expect(tab.locator(".sv-label", has_text="TGNN")).to_be_visible()
    expect(tab.locator(".sv[data-traces*=marks]")).to_be_visible()
    rows.nth(1).click()
    expect(tab.locator("details[data-method=tgnn]")).to_have_attribute("open", "")
    expect(tab.locator("details[data-method=instancerefer]")).not_to_have_attribute("open", "")
    expect(tab.locator("#tl-object")).to_contain_text("chair")
    assert "methods=instancerefer%2Ctgnn%2Creferit3dnet" in tab.url
    tab.get_by_role("checkbox", name="TGNN").uncheck()
    expect(rows).to_have_count(2)
    expect(tab.locator(".tl-verdict").first).to_contain_text("All 2")


def test_captions_of_one_object_side_by_side(tab: Page) -> None:
    ask(tab, "the chair at the table")
    tab.locator(".tl-methods tbody tr").first.click()
    expect(tab.locator("#tl-object .tl-caption")).to_contain_text("This is a table. It is next to")
    expect(tab.locator(".tl-captions")).to_have_count(0)
    tab.locator("#tl-captioners").get_by_role("checkbox", name="Scan2Cap", exact=True).check()
    rows = tab.locator(".tl-captions tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.last).to_contain_text("By scan2cap it is near")
    expect(tab.locator("#tl-object .tl-caption")).to_contain_text("It is next to")
    tab.wait_for_url(re.compile("captioners=xtrans2cap%2Cscan2cap"))
    tab.locator("#tl-captioners").get_by_role("checkbox", name="X-Trans2Cap").uncheck()
    expect(rows).to_have_count(0)
    expect(tab.locator("#tl-object .tl-caption")).to_contain_text("By scan2cap")
    tab.reload()
    expect(tab.get_by_role("checkbox", name="Scan2Cap", exact=True)).to_be_checked()
    expect(tab.get_by_role("checkbox", name="X-Trans2Cap")).not_to_be_checked()


def test_three_methods_on_a_raw_upload(tab: Page, tmp_path: Path) -> None:
    vertices, colours, faces, _ = room()
    (tmp_path / "raw.ply").write_bytes(ply(vertices, colours, faces))
    with tab.expect_file_chooser() as chooser:
        tab.locator("#tl-upload").click()
    chooser.value.set_files(tmp_path / "raw.ply")
    expect(tab.locator("#tl-status")).to_contain_text("2 objects found")
    ask(tab, "the chair at the table")
    expect(tab.locator(".tl-methods tbody tr")).to_have_count(3)
