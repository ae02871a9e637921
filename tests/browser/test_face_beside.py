"""Beside the film of the face tab: the mouth enlarged, and what the film was made of, in time with it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.patience import SLOW, patient, watched
from tests.browser.test_face_tab import PLAYING_JS, animate, bring, opened, prepared, speech, until_true
from tests.face import stand_in

MOUTH, ITS_MOUTH = ("mouth", ".ts-film"), ("original_mouth", ".ts-original")
LEAST = 6  # levels between the right square of the test card and one beside it
SAME = 2  # levels that two drawings of one square may differ by
# How far, in levels, what a canvas shows is from the square of the stand-in's box, cut out of a picture here.
APART_JS = """(canvas, picture, frame) => {
  const side = canvas.width, own = new OffscreenCanvas(side, side).getContext('2d');
  own.imageSmoothingQuality = 'high';
  own.drawImage(picture, 100 + frame % 50, 120, 80, 80, 0, 0, side, side);
  const [seen, cut] = [canvas.getContext('2d'), own].map(pen => pen.getImageData(0, 0, side, side).data);
  return seen.reduce((sum, level, place) => sum + Math.abs(level - cut[place]), 0) / seen.length;
}"""
# Of the frame that is shown, and of where the mouth is eight frames later.
RESTING_JS = f"""([name, place]) => {{
  const canvas = document.querySelector(`[data-of=${{name}}] canvas`), apart = {APART_JS};
  const picture = document.querySelector(`${{place}} video`), frame = Math.round(picture.currentTime * 25);
  return [apart(canvas, picture, frame), apart(canvas, picture, frame + 8)];
}}"""
# In the moment that a frame comes, and what is seen then.
PLAYING_MOUTH_JS = f"""() => new Promise(done => {{
  const canvas = document.querySelector('[data-of=mouth] canvas'), apart = {APART_JS};
  const video = document.querySelector('.ts-film video');
  video.requestVideoFrameCallback((now, {{mediaTime}}) =>
    done([apart(canvas, video, Math.round(mediaTime * 25)), canvas.toDataURL()]));
}})"""
TOGETHER_JS = """() => {
  const [film, own] = ['.ts-film', '.ts-original'].map(place => document.querySelector(`${place} video`));
  return !own.seeking && !film.seeking && Math.abs(own.currentTime - film.currentTime) < 0.1;
}"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with stand_in.served(stand_in.animating(steps=4, pause=0.2)) as address:
        yield address


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    with patient(browser) as context:
        yield context


@pytest.fixture
def lab(context: BrowserContext, address: str) -> Iterator[Page]:
    with watched(context) as page:
        yield opened(page, address)


def seek(page: Page, seconds: float) -> None:
    """Pause the film at a time, and wait until its frame is there."""
    page.evaluate(
        """seconds => new Promise(done => {
             const video = document.querySelector('.ts-film video');
             video.pause();
             video.requestVideoFrameCallback(() => setTimeout(done, 200));
             video.currentTime = seconds;
           })""",
        seconds,
    )


def held(page: Page, script: str, seconds: float) -> None:
    """Wait until something is true, and see that it stays so."""
    page.wait_for_function(script)
    for _ in range(round(seconds / 0.1)):
        page.wait_for_timeout(100)
        assert page.evaluate(script)


def test_the_mouth_is_seen_large_at_every_moment(lab: Page) -> None:
    animate(prepared(lab))
    expect(lab.locator("[data-of=mouth] canvas")).to_be_visible()
    expect(lab.locator("[data-of=mouth] figcaption")).to_have_text("The mouth, enlarged")
    expect(lab.locator("[data-of=original_mouth]")).to_be_hidden()
    for seconds in (0.6, 1.4, 0.2):
        seek(lab, seconds)
        here, elsewhere = lab.evaluate(RESTING_JS, MOUTH)
        assert here < SAME < LEAST < elsewhere
    assert lab.locator("[data-of=mouth] canvas").evaluate("one => one.width") >= 150
    lab.locator("[data-do=loop]").click()
    lab.locator("[data-do=slow]").click()
    lab.locator(".ts-film video").evaluate("video => video.play()")
    frames = [lab.evaluate(PLAYING_MOUTH_JS) for _ in range(6)]
    assert max(apart for apart, _ in frames) < SAME
    assert len({seen for _, seen in frames}) > 3
    lab.locator(".ts-views button").nth(1).click()  # three stages: no room, and no need
    expect(lab.locator("[data-of=mouth]")).to_be_hidden()


def test_nothing_moves_when_the_film_comes(lab: Page) -> None:
    prepared(lab).locator("#tl-face-consent input").check()
    places = ".ts-screen, .ts-film, [data-of=mouth], #tl-face-card"
    boxes_js = f"""() => [...document.querySelectorAll('{places}')].map(one => {{
      const {{x, y, width, height}} = one.getBoundingClientRect();
      return [x, y + scrollY, width, one.id ? 0 : height].map(Math.round);
    }})"""
    lab.locator("#tl-animate").click()
    expect(lab.locator(".ts[data-state=first]")).to_be_visible()
    expect(lab.locator("[data-of=mouth] canvas")).to_be_visible()
    before = lab.evaluate(boxes_js)
    expect(lab.locator(".ts[data-state=ready]")).to_be_visible()
    expect(lab.locator("#tl-face-status")).to_contain_text("of video made")
    assert lab.evaluate(boxes_js) == before


def test_a_still_stands_beside_what_was_made_of_it(lab: Page) -> None:
    animate(prepared(lab))
    lab.locator(".ts-views button", has_text="Beside the original").click()
    expect(lab.locator(".ts-original img")).to_be_visible()
    assert lab.locator(".ts-original img").evaluate("one => one.decode().then(() => one.naturalWidth)") == 320
    expect(lab.locator(".ts-badge")).to_have_text("Result")
    expect(lab.locator("[data-of=original_mouth] canvas")).to_be_visible()
    seek(lab, 1.0)
    here, elsewhere = lab.evaluate(RESTING_JS, MOUTH)
    assert here < SAME < LEAST < elsewhere
    lab.locator(".ts-views button").first.click()
    expect(lab.locator(".ts-original")).to_be_hidden()
    expect(lab.locator(".ts-original img")).to_have_count(0)


def test_a_video_plays_beside_what_was_made_of_it_in_time(lab: Page, tmp_path: Path) -> None:
    lab.locator("#tl-face-who label").nth(1).click()
    bring(lab, "#tl-face-footage", stand_in.film(tmp_path / "clip.mp4", 1.0))
    lab.locator("#tl-face-says label").nth(1).click()
    bring(lab, "#tl-face-speech", speech(tmp_path / "a.wav", 8.0))
    lab.locator("#tl-face-consent input").check()
    lab.locator("#tl-animate").click()
    expect(lab.locator(".ts-poster[src*='_first.jpg']")).to_be_attached()  # the film's own face, not black
    expect(lab.locator(".ts[data-state=ready] .ts-film video")).to_be_visible()
    lab.locator(".ts-views button", has_text="Beside the original").click()
    expect(lab.locator(".ts-original video")).to_be_visible()
    lab.locator("[data-do=loop]").click()
    film = lab.locator(".ts-film video")
    film.evaluate("video => video.play()")
    until_true(film, PLAYING_JS)
    for seconds in (5.0, 1.0):
        film.evaluate("(video, seconds) => { video.currentTime = seconds; }", seconds)
        held(lab, TOGETHER_JS, 1.0)
    lab.locator("[data-do=slow]").click()
    lab.wait_for_function("Math.abs(document.querySelector('.ts-original video').playbackRate - 0.5) < 0.1")
    held(lab, TOGETHER_JS, 1.0)
    film.evaluate("video => { video.currentTime = video.duration - 0.3; }")
    lab.wait_for_function("document.querySelector('.ts-film video').currentTime < 2")  # again and again
    held(lab, TOGETHER_JS, 0.5)
    seek(lab, 3.0)
    lab.wait_for_function("document.querySelector('.ts-original video').paused")
    lab.wait_for_function("Math.abs(document.querySelector('.ts-original video').currentTime - 3) < 0.01")
    for part in (MOUTH, ITS_MOUTH):
        here, elsewhere = lab.evaluate(RESTING_JS, part)
        assert here < SAME < LEAST < elsewhere


def beside(page: Page) -> Locator:
    """Show film and original next to each other, resting at 0.4 s; the film."""
    page.locator(".ts-views button", has_text="Beside the original").click()
    expect(page.locator(".ts-original img")).to_be_visible()
    seek(page, 0.4)
    return page.locator(".ts-film video")


def lies_between_films_and_mouths(page: Page) -> bool:
    """Whether the row of controls covers none of the four pictures."""
    boxes_js = """() => ['.ts-film', '.ts-original', '.ts-controls', '[data-of=original_mouth]', '[data-of=mouth]'].map(one => {
      const {top, bottom} = document.querySelector(one).getBoundingClientRect();
      return [top, bottom];
    })"""  # noqa: E501
    film, original, row, *mouths = page.evaluate(boxes_js)
    return max(film[1], original[1]) <= row[0] < row[1] <= min(top for top, _ in mouths)


def test_one_row_of_controls_lies_over_no_picture(lab: Page) -> None:
    animate(prepared(lab))
    lab.locator("[data-do=loop]").click()
    film = beside(lab)
    assert film.evaluate("video => video.controls") is False
    assert lies_between_films_and_mouths(lab)
    lab.get_by_role("button", name="Play", exact=True).click()
    until_true(film, PLAYING_JS)
    film.click()
    until_true(film, "video => video.paused")
    place = lab.get_by_role("slider", name="Place in the video")
    place.focus()
    lab.keyboard.press("Home")
    until_true(film, "video => video.currentTime === 0")
    lab.keyboard.press("ArrowRight")  # a frame
    until_true(film, "video => Math.abs(video.currentTime - 0.04) < 0.001")
    expect(place).to_have_attribute("aria-valuetext", "0:00 / 0:02")
    lab.keyboard.press("Tab")
    lab.keyboard.press("Space")
    assert film.evaluate("video => video.muted")
    expect(lab.get_by_role("button", name="Sound on")).to_be_visible()
    lab.locator(".ts-views button").first.click()
    assert film.evaluate("video => video.controls")
    expect(lab.locator(".ts-controls")).to_be_hidden()


def test_a_finger_plays_and_seeks_the_two_films(browser: Browser, address: str) -> None:
    with watched(browser, viewport={"width": 390, "height": 844}, has_touch=True) as page:
        page.set_default_timeout(SLOW)
        animate(prepared(opened(page, address)))
        film = beside(page)
        assert lies_between_films_and_mouths(page)
        place = page.locator(".ts-controls input")
        box = place.bounding_box()
        assert box is not None and box["height"] >= 40
        place.tap(position={"x": 0.75 * box["width"], "y": box["height"] / 2})
        until_true(film, "video => Math.abs(video.currentTime - 1.5) < 0.1")
        page.locator(".ts-controls [data-do=play]").tap()
        until_true(film, "video => video.ended || !video.paused")


def test_a_phone_has_the_mouth_below_and_scrolls_one_way(browser: Browser, address: str) -> None:
    with patient(browser, width=390) as context:
        page = prepared(opened(context.new_page(), address))
        animate(page)
        film, mouth = page.locator(".ts-film").bounding_box(), page.locator("[data-of=mouth]").bounding_box()
        assert film is not None and mouth is not None
        assert mouth["y"] >= film["y"] + film["height"]
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.locator(".ts-views button", has_text="Beside the original").click()
        expect(page.locator(".ts-original img")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
