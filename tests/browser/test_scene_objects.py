"""Objects that are clicked, described and repaired, in a real browser; the networks are stand-ins here."""

import base64
import json
import re

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Page, expect

from tests.browser.test_scene_tab import CHAIR_ID, ask, click_chair, opened

SAID = ".tl-caption:not(.tl-saying)"


def repair(page: Page) -> None:
    if page.locator(".tl-repair").get_attribute("open") is None:
        page.locator(".tl-repair summary").click()


def rename(page: Page, label: str) -> None:
    repair(page)
    page.locator(".tl-repair input").fill(label)
    page.locator(".tl-repair input").press("Enter")


def test_a_click_is_answered_by_a_caption_and_the_answer_stays(page: Page, address: str) -> None:
    opened(page, address)
    ask(page, "the table")
    expect(page.locator(".tl-verdict b")).to_contain_text("table")
    click_chair(page)
    expect(page.locator(SAID)).to_contain_text("This is a chair.")
    expect(page.locator(SAID).locator("span").first).to_have_attribute("lang", "en")
    expect(page.locator(".tl-others li")).to_have_count(2)
    expect(page.locator(".tl-verdict b")).to_contain_text("table")
    expect(page.locator(".sv")).to_have_attribute("data-traces", re.compile("anchors"))
    page.locator("#tl-object .tl-anchor").click()
    expect(page.locator("#tl-object .tl-picked")).to_contain_text("floor")


def test_an_object_is_renamed_merged_deleted_and_all_is_undone(page: Page, address: str) -> None:
    opened(page, address)
    click_chair(page)
    expect(page.locator(SAID)).to_contain_text("chair")
    rename(page, "Bar Stool")
    expect(page.locator(SAID)).to_contain_text("This is a bar stool.")
    evil = "<img src=x onerror=window.hacked=1>"
    rename(page, evil)
    expect(page.locator(".tl-picked b")).to_contain_text(evil)
    assert page.evaluate("window.hacked") is None
    rename(page, "   ")
    expect(page.locator("#tl-notice [role=alert]")).to_be_visible()
    rename(page, "stool")
    expect(page.locator("#tl-notice [role=alert]")).to_have_count(0)
    ask(page, "the stool")
    expect(page.locator(".tl-verdict b")).to_contain_text("stool")

    page.locator(f".tl-ranks tr[data-object='{CHAIR_ID}']").click()
    expect(page.locator(SAID)).to_contain_text("This is a stool.")
    repair(page)
    page.locator(".tl-repair select").select_option(label="table 6")
    page.locator(".tl-repair form[data-do=merge] button").click()
    expect(page.locator("#tl-status")).to_contain_text("2 objects")
    page.locator(".tl-repair button[data-do=delete]").click()
    expect(page.locator("#tl-status")).to_contain_text("1 objects")
    expect(page.locator(SAID)).to_have_count(0)
    for _ in range(5):
        page.locator(".tl-undo button").click()
        page.wait_for_timeout(300)
    expect(page.locator(".tl-undo")).to_have_count(0)
    expect(page.locator("#tl-status")).to_contain_text("3 objects")
    expect(page.locator(".sv")).to_have_attribute("data-traces", "")
    click_chair(page)
    expect(page.locator(".sv")).to_have_attribute("data-picked", str(CHAIR_ID))
    expect(page.locator(SAID)).to_contain_text("This is a chair.")


def test_the_room_is_described_and_taken_home(page: Page, address: str) -> None:
    opened(page, address)
    page.get_by_role("button", name="Describe the room").dblclick()
    expect(page.locator(".tl-list li")).to_have_count(2)
    link = page.locator("#tl-room a[download]")
    expect(link).to_be_visible()
    body = json.loads(base64.b64decode((link.get_attribute("href") or "").partition("base64,")[2]))
    assert body["room_bedroom_01|7|chair"] == ["sos this is a chair . it is next to the floor . eos"]
    page.locator(f".tl-list li[data-object='{CHAIR_ID}']").click()
    expect(page.locator(SAID)).to_contain_text("This is a chair.")
    expect(page.locator(".sv")).to_have_attribute("data-picked", str(CHAIR_ID))


def test_an_object_is_searched_and_the_view_flies_there(page: Page, address: str) -> None:
    opened(page, address)
    page.locator(".tl-search").fill("chai")
    expect(page.locator(".tl-list li:visible")).to_have_count(1)
    before = page.locator(".sv-scale").inner_text()
    row = page.locator(".tl-list li:visible button")
    page.locator(".tl-search").press("ArrowDown")
    expect(row).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#tl-object .tl-caption:not(.tl-saying)")).to_contain_text("chair")
    expect(page.locator(".sv")).to_have_attribute("data-picked", str(CHAIR_ID))
    row.dblclick()
    expect(page.locator(".sv-scale")).not_to_have_text(before)
    expect(page.locator(".tl-search")).to_have_value("chai")


def test_a_link_leads_to_exactly_this_view(page: Page, address: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened(page, address)
    page.locator(f".tl-list li[data-object='{CHAIR_ID}']").click()
    expect(page.locator(".sv")).to_have_attribute("data-picked", str(CHAIR_ID))
    before = page.locator(".sv-scale").inner_text()
    page.locator(f".tl-list li[data-object='{CHAIR_ID}']").click()
    expect(page.locator(".sv-label.sv-picked")).to_be_visible()
    expect(page.locator(".sv-scale")).not_to_have_text(before)
    page.wait_for_timeout(1500)  # the flight has ended
    scale = page.locator(".sv-scale").inner_text()
    page.locator("[data-do=link]").click()
    expect(page.locator(".sv-told")).to_have_text("The link is copied.")
    page.goto(page.evaluate("navigator.clipboard.readText()"))
    expect(page.locator(".sv[data-state=ready]")).to_be_visible()
    expect(page.locator("#tl-object")).to_contain_text("chair")
    expect(page.locator(".sv-scale")).to_have_text(scale)
    assert "view=" not in page.url
