"""The face tab as a visitor uses it, in a real browser; the networks are a stand-in here."""

import io
import re
import wave
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from app.face import service
from models.face import RATE
from tests.browser.patience import patient, watched
from tests.face import stand_in
from tests.served import until

DURATION_JS = "video => video.duration"
KEPT = re.compile(r"/[0-9a-f]{12}\.\w+$")  # the address of a file that the lab took
PLAYING_JS = "video => video.played.length > 0 && video.currentTime > 0"  # it may be over already


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with stand_in.served(stand_in.animating(steps=12, pause=0.2, faceless=(3, 4, 9))) as address:
        yield address


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    with patient(browser, width=1440) as context:
        yield context


@pytest.fixture
def lab(context: BrowserContext, address: str) -> Iterator[Page]:
    with watched(context) as page:
        yield opened(page, address)


def opened(page: Page, address: str, query: str = "") -> Page:
    page.goto(f"{address}?lab=face&{query}")
    expect(page.locator("#tl-face-chips button").first).to_be_visible()
    expect(page.locator("#tl-face-language input")).not_to_have_value("")  # the visit has begun
    return page


def prepared(page: Page) -> Page:
    """The example portrait and an example sentence; consent is not ticked."""
    page.locator("#tl-face-example").click()
    expect(page.locator("#tl-face-portrait img")).to_be_visible()
    page.locator("#tl-face-chips button").first.click()
    expect(page.locator("#tl-face-text textarea")).not_to_have_value("")
    return page


def bring(page: Page, widget: str, file: Path) -> None:
    """Upload a file and wait until the page shows what was kept of it: until then Animate is held."""
    with page.expect_response(lambda answer: bool(KEPT.search(answer.url))):
        page.locator(f"{widget} input[type=file]").first.set_input_files(file)


def animate(page: Page) -> Locator:
    """Press the button, and wait for the whole video."""
    page.locator("#tl-face-consent input").check()
    video = page.locator(".ts video")
    before = video.get_attribute("src")
    page.locator("#tl-animate").click()
    # Another one than before: the button may be back before a busy machine looks whether it went.
    expect(page.locator(f".ts[data-state=ready] video:not([src='{before}'])")).to_be_visible()
    expect(page.locator("#tl-animate")).to_be_enabled()
    return video


def until_true(video: Locator, script: str) -> None:
    video.page.wait_for_function(script, arg=video.element_handle())


def speech(path: Path, seconds: float) -> Path:
    data = io.BytesIO()
    with wave.open(data, "wb") as sound:
        sound.setparams((1, 2, RATE, 0, "NONE", ""))
        sound.writeframes((5000 * np.sin(np.arange(round(RATE * seconds)) / 12)).astype("<i2").tobytes())
    path.write_bytes(data.getvalue())
    return path


def test_the_example_speaks_and_is_taken_home(lab: Page, tmp_path: Path) -> None:
    video = animate(prepared(lab))
    until_true(video, PLAYING_JS)
    assert video.evaluate(DURATION_JS) == pytest.approx(stand_in.TEXT_SECONDS, abs=0.04)
    expect(lab.locator("#tl-face-status")).to_contain_text("4-5, 10")
    lab.locator(".tl-log summary").click()
    expect(lab.locator(".tl-log dl")).to_contain_text("confidence 4.2")
    for place, ending in enumerate((".mp4", "_stages.mp4", "_blendshapes.csv", "_vertices.npz", ".json")):
        with lab.expect_download() as saved:
            lab.locator(".ts-files a").nth(place).click()
        assert saved.value.suggested_filename.endswith(ending)
        saved.value.save_as(tmp_path / "taken")
        assert (tmp_path / "taken").stat().st_size >= 20


def test_the_first_second_is_seen_while_the_rest_is_made(lab: Page) -> None:
    prepared(lab).locator("#tl-face-text textarea").fill("Speak slowly.")
    lab.locator("#tl-face-consent input").check()
    lab.locator("#tl-animate").click()
    expect(lab.locator(".ts[data-state=first]")).to_be_visible()
    expect(lab.locator(".ts-badge")).to_have_text("The first second")
    expect(lab.locator(".ts-doing")).to_contain_text("left")
    until_true(lab.locator(".ts video"), PLAYING_JS)
    lab.locator("#tl-face-stop").click()
    expect(lab.locator(".ts[data-state=empty]")).to_be_visible()


def test_the_other_view_goes_on_where_this_one_was(lab: Page) -> None:
    video = animate(prepared(lab))
    width = video.evaluate("video => video.videoWidth")
    video.evaluate("video => { video.pause(); video.currentTime = 1.2; }")
    lab.locator(".ts-views button").nth(1).click()
    expect(lab.locator(".ts[data-view=panels]")).to_be_visible()
    until_true(video, f"video => video.videoWidth > 2 * {width} && Math.abs(video.currentTime - 1.2) < 0.1")
    assert video.evaluate("video => video.paused")


def test_consent_comes_first(lab: Page) -> None:
    lab.locator("#tl-animate").click()  # what there is to agree to is missing: that is told before
    expect(lab.locator("#tl-face-notice [role=alert]")).to_contain_text("There is no face yet")
    prepared(lab)
    lab.locator("#tl-animate").click()
    expect(lab.locator("#tl-face-notice [role=alert]")).to_contain_text("Tick first")
    expect(lab.locator(".ts[data-state=empty]")).to_be_visible()
    animate(lab)
    expect(lab.locator("#tl-face-notice [role=alert]")).to_have_count(0)


def test_what_is_missing_is_told(lab: Page) -> None:
    lab.locator("#tl-face-consent input").check()
    lab.locator("#tl-animate").click()
    expect(lab.locator("#tl-face-notice [role=alert]")).to_contain_text("There is no face yet")
    lab.locator("#tl-face-example").click()
    expect(lab.locator("#tl-face-portrait img")).to_be_visible()
    lab.locator("#tl-animate").click()
    expect(lab.locator("#tl-face-notice [role=alert]")).to_contain_text("There is no speech yet")
    lab.locator("#tl-face-says label").nth(1).click()
    expect(lab.locator("#tl-face-speech")).to_be_visible()
    lab.locator("#tl-animate").click()
    expect(lab.locator("#tl-face-notice [role=alert]")).to_contain_text("There is no speech yet")


def test_files_good_and_bad(lab: Page, tmp_path: Path) -> None:
    bad = tmp_path / "portrait.png"
    bad.write_bytes(b"<svg onload='alert(1)'/>")
    lab.locator("#tl-face-portrait input[type=file]").first.set_input_files(bad)
    expect(lab.locator("#tl-face-refused [role=alert]")).to_contain_text(
        "portrait.png is not a picture but: SVG"
    )
    expect(lab.locator("#tl-face-portrait img")).to_have_count(0)
    bring(lab, "#tl-face-portrait", service.example())
    expect(lab.locator("#tl-face-refused [role=alert]")).to_have_count(0)
    expect(lab.locator("#tl-face-portrait img")).to_be_visible()
    lab.locator("#tl-face-says label").nth(1).click()
    playlist = tmp_path / "list.wav"
    playlist.write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n")
    lab.locator("#tl-face-speech input[type=file]").first.set_input_files(playlist)
    expect(lab.locator("#tl-face-notice [role=alert]")).to_contain_text("no sound that can be read")
    bring(lab, "#tl-face-speech", speech(tmp_path / "a.wav", 1.3))
    expect(lab.locator("#tl-face-notice [role=alert]")).to_have_count(0)
    expect(lab.locator("#tl-face-speech #waveform, #tl-face-speech audio").first).to_be_attached()
    assert animate(lab).evaluate(DURATION_JS) == pytest.approx(1.3, abs=0.04)


def test_a_video_speaks_too(lab: Page, tmp_path: Path) -> None:
    lab.locator("#tl-face-who label").nth(1).click()
    expect(lab.locator("#tl-face-footage")).to_be_visible()
    clip = stand_in.film(tmp_path / "clip.mp4", 1.0)
    bring(lab, "#tl-face-footage", clip)
    expect(lab.locator("#tl-face-footage video").first).to_be_visible()
    lab.locator("#tl-face-chips button").first.click()
    expect(lab.locator("#tl-face-text textarea")).not_to_have_value("")
    animate(lab)
    expect(lab.locator("#tl-face-footage button[aria-label*=rim]:visible")).to_have_count(0)


def test_stop_keeps_the_video_before_and_many_clicks_are_one(lab: Page) -> None:
    before = animate(prepared(lab)).get_attribute("src")
    lab.locator("#tl-face-text textarea").fill("Speak slowly.")
    lab.locator("#tl-animate").evaluate("button => { for (let i = 0; i < 20; i++) button.click(); }")
    expect(lab.locator("#tl-animate")).to_be_disabled()
    expect(lab.locator(".ts[data-state=first]")).to_be_visible()
    lab.locator("#tl-face-stop").click()
    expect(lab.locator("#tl-face-status")).to_contain_text("Stopped.")
    expect(lab.locator("#tl-animate")).to_be_enabled()
    assert lab.locator(".ts video").get_attribute("src") == before
    expect(lab.locator(".ts[data-state=ready]")).to_be_visible()


def test_a_language_brings_its_voices_and_the_address_says_what_is_typed(lab: Page) -> None:
    prepared(lab)
    lab.locator("#tl-face-chips button", has_text="Deutsch").click()
    expect(lab.locator("#tl-face-language input")).to_have_value("Deutsch")
    expect(lab.locator("#tl-face-voice input")).to_have_value("Robot, woman")
    animate(lab)
    typed = lab.locator("#tl-face-text textarea").input_value()
    lab.reload()
    expect(lab.locator("#tl-face-text textarea")).to_have_value(typed)
    expect(lab.locator("#tl-face-language input")).to_have_value("Deutsch")


def test_a_page_that_is_closed_leaves_no_file(context: BrowserContext, address: str) -> None:
    page = opened(context.new_page(), address)
    address_of_video = animate(prepared(page)).get_attribute("src") or ""
    file = Path(unquote(address_of_video.partition("file=")[2]))
    assert file.is_file()
    page.close()
    assert until(lambda: not file.parent.exists(), 30)


def test_chinese_dark_phone_and_talk(context: BrowserContext, address: str) -> None:
    page = context.new_page()
    opened(page, address, "lang=zh-CN&__theme=dark&talk=1")
    expect(page.locator("#tl-animate")).to_have_text("开始说话")
    expect(page.locator(".ts-empty")).to_contain_text("选一张脸")
    expect(page.locator("#tl-face-language input")).to_have_value("中文（普通话）")
    expect(page.locator("#tl-header header")).to_be_hidden()
    animate(prepared(page))
    page.locator(".ts-views button").nth(1).click()
    expect(page.locator(".ts-captions")).to_contain_text("融合结果")
    expect(page.locator(".ts-captions")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    opened(page, address)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()


def test_a_page_that_is_closed_in_mid_run_frees_the_place(context: BrowserContext, address: str) -> None:
    page = prepared(opened(context.new_page(), address))
    page.locator("#tl-face-text textarea").fill("Speak slowly.")
    page.locator("#tl-face-consent input").check()
    page.locator("#tl-animate").click()
    expect(page.locator(".ts[data-state=first]")).to_be_visible()
    page.close()
    other = prepared(opened(context.new_page(), address))
    animate(other)
    other.close()


def test_a_file_of_any_kind_gets_our_own_sentence(lab: Page, tmp_path: Path) -> None:
    (tmp_path / "letter.pdf").write_bytes(b"%PDF-1.7" + bytes(200))
    lab.locator("#tl-face-portrait input[type=file]").first.set_input_files(tmp_path / "letter.pdf")
    expect(lab.locator("#tl-face-refused")).to_contain_text("letter.pdf is not a picture but: PDF")
    expect(lab.get_by_text("files are allowed")).to_have_count(0)
