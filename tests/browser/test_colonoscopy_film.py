"""The film panel as a clinician uses it: a polyp drawn on the pad is filmed, played and taken home."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.patience import patient, watched
from tests.browser.test_accessibility import grave, grave_in
from tests.browser.test_colonoscopy_tab import drag, opened
from tests.colonoscopy import stand_in

READY = "#tl-film-screen .ts[data-state=ready]"
DRAWING = "#tl-film-screen .ts[data-state=drawing]"
# Colours of the film's outlines in what is played now: how many pixels are near the one that was asked for.
BLUE_JS = """video => {
  const {videoWidth: width, videoHeight: height} = video;
  const canvas = Object.assign(document.createElement('canvas'), {width, height});
  const pen = canvas.getContext('2d');
  pen.drawImage(video, 0, 0);
  const {data} = pen.getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let at = 0; at < data.length; at += 4) {
    const [red, green, blue] = data.slice(at, at + 3);
    count += red < 120 && green > 140 && blue > 140;
  }
  return count;
}"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with stand_in.served(pause=0.1) as address:
        yield address


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    with patient(browser, width=1440) as context:
        yield context


@pytest.fixture(scope="module")
def lab(context: BrowserContext, address: str) -> Iterator[Page]:
    """One page for all tests, which follow one another."""
    with watched(context) as page:
        yield opened(page, address, "__theme=light")


def film(page: Page, seconds: str) -> None:
    number = page.locator("#tl-film-seconds input[type=number]")
    number.fill(seconds)
    number.press("Tab")
    page.locator("#tl-film-go").click()
    expect(page.locator(DRAWING)).to_be_visible()


def done(page: Page) -> None:
    expect(page.locator(READY)).to_be_visible()
    expect(page.locator("#tl-film-go")).to_be_enabled()


def test_nothing_on_the_pad_is_told(lab: Page) -> None:
    lab.locator("#tl-film-go").click()
    expect(lab.locator("#tl-film-notice [role=alert]")).to_contain_text("no polyp in the mask yet")
    expect(lab.locator("#tl-film-go")).to_be_enabled()


def test_a_polyp_is_drawn_filmed_played_and_taken_home(lab: Page, tmp_path: Path) -> None:
    lab.evaluate("scrollTo(0, 0)")
    drag(lab, (0.3, 0.3), (0.6, 0.3), (0.6, 0.6), (0.3, 0.6), (0.3, 0.3))
    moves = lab.locator("#tl-film-move label")
    moves.filter(has_text="Forward").locator("input").focus()
    lab.keyboard.press("ArrowRight")  # a choice is one stop of the Tab key
    lab.keyboard.press("ArrowRight")
    expect(moves.filter(has_text="Left").locator("input")).to_be_checked()
    film(lab, "2")
    expect(lab.locator(f"{DRAWING} .ts-poster")).to_be_visible()
    expect(lab.locator("#tl-film-screen [role=status]")).to_contain_text("of 20")
    done(lab)
    expect(lab.locator("#tl-film-status")).to_contain_text("20 frames, 2.0 s. Mean Dice 1.00.")
    video = lab.get_by_label("The synthetic film")
    lab.wait_for_function("document.querySelector('#tl-film-screen video').currentTime > 0")
    assert video.evaluate("video => [video.videoWidth, video.loop, Math.round(10 * video.duration)]") == [
        512,
        True,
        20,
    ]
    assert video.evaluate(BLUE_JS) < 20
    lab.get_by_role("button", name="Half speed").click()
    assert video.evaluate("video => video.playbackRate") == 0.5
    lab.get_by_role("button", name="With outlines").click()
    lab.wait_for_function("document.querySelector('#tl-film-screen video').readyState > 2")
    assert video.evaluate(BLUE_JS) > 200
    assert video.evaluate("video => [video.playbackRate, video.loop]") == [0.5, True]
    lab.get_by_role("button", name="Without outlines").click()
    lab.wait_for_function("document.querySelector('#tl-film-screen video').readyState > 2")
    assert video.evaluate(BLUE_JS) < 20
    kinds = {"Video MP4": b"ftyp", "Zip: frames, masks, JSON": b"PK", "DICOM file": b"DICM"}
    for label, magic in kinds.items():
        with lab.expect_download() as saved:
            lab.get_by_role("link", name=label, exact=True).click()
        saved.value.save_as(tmp_path / label)
        assert saved.value.suggested_filename.startswith("synthetic_film_")
        assert magic in (tmp_path / label).read_bytes()[:140]
    with zipfile.ZipFile(tmp_path / "Zip: frames, masks, JSON") as packed:
        assert b'"move": "left"' in packed.read("film.json")
        assert sum(name.startswith("masks/") for name in packed.namelist()) == 20
    lab.locator("#tl-film-log summary").click()
    expect(lab.locator("#tl-film-log dl")).to_contain_text("Left")


def test_axe_finds_nothing_grave(lab: Page) -> None:
    found = {"light": grave(lab), "dark": grave_in(lab, "dark")}
    lab.locator("[data-set='__theme=light']").click()
    assert {state: lines for state, lines in found.items() if lines} == {}


def test_the_last_outline_and_ones_own_frame(lab: Page, tmp_path: Path) -> None:
    lab.locator("[data-preset=oval]").click()
    lab.locator("#tl-film-key").click()
    expect(lab.locator("#tl-film-last img")).to_have_attribute(
        "alt", "The outline of the last frame, 9.6 % of it"
    )
    lab.locator("#tl-film-forget").click()
    expect(lab.locator("#tl-film-last img")).to_have_count(0)
    lab.locator("#tl-film-key").click()
    expect(lab.locator("#tl-film-last img")).to_be_visible()
    lab.locator("[data-preset=round]").click()
    expect(lab.locator("#tl-film-begin")).to_be_hidden()
    Image.fromarray(stand_in.sample().frame).resize((320, 180)).save(tmp_path / "frame.png")
    lab.locator(".tl-uploads input[type=file]").first.set_input_files(tmp_path / "frame.png")
    expect(lab.get_by_label("My frame, the polyp drawn into it")).to_be_checked()
    lab.get_by_label("My frame as it is").check()
    film(lab, "1")
    done(lab)
    shape = "video => [video.videoWidth, video.videoHeight]"
    lab.wait_for_function("document.querySelector('#tl-film-screen video').readyState > 2")
    assert lab.get_by_label("The synthetic film").evaluate(shape) == [512, 288]


def test_a_film_is_stopped_and_its_beginning_stays(lab: Page) -> None:
    film(lab, "30")
    lab.wait_for_function(
        "/Frame ([6-9]|\\d\\d+) of 300/.test(document.querySelector('#tl-film-screen .ts-doing').textContent)"
    )
    lab.locator("#tl-film-stop").click()
    done(lab)
    expect(lab.locator("#tl-film-status")).to_contain_text("Stopped: the film ends after")


def test_a_method_that_knows_no_mask_and_another_language(lab: Page) -> None:
    lab.locator("#tl-film-model label", has_text="knows no mask").first.click()
    expect(lab.locator("#tl-film-maskless")).to_contain_text("knows no mask")
    film(lab, "3")
    done(lab)
    expect(lab.locator("#tl-film-status")).to_contain_text("This method knows no mask.")
    lab.locator("[data-set='lang=zh-CN']").click()
    expect(lab.locator("#tl-film-go")).to_have_text("生成影片")
    expect(lab.locator("#tl-film-status")).to_contain_text("此方法不识掩膜")
    expect(lab.get_by_label("合成影片")).to_be_visible()
    lab.set_viewport_size({"width": 390, "height": 844})
    assert lab.evaluate("document.documentElement.scrollWidth") <= 390
