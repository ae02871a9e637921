"""The scene tab as a visitor uses it, in a real browser; the network is a stand-in here."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect
from scipy.ndimage import binary_erosion

from app.components import plotly_script
from tests.browser.patience import watched
from tests.scene.scan_makers import CHAIR, scannet
from tests.served import EXAMPLE, SCANS

FIELD = "#tl-sentence :is(input, textarea)"
CHAIR_ID = CHAIR + 5  # scannet() numbers its objects from 5


@pytest.fixture(scope="module")
def room(context: BrowserContext, address: str) -> Iterator[Page]:
    """A page on which the first scan is open, for tests that only ask: they share it."""
    with watched(context) as page:
        yield opened(page, address)


def opened(page: Page, address: str, query: str = "") -> Page:
    page.goto(f"{address}?{query}")
    expect(page.locator(".sv[data-state=ready]")).to_be_visible()
    return page


def ask(page: Page, sentence: str) -> None:
    page.locator(FIELD).fill(sentence)
    page.locator(FIELD).press("Enter")


def click_chair(page: Page) -> None:
    """Click in the middle of what is blue and no line in the picture: the chair. Outlines may be blue too."""
    for _ in range(20):  # a busy machine draws late
        page.wait_for_timeout(500)
        shot = page.locator(".sv").screenshot()
        picture = np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)
        blue = (picture[..., 2] > 120) & (picture[..., 2] > 2 * picture[..., 0])
        blue = binary_erosion(blue, iterations=4)
        if blue.sum() > 100:
            break
    assert blue.sum() > 100
    rows, columns = np.nonzero(blue)
    frame = page.locator(".sv").bounding_box()
    assert frame is not None
    page.mouse.click(frame["x"] + np.median(columns), frame["y"] + np.median(rows))


def test_pick_a_scan_ask_and_look_at_the_reasons(page: Page, address: str) -> None:
    opened(page, address)
    expect(page.locator("#tl-status")).to_contain_text("3 objects")
    page.get_by_text("Office", exact=True).click()
    expect(page.locator("#tl-scans label:has-text('Office') input")).to_be_checked()
    expect(page.locator(".sv[data-state=ready]")).to_be_visible()
    page.locator(FIELD).fill("the chair at the table")
    page.locator("#tl-find").click()
    expect(page.locator(".tl-verdict b")).to_have_text(re.compile(r"table\s6"))
    expect(page.locator(".tl-ranks tbody tr")).to_have_count(2)
    expect(page.locator(".tl-ranks thead")).to_contain_text("AttributeRelationLocation")
    expect(page.locator(".tl-words mark")).to_have_count(5)
    expect(page.locator(".tl-anchor")).to_contain_text("chair")
    expect(page.locator(".tl-how")).to_contain_text("name-matcher")
    expect(page.locator(".sv-winner")).to_contain_text("table")
    assert "winner" in (page.locator(".sv").get_attribute("data-traces") or "")
    assert "scan=room_office_02" in page.url
    assert "q=the+chair+at+the+table" in page.url


def test_a_row_lights_its_object_and_a_click_on_an_object_its_row(room: Page) -> None:
    ask(room, "the chair at the table")
    chair = room.locator(f".tl-ranks tr[data-object='{CHAIR_ID}']")
    chair.click()
    expect(room.locator(".sv-label:is(.sv-winner, .sv-guess)")).to_contain_text("chair")
    expect(room.locator("#tl-object")).to_contain_text("chair")
    room.locator(".tl-ranks tbody button").first.focus()
    room.keyboard.press("Enter")
    expect(room.locator("#tl-object")).to_contain_text("table")
    click_chair(room)
    expect(room.locator("#tl-object")).to_contain_text("chair")
    expect(room.locator("#tl-object")).to_contain_text("0.50 × 0.50 × 0.00 m")
    expect(chair.locator("button")).to_have_attribute("aria-pressed", "true")


def test_an_object_can_be_looked_at_before_anything_is_asked(page: Page, address: str) -> None:
    opened(page, address)
    click_chair(page)
    expect(page.locator("#tl-object")).to_contain_text("chair")
    expect(page.locator(".sv")).to_have_attribute("data-picked", str(CHAIR_ID))


def test_an_example_is_one_click(room: Page) -> None:
    ask(room, "the piano")  # so that what is awaited does not stand there already
    expect(room.locator(".tl-verdict b")).to_contain_text("Nothing")
    room.locator("#tl-examples").get_by_role("button", name=EXAMPLE).click()
    expect(room.locator(".tl-verdict b")).to_contain_text("table")
    expect(room.locator(FIELD)).to_have_value(EXAMPLE)


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        (" ", "There is no sentence yet"),
        ("стул у окна", "reads English and Chinese only"),
        ("chair " * 60, "at most 300"),
    ],
)
def test_a_sentence_that_cannot_be_asked_is_told_and_the_page_goes_on(
    room: Page, sentence: str, told: str
) -> None:
    ask(room, sentence)
    expect(room.locator("#tl-notice [role=alert]")).to_contain_text(told)
    ask(room, "the chair")
    expect(room.locator(".tl-verdict b")).to_contain_text("chair")
    expect(room.locator("#tl-notice [role=alert]")).to_have_count(0)


def test_a_sentence_that_names_nothing_says_so(room: Page) -> None:
    ask(room, "the piano")
    expect(room.locator(".tl-none")).to_contain_text("asks for “piano”")
    expect(room.locator(".sv-winner")).to_have_count(0)


def test_uploads_good_and_bad(page: Page, address: str, tmp_path: Path) -> None:
    opened(page, address)
    bad = tmp_path / "claims.ply"
    bad.write_bytes(b"ply\nformat ascii 1.0\nelement vertex 2000000000\nproperty float x\nend_header\n")
    page.locator("input[type=file]").first.set_input_files(bad)
    expect(page.locator("#tl-notice [role=alert]")).to_be_visible()
    expect(page.locator("#tl-notice")).not_to_contain_text("inside the program")
    files = scannet(tmp_path / "mine", "mine")
    page.locator("input[type=file]").first.set_input_files(list(files.values()))
    expect(page.locator("#tl-scans input:checked")).to_have_count(0)
    expect(page.locator("#tl-notice [role=alert]")).to_have_count(0)
    ask(page, "the chair")
    expect(page.locator(".tl-verdict b")).to_contain_text("chair")
    assert "q=" not in page.url


def test_a_script_in_a_sentence_is_text(room: Page) -> None:
    ask(room, 'chair <img src=x onerror="window.hacked=1"> <script>window.hacked=1</script>')
    expect(room.locator(".tl-words")).to_contain_text("<img")
    assert room.evaluate("window.hacked") is None


def test_a_link_opens_a_scan_and_answers(page: Page, address: str) -> None:
    opened(page, address, f"lab=scene&scan={SCANS[1]}&q=the+chair")
    expect(page.locator(".tl-verdict b")).to_contain_text("chair")
    expect(page.locator(FIELD)).to_have_value("the chair")
    expect(page.locator(f"#tl-scans input[value='{SCANS[1]}']")).to_be_checked()
    expect(page.locator(".sv-winner")).to_contain_text("chair")


def test_a_link_to_a_scan_that_is_not_there_is_told(page: Page, address: str) -> None:
    page.goto(f"{address}?scan=../../etc/passwd&q=the+chair")
    expect(page.locator("#tl-notice [role=alert]")).to_contain_text("no shipped scan")
    expect(page.locator(".sv-message")).to_be_visible()


def test_talk_mode_shows_one_lab_in_large_type(page: Page, address: str) -> None:
    opened(page, address, "talk=1&q=the+chair")
    expect(page.locator(".tl-verdict b")).to_be_visible()
    for hidden in ("#tl-header header", "#tl-footer"):
        expect(page.locator(hidden).first).to_be_hidden()
    size = page.locator(FIELD).evaluate("one => parseFloat(getComputedStyle(one).fontSize)")
    assert size >= 24
    page.get_by_role("button", name="Leave talk mode").click()
    expect(page.locator("#tl-header header")).to_be_visible()
    expect(page.locator(".tl-verdict b")).to_be_visible()


def test_chinese_by_link_by_switch_and_by_the_browser(page: Page, browser: Browser, address: str) -> None:
    opened(page, address, "lang=zh-CN")
    expect(page.locator("#tl-find")).to_have_text("查找")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.locator("[data-do=top]")).to_have_attribute("aria-label", "俯视")
    expect(page.locator("#tl-room li")).to_contain_text(["桌子", "椅子"])
    page.locator(".tl-search").fill("chair")  # its English name is found too
    expect(page.locator("#tl-room li:visible")).to_have_count(1)
    ask(page, " ")
    expect(page.locator("#tl-notice")).to_contain_text("还没有句子")
    page.get_by_role("button", name="English").click()
    expect(page.locator("#tl-find")).to_have_text("Find")
    context = browser.new_context(locale="zh-CN")
    other = context.new_page()
    opened(other, address, "q=the+chair")
    expect(other.locator("#tl-panel")).to_contain_text("候选物品")
    expect(other.locator("#tl-footer")).to_contain_text("程序只在本机运行")
    context.close()


def test_dark_by_link(page: Page, address: str) -> None:
    opened(page, address, "__theme=dark")
    red, green, blue = page.locator("body").evaluate(
        "body => getComputedStyle(body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)"
    )
    assert max(red, green, blue) < 60


def test_a_phone_scrolls_one_way_only(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    opened(page, address, "q=the+chair+at+the+table")
    expect(page.locator(".tl-ranks")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    panel = page.locator("#tl-panel").bounding_box()
    table = page.locator(".tl-ranks").bounding_box()
    assert panel is not None and table is not None
    assert table["x"] + table["width"] <= panel["x"] + panel["width"]


def test_the_page_asks_nobody_but_its_server(page: Page, address: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    opened(page, address, "q=the+chair")
    expect(page.locator(".tl-verdict")).to_be_visible()
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []


def test_before_the_viewer_has_come_the_room_is_seen_and_asked(page: Page, address: str) -> None:
    """As on a slow line, where what draws the room takes most of the time."""
    held: list[Route] = []
    page.route("**/*plotly*", lambda route: held.append(route))
    page.goto(f"{address}?scan={SCANS[1]}")
    still = page.locator(".sv-still")
    expect(still).to_be_visible()
    page.wait_for_function("document.querySelector('.sv-still').naturalWidth > 0")
    assert still.evaluate("still => still.src").endswith(f"still?name={SCANS[1]}")
    ask(page, "the chair")
    expect(page.locator(".tl-verdict b")).to_contain_text("chair")
    expect(page.locator(".sv[data-state=loading]")).to_be_visible()
    assert held
    for route in held:
        route.continue_()
    expect(page.locator(".sv-winner")).to_contain_text("chair")
    expect(still).to_be_hidden()


@pytest.mark.parametrize("what", ["scan", "mesh", "still", "thumbnail"])
def test_what_the_viewer_fetches_is_let_through(address: str, what: str) -> None:
    """The demonstration of the viewer alone has no guard before it."""
    found = httpx.get(f"{address}{what}?name={SCANS[1]}", timeout=60)
    assert found.status_code == 200 and len(found.content) > 1000
    assert httpx.get(f"{address}{what}?name=room_none").status_code == 404


def test_the_script_that_draws_has_a_name_that_changes_with_it(address: str) -> None:
    found = httpx.get(f"{address}{plotly_script.address()}", timeout=60)
    assert found.status_code == 200 and found.headers["content-type"].startswith("text/javascript")
    assert httpx.get(f"{address}{plotly_script.PATH}?name=another").status_code == 404


def test_a_room_is_chosen_by_its_picture_or_by_arrows(page: Page, address: str) -> None:
    fetched: list[str] = []
    page.on("request", lambda one: fetched.append(one.url) if "thumbnail?" in one.url else None)
    page.goto(f"{address}?lab=face")
    expect(page.locator("#tl-face-chips button").first).to_be_visible()
    assert fetched == []  # what isn't shown is not fetched
    with page.expect_response(lambda answer: answer.url.endswith("thumbnail?name=room_office_02")) as picture:
        opened(page, address)
    assert picture.value.ok and picture.value.headers["content-type"] == "image/webp"
    label = page.locator("#tl-scans label").nth(1).bounding_box()
    assert label is not None and 40 <= label["height"] <= 60
    page.locator("#tl-scans input").first.focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#tl-scans input").nth(1)).to_be_checked()
    expect(page).to_have_url(re.compile("room_office_02"))
    page.keyboard.press("Tab")  # one stop for all rooms
    assert page.evaluate("!document.activeElement.closest('#tl-scans')")
