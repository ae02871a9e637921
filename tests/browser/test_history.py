"""The strip of what was made earlier: a click brings it back; language, colours and a reload leave it."""

from collections.abc import Iterator

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.jobs import FIELD, animate, ask, draw, open_lab
from tests.browser.loading import SHIFT_JS


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    page = context.new_page()
    yield page
    page.close()


def entries(page: Page, name: str) -> Locator:
    return page.locator(f"#tl-history-{name} .hs-past")


def survives(page: Page, name: str, title: str) -> None:
    """The strip speaks and looks as the page does, and is there again after a reload."""
    page.locator("[data-set='lang=zh-CN']").click()
    expect(page.locator(f"#tl-history-{name} .hs-title")).to_have_text(title)
    page.locator("[data-set='__theme=dark']").click()
    expect(page.locator("body.dark")).to_have_count(1)
    expect(entries(page, name)).to_have_count(2)
    page.reload()
    expect(entries(page, name)).to_have_count(2)
    expect(page.locator(f"#tl-history-{name} .hs-title")).to_have_text(title)


def test_a_question_is_asked_again(page: Page, address: str) -> None:
    open_lab(page, address, "scene")
    expect(page.locator("#tl-history-questions")).to_be_hidden()
    ask(page)
    expect(entries(page, "questions")).to_have_count(1)
    page.locator("#tl-scans label", has_text="Office").click()
    expect(page.locator(FIELD)).to_have_value("")
    page.locator(FIELD).fill("the chair")
    page.locator(FIELD).press("Enter")
    expect(entries(page, "questions")).to_have_count(2)
    expect(entries(page, "questions").first).to_have_attribute("aria-current", "true")
    expect(entries(page, "questions").last).to_contain_text("Bedroom")
    entries(page, "questions").last.click()
    expect(page.locator(FIELD)).to_have_value("the chair at the table")
    expect(page.locator("#tl-scans label:has-text('Bedroom') input")).to_be_checked()
    expect(page.locator(".tl-verdict b")).to_contain_text("table")
    expect(page.locator(".sv-label.sv-winner, .sv-label.sv-guess")).to_contain_text("table")
    expect(entries(page, "questions").last).to_have_attribute("aria-current", "true")
    assert "room_bedroom_01" in page.url
    survives(page, "questions", "之前的提问")
    entries(page, "questions").first.click()
    expect(page.locator(FIELD)).to_have_value("the chair")
    expect(page.locator(".tl-verdict b")).to_contain_text("椅子")


def test_the_strip_is_one_stop_of_the_keyboard(page: Page, address: str) -> None:
    open_lab(page, address, "scene")
    for count, sentence in enumerate(("the table", "the chair", "the floor"), start=1):
        page.locator(FIELD).fill(sentence)
        page.locator(FIELD).press("Enter")
        expect(entries(page, "questions")).to_have_count(count)
    expect(page.locator("#tl-history-questions [tabindex='0']")).to_have_count(1)
    entries(page, "questions").first.focus()
    for key in ("ArrowRight", "End", "ArrowLeft", "ArrowRight"):
        page.keyboard.press(key)
    expect(entries(page, "questions").last).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(FIELD)).to_have_value("the table")
    expect(entries(page, "questions").last).to_have_attribute("aria-current", "true")
    expect(entries(page, "questions").last).to_be_focused()


def test_frames_come_back_with_their_settings(page: Page, address: str) -> None:
    open_lab(page, address, "colonoscopy")
    draw(page)
    area = page.locator(".mp-area").inner_text()
    expect(entries(page, "drawings")).to_have_count(1)
    page.locator("[data-preset=round]").click()
    page.locator("#tl-seed input").fill("90")
    page.locator("#tl-model label").nth(2).click()
    page.locator("#tl-draw").click()
    expect(entries(page, "drawings")).to_have_count(2)
    expect(page.locator("#tl-draw")).to_be_enabled()
    expect(page.locator(".rs-card").first).to_contain_text("90")
    entries(page, "drawings").last.click()
    expect(page.locator(".rs-card").first).to_contain_text("Seed 7")
    expect(page.locator("#tl-seed input")).to_have_value("7")
    expect(page.locator("#tl-model input").first).to_be_checked()
    expect(page.locator(".mp-area")).to_have_text(area)
    survives(page, "drawings", "之前绘制的帧")
    entries(page, "drawings").first.click()
    expect(page.locator(".rs-card").first).to_contain_text("90")
    expect(page.locator("#tl-model input").nth(2)).to_be_checked()
    expect(page.locator("#tl-home")).to_be_visible()


def test_films_come_back_with_their_settings(page: Page, address: str) -> None:
    open_lab(page, address, "colonoscopy")
    page.locator("[data-preset=oval]").click()
    for count, move in enumerate((3, 5), start=1):
        page.locator("#tl-film-seconds input[type=number]").fill("0.5")
        page.locator("#tl-film-move label").nth(move).click()
        page.locator("#tl-film-go").click()
        expect(entries(page, "films")).to_have_count(count)
        expect(page.locator("#tl-film-go")).to_be_enabled()
    film = page.locator("#tl-film-screen video").get_attribute("src")
    entries(page, "films").last.click()
    expect(page.locator("#tl-film-screen video")).not_to_have_attribute("src", film or "")
    expect(page.locator("#tl-film-move input").nth(3)).to_be_checked()
    survives(page, "films", "之前生成的影片")
    entries(page, "films").first.click()
    expect(page.locator("#tl-film-screen .ts[data-state=ready] video")).to_be_visible()
    expect(page.locator("#tl-film-move input").nth(5)).to_be_checked()


def test_videos_come_back_with_their_settings(page: Page, address: str) -> None:
    open_lab(page, address, "face")
    animate(page)
    first = page.locator("#tl-face-text textarea").input_value()
    expect(entries(page, "faces")).to_have_count(1)
    page.locator("#tl-face-text textarea").fill("Another sentence.")
    page.locator("#tl-face-stage label").first.click()
    page.locator("#tl-animate").click()
    expect(entries(page, "faces")).to_have_count(2)
    expect(page.locator("#tl-animate")).to_be_enabled()
    entries(page, "faces").last.click()
    expect(page.locator("#tl-face-text textarea")).to_have_value(first)
    expect(page.locator("#tl-face-stage input").last).to_be_checked()
    survives(page, "faces", "之前的说话视频")
    expect(page.locator("#tl-face-portrait img")).to_have_count(0)
    entries(page, "faces").first.click()
    expect(page.locator("#tl-face-text textarea")).to_have_value("Another sentence.")
    expect(page.locator("#tl-face-portrait img")).to_be_visible()
    expect(page.locator("#tl-face-screen .ts[data-state=ready] video")).to_be_visible()
    page.wait_for_function("document.querySelector('#tl-face-screen video').readyState >= 1")


def test_nothing_moves_when_the_strip_comes_back(page: Page, address: str) -> None:
    open_lab(page, address, "colonoscopy")
    draw(page)
    expect(entries(page, "drawings")).to_have_count(1)
    page.add_init_script(f"({SHIFT_JS})()")
    page.reload()
    expect(entries(page, "drawings")).to_have_count(1)
    page.wait_for_timeout(500)
    assert page.evaluate("window.shift") < 0.1


def test_another_page_of_the_browser_has_nothing_of_it(
    page: Page, context: BrowserContext, address: str
) -> None:
    open_lab(page, address, "scene")
    ask(page)
    expect(entries(page, "questions")).to_have_count(1)
    other = open_lab(context.new_page(), address, "scene")
    expect(other.locator("#tl-history-questions")).to_be_hidden()
    other.close()
