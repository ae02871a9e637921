"""The colonoscopy tab as a visitor uses it, in a real browser; the networks are a stand-in here."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect

from app.colonoscopy import mask_presets
from tests.browser.patience import patient, watched
from tests.colonoscopy import stand_in

TOUCH_JS = """stage => {
  const {left, top, width} = stage.getBoundingClientRect();
  const finger = {bubbles: true, cancelable: true, isPrimary: true, pointerId: 9, pointerType: 'touch'};
  for (const [kind, x] of [['down', 0.3], ['move', 0.5], ['move', 0.7], ['up', 0.7]]) {
    const at = {clientX: left + x * width, clientY: top + 0.5 * width};
    stage.dispatchEvent(new PointerEvent(`pointer${kind}`, {...finger, ...at, button: 0}));
  }
}"""
TAG_JS = "document.querySelectorAll('.rs-card').forEach(card => { card.dataset.before = 'yes'; })"
PAINTED_JS = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
BOX_JS = "path => { const {x, y, width, height} = path.getBBox(); return {x, y, width, height}; }"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with stand_in.served(stand_in.drawing(steps=4, pause=0.25)) as address:
        yield address


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    with patient(browser, width=1440) as context:
        yield context


@pytest.fixture(scope="module")
def lab(context: BrowserContext, address: str) -> Iterator[Page]:
    """One page for the tests that only draw: they share it, and each begins with an empty pad."""
    with watched(context) as page:
        yield opened(page, address)


@pytest.fixture
def pad(lab: Page) -> Page:
    """The shared page with nothing drawn and the brush chosen."""
    lab.locator(".mp-stage").focus()
    lab.keyboard.press("Delete")
    lab.keyboard.press("b")
    expect(lab.locator(".mp-area")).to_have_text("Nothing drawn yet")
    return lab


def opened(page: Page, address: str, query: str = "") -> Page:
    page.goto(f"{address}?lab=colonoscopy&{query}")
    expect(page.locator(".mp-presets img").first).to_be_visible()
    return page


def drag(page: Page, *places: tuple[float, float]) -> None:
    """Press the mouse at the first place of the pad (shares of its sides), let go at the last."""
    frame = page.locator(".mp-stage").bounding_box()
    assert frame is not None
    spots = [(frame["x"] + x * frame["width"], frame["y"] + y * frame["height"]) for x, y in places]
    page.mouse.move(*spots[0])
    page.mouse.down()
    for spot in spots[1:]:
        page.mouse.move(*spot, steps=4)
    page.mouse.up()


def area(page: Page) -> float:
    """What the pad says is covered, in per cent."""
    page.evaluate(PAINTED_JS)
    return float(page.locator(".mp").get_attribute("data-area") or 0)


def draw_frames(page: Page, count: int) -> None:
    page.locator("#tl-count input[type=number]").fill(str(count))
    page.locator("#tl-count input[type=number]").press("Tab")
    page.evaluate(TAG_JS)
    page.locator("#tl-draw").click()
    # Others than before: the button may be back before a busy machine looks whether it went.
    expect(page.locator(".rs-card:not(.rs-making):not([data-before])")).to_have_count(count)
    expect(page.locator(f".rs[data-count='{count}']")).to_be_visible()
    expect(page.locator("#tl-draw")).to_be_enabled()


def test_a_mask_drawn_with_the_mouse_becomes_frames(pad: Page) -> None:
    drag(pad, (0.3, 0.3), (0.6, 0.3), (0.6, 0.6), (0.3, 0.6), (0.3, 0.3), (0.45, 0.45))
    covered = area(pad)
    assert 5 < covered < 20
    expect(pad.locator(".mp-area")).to_contain_text("Polyp area")
    draw_frames(pad, 2)
    expect(pad.locator(".rs-card b").first).to_contain_text("Dice score 0.9")
    expect(pad.locator(".rs-card figcaption").nth(1)).to_contain_text("Seed 8 · ArSDM")
    expect(pad.locator("#tl-colonoscopy-status")).to_contain_text("2 frames in")
    outline = pad.locator(".rs-card path.rs-drawn").first.evaluate(BOX_JS)
    assert 0.22 * 256 < outline["x"] < 0.3 * 256
    assert 0.6 * 256 < outline["x"] + outline["width"] < 0.68 * 256
    pad.locator("[data-line=found]").click()
    expect(pad.locator(".rs-card g.rs-found").first).to_be_hidden()
    pad.locator("[data-line=found]").click()
    pad.locator(".rs-picture").first.click()
    expect(pad.locator(".rs-view img")).to_be_visible()
    pad.keyboard.press("ArrowRight")
    expect(pad.locator(".rs-lines")).to_contain_text("Seed 8")
    pad.keyboard.press("Escape")
    expect(pad.locator(".rs-view img")).to_be_hidden()


def test_a_closed_ring_is_filled_and_an_erased_hole_stays(pad: Page) -> None:
    drag(pad, (0.3, 0.3), (0.6, 0.3), (0.6, 0.6), (0.3, 0.6), (0.3, 0.3))
    filled = area(pad)
    assert filled > 100 * 0.3 * 0.3
    pad.keyboard.press("x")
    drag(pad, (0.45, 0.45), (0.46, 0.45))
    holed = area(pad)
    assert holed < filled
    pad.keyboard.press("b")
    drag(pad, (0.8, 0.8), (0.82, 0.8))
    assert holed < area(pad) < holed + 1.5


def test_ellipse_eraser_and_undo_by_keyboard(pad: Page) -> None:
    pad.keyboard.press("e")
    drag(pad, (0.2, 0.3), (0.7, 0.7))
    full = area(pad)
    assert full == pytest.approx(100 * np.pi * 0.25 * 0.2, rel=0.02)
    pad.keyboard.press("x")
    drag(pad, (0.2, 0.5), (0.7, 0.5))
    assert area(pad) < full - 1
    pad.keyboard.press("Control+z")
    assert area(pad) == full
    pad.keyboard.press("Control+Shift+z")
    assert area(pad) < full - 1
    pad.locator("[data-do=clear]").click()
    assert area(pad) == 0
    pad.keyboard.press("Control+z")
    assert area(pad) < full - 1


def test_a_polygon_a_fill_and_a_shape_that_keys_move(pad: Page) -> None:
    pad.keyboard.press("p")
    for place in ((0.2, 0.2), (0.6, 0.2), (0.6, 0.6), (0.2, 0.6), (0.2, 0.2)):
        drag(pad, place)
    square = area(pad)
    assert square == pytest.approx(100 * 0.4 * 0.4, rel=0.03)
    pad.keyboard.press("x")
    drag(pad, (0.4, 0.4), (0.42, 0.4))
    assert area(pad) < square
    pad.keyboard.press("f")
    drag(pad, (0.41, 0.4))
    assert area(pad) == square
    drag(pad, (0.9, 0.9))  # what is outside is no hole
    assert area(pad) == square
    pad.keyboard.press("+")
    assert area(pad) == pytest.approx(1.1 * 1.1 * square, rel=0.03)
    pad.keyboard.press("-")
    for _ in range(6):
        pad.keyboard.press("Shift+ArrowLeft")
    assert area(pad) < 0.7 * square  # over the edge
    for _ in range(8):
        pad.keyboard.press("Control+z")
    assert area(pad) == square


def test_a_shape_needs_no_mouse(pad: Page) -> None:
    pad.locator("[data-preset=round]").focus()
    pad.keyboard.press("Enter")
    expect(pad.locator(".mp-area")).to_contain_text("Polyp area")
    before = area(pad)
    pad.locator(".mp-stage").focus()
    pad.keyboard.press("ArrowRight")
    pad.keyboard.press("ArrowDown")
    assert area(pad) == before
    pad.keyboard.press("Control+z")
    pad.keyboard.press("Control+z")
    pad.keyboard.press("Control+z")
    assert area(pad) == 0  # three steps: each key was one


def test_a_frame_is_taken_home_by_itself_and_by_a_link(
    pad: Page, context: BrowserContext, tmp_path: Path
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    pad.locator("[data-preset=oval]").click()
    draw_frames(pad, 2)
    with pad.expect_download() as saved:
        pad.locator(".rs-save").nth(1).click()
    assert saved.value.suggested_filename == "synthetic_arsdm_8.png"
    saved.value.save_as(tmp_path / "frame.png")
    picture = np.asarray(Image.open(tmp_path / "frame.png").convert("RGB")).astype(int)
    assert picture.shape == (256, 256, 3)
    white = (picture > 235).all(2)
    assert white[-16:].mean() > 0.01  # the mark is drawn into it
    assert not white[:-16].any()
    pad.locator(".rs-copy").nth(1).click()
    expect(pad.locator(".rs-told").nth(1)).to_have_text("Copied.")
    assert pad.evaluate("navigator.clipboard.readText()") == "8"
    covered = area(pad)
    pad.locator(".rs-link").nth(1).click()
    pad.wait_for_function("navigator.clipboard.readText().then(text => text.includes('mask='))")
    other = context.new_page()
    other.goto(pad.evaluate("navigator.clipboard.readText()"))
    expect(other.locator("#tl-seed input")).to_have_value("8")
    expect(other.locator(".mp")).to_have_attribute("data-area", f"{covered:.2f}")
    other.locator("#tl-draw").click()
    expect(other.locator(".rs[data-count='1'] .rs-card figcaption")).to_contain_text("Seed 8 · ArSDM")
    assert "mask=" not in other.url
    assert "seed=" not in other.url
    other.close()


def test_a_finger_draws_as_well(pad: Page) -> None:
    pad.locator(".mp-stage").evaluate(TOUCH_JS)
    assert 1 < area(pad) < 5


def test_a_pen_draws_over_a_resting_palm(pad: Page) -> None:
    frame = pad.locator(".mp-stage").bounding_box()
    assert frame is not None
    browser = pad.context.new_cdp_session(pad)

    def at(x: float, y: float) -> dict[str, float]:
        return {"x": frame["x"] + x * frame["width"], "y": frame["y"] + y * frame["height"]}

    def palm(kind: str, *places: tuple[float, float]) -> None:
        points = [{**at(x, y), "id": number, "radiusX": 30} for number, (x, y) in enumerate(places)]
        browser.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def pen(kind: str, x: float, y: float) -> None:
        touching = {"button": "left", "buttons": 0 if kind == "mouseReleased" else 1, "pointerType": "pen"}
        browser.send("Input.dispatchMouseEvent", {"type": kind, **at(x, y), **touching, "clickCount": 1})

    scrolled = pad.evaluate("scrollY")
    palm("touchStart", (0.8, 0.85))
    pen("mousePressed", 0.2, 0.3)
    pen("mouseMoved", 0.4, 0.3)
    palm("touchStart", (0.8, 0.85), (0.9, 0.9))  # more of the hand comes down
    palm("touchMove", (0.8, 0.7), (0.9, 0.75))
    pen("mouseMoved", 0.6, 0.3)
    pen("mouseReleased", 0.6, 0.3)
    palm("touchEnd")
    stroke = area(pad)
    assert 1 < stroke < 6 and pad.evaluate("scrollY") == scrolled
    pad.locator(".mp-stage").focus()
    pad.keyboard.press("Control+z")  # the stroke was all that was drawn
    assert area(pad) == 0
    drag(pad, (0.2, 0.3), (0.4, 0.3), (0.6, 0.3))
    assert area(pad) == pytest.approx(stroke, abs=0.3)


def test_nothing_drawn_is_told_and_a_shape_is_one_click(pad: Page) -> None:
    pad.locator("#tl-draw").click()
    expect(pad.locator("#tl-colonoscopy-notice [role=alert]")).to_contain_text("no polyp in the mask yet")
    pad.wait_for_timeout(1000)  # what sets the button free after the refusal must not do so in the next order
    pad.locator("[data-preset=oval]").click()
    assert area(pad) == pytest.approx(9.6, abs=0.3)
    draw_frames(pad, 1)
    expect(pad.locator("#tl-colonoscopy-notice [role=alert]")).to_have_count(0)


def test_stop_keeps_what_is_done_and_many_clicks_are_one(pad: Page) -> None:
    pad.locator("[data-preset=round]").click()
    pad.locator("#tl-count input[type=number]").fill("16")
    pad.locator("#tl-count input[type=number]").press("Tab")
    pad.wait_for_timeout(
        1000
    )  # until what freed the button after the order before has ended, clicks are dropped
    pad.locator("#tl-draw").evaluate("button => { for (let i = 0; i < 20; i++) button.click(); }")
    expect(pad.locator("#tl-draw")).to_be_disabled()  # else a frame drawn before could be taken for one
    expect(pad.locator(".rs-card:not(.rs-making)").first).to_be_visible()
    pad.locator("#tl-stop").click()
    expect(pad.locator("#tl-draw")).to_be_enabled()
    expect(pad.locator("#tl-colonoscopy-status")).to_contain_text("Stopped.")
    kept = int(pad.locator(".rs").get_attribute("data-count") or 0)
    assert 1 <= kept < 16
    pad.wait_for_timeout(500)
    assert int(pad.locator(".rs").get_attribute("data-count") or 0) == kept


def test_the_same_noise_through_two_models_and_the_frames_taken_home(pad: Page, tmp_path: Path) -> None:
    pad.locator("[data-preset=lobed]").click()
    draw_frames(pad, 1)
    pad.get_by_role("button", name="Compare models").click()
    names = pad.locator(".rs-beside .rs-names b")
    expect(names.first).to_contain_text("ArSDM · Dice score 0.9")
    expect(names.nth(1)).to_contain_text("LDM · Dice score")
    expect(pad.locator(".rs-over img")).to_be_visible()
    expect(pad.locator(".rs-over path.rs-found")).to_have_count(1)
    pad.get_by_role("button", name="Adaptive loss only").click()
    expect(names.nth(1)).to_contain_text("Adaptive loss only · Dice score")
    pad.locator(".rs-beside .rs-close").click()
    with pad.expect_download() as saved:
        pad.locator("#tl-zip").click()
    saved.value.save_as(tmp_path / "frames.zip")
    with zipfile.ZipFile(tmp_path / "frames.zip") as packed:
        assert sorted(name.partition("/")[0] for name in packed.namelist()) == [
            "images",
            "masks",
            "samples.json",
        ]


def test_all_models_draw_the_same_noise_in_a_grid(pad: Page, tmp_path: Path) -> None:
    pad.locator("[data-preset=oval]").click()
    pad.locator("#tl-grid-draw").click()
    expect(pad.locator(".rs[data-count='8']")).to_be_visible()
    expect(pad.locator("#tl-draw")).to_be_enabled()
    expect(pad.locator(".rs-column")).to_have_text(
        ["ArSDM", "Adaptive loss only", "SDM, the baseline", "LDM"]
    )
    expect(pad.locator(".rs-row")).to_have_text(["Seed 7", "Seed 8"])
    expect(pad.locator(".rs-card b")).to_contain_text(["Dice score 0.9"] * 8)
    places = [card.bounding_box() for card in pad.locator(".rs-card").all()]
    columns, rows = ({round(place[side]) for place in places if place} for side in "xy")
    assert len(columns) == 4 and len(rows) == 2
    pad.locator(".rs-picture").nth(5).click()
    expect(pad.locator(".rs-lines")).to_contain_text("Seed 8 · Adaptive loss only")
    pad.keyboard.press("Escape")

    pad.locator("[data-line=found]").click()
    with pad.expect_download() as saved:
        pad.get_by_role("button", name="Save all as one picture").click()
    saved.value.save_as(tmp_path / "grid.png")
    picture = np.asarray(Image.open(tmp_path / "grid.png").convert("RGB")).astype(int)
    assert saved.value.suggested_filename == "synthetic_comparison.png" and picture.shape == (644, 1200, 3)
    assert (picture[:44].max(2) < 90).sum() > 300  # the models' names, outside of the pictures
    drawn, found = (np.abs(picture - colour).max(2) < 30 for colour in ((47, 211, 230), (255, 210, 62)))
    assert drawn[44:300].sum() > 200 and found.sum() == 0
    assert (picture[286:299, 320:376].max(2) > 230).sum() > 30  # SYNTHETIC, in white

    pad.set_viewport_size({"width": 390, "height": 844})
    first, second, third = (pad.locator(".rs-card").nth(place).bounding_box() for place in range(3))
    assert first is not None and second is not None and third is not None
    assert first["y"] == second["y"] < third["y"] and first["x"] == third["x"] < second["x"]
    expect(pad.locator(".rs-card figcaption span:visible").first).to_have_text("Seed 7 · ArSDM")
    pad.set_viewport_size({"width": 1440, "height": 900})
    pad.locator("[data-line=found]").click()
    draw_frames(pad, 1)
    expect(pad.locator(".rs-column")).to_have_count(0)


def test_files_good_and_bad(pad: Page, tmp_path: Path) -> None:
    bad = tmp_path / "mask.png"
    bad.write_bytes(b"<svg onload='alert(1)'/>")
    upload = pad.locator("input[type=file]")
    masks, frames = (
        pad.locator(".tl-uploads input[type=file]").nth(1),
        pad.locator(".tl-uploads input[type=file]").nth(0),
    )
    assert upload.count() >= 2
    masks.set_input_files(bad)
    expect(pad.locator("#tl-colonoscopy-notice [role=alert]")).to_contain_text(
        "mask.png is not a picture but: SVG"
    )
    masks.set_input_files(mask_presets.FOLDER / "two.png")
    expect(pad.locator(".mp-area")).to_contain_text("5.5 %")
    expect(pad.locator("#tl-colonoscopy-notice [role=alert]")).to_have_count(0)
    picture = tmp_path / "frame.png"
    Image.fromarray(stand_in.sample().frame).save(picture)
    frames.set_input_files(picture)
    expect(pad.locator(".mp[data-backdrop]")).to_be_visible()
    pad.locator("[data-do=field]").click()
    expect(pad.locator(".mp[data-backdrop]")).to_have_count(0)


def test_chinese_dark_phone_and_talk(context: BrowserContext, address: str) -> None:
    page = context.new_page()
    opened(page, address, "lang=zh-CN&__theme=dark&talk=1")
    expect(page.locator("#tl-draw")).to_have_text("生成画面")
    expect(page.locator(".mp-area")).to_have_text("尚未绘制")
    expect(page.locator(".tl-caution")).to_contain_text("不可用于诊断")
    expect(page.locator("#tl-header header")).to_be_hidden()
    page.set_viewport_size({"width": 390, "height": 844})
    opened(page, address)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()


def test_a_page_that_is_closed_in_mid_run_frees_the_place(context: BrowserContext, address: str) -> None:
    page = opened(context.new_page(), address)
    page.locator("[data-preset=oval]").click()
    page.locator("#tl-draw").click()
    expect(page.locator(".rs-making")).to_be_visible()
    page.close()
    other = opened(context.new_page(), address)
    other.locator("[data-preset=oval]").click()
    draw_frames(other, 1)
    other.close()
