"""The page as a visitor goes through it, from lab to lab, by clicks, keys and fingers."""

import re
from collections.abc import Iterator

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.patience import patient

# Keeps everything that the viewer says.
LISTEN_JS = """window.said = [];
new MutationObserver(() => {
  const text = document.querySelector('.sv-message')?.textContent;
  if (text && window.said.at(-1) !== text) window.said.push(text);
}).observe(document, {childList: true, subtree: true, characterData: true});"""
FIELD = "#tl-sentence :is(input, textarea)"


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    with patient(browser, width=1440) as context:
        yield context


def opened(page: Page, address: str, query: str = "") -> Page:
    page.goto(f"{address}?{query}")
    expect(page.locator(".sv[data-state=ready]")).to_be_visible()
    return page


def go(page: Page, lab: str) -> None:
    page.get_by_role("tab", name=lab).click()


def chosen(page: Page) -> str:
    return page.locator("#tl-labs [role=tab][aria-selected=true]").first.inner_text()


def test_a_tab_opened_by_a_click_has_all_it_needs(page: Page, address: str) -> None:
    opened(page, address)
    go(page, "Colonoscopy")
    expect(page.locator(".mp-presets img")).to_have_count(6)
    expect(page.locator(".rs-empty")).to_contain_text("Draw a polyp")
    page.locator("[data-preset=oval]").click()
    expect(page.locator(".mp-area")).to_contain_text("Polyp area")
    go(page, "Talking face")
    expect(page.locator("#tl-face-screen .ts-empty")).to_contain_text("Choose a face")
    expect(page.locator("#tl-face-chips button").first).to_be_visible()


def test_the_address_names_the_tab_and_back_leads_to_the_one_before(page: Page, address: str) -> None:
    opened(page, address)
    go(page, "Talking face")
    expect(page.locator("#tl-face-chips button").first).to_be_visible()
    go(page, "Colonoscopy")
    expect(page).to_have_url(re.compile("lab=colonoscopy"))
    page.get_by_role("button", name="Dark").click()
    page.get_by_role("button", name="Talk mode").click()
    expect(page).to_have_url(re.compile("lab=colonoscopy.*talk=1"))
    assert chosen(page) == "Colonoscopy"
    page.reload()
    expect(page.locator(".mp-presets img").first).to_be_visible()
    assert chosen(page) == "Colonoscopy"
    page.get_by_role("button", name="Leave talk mode").click()
    page.go_back()
    expect(page.locator("#tl-face-chips button").first).to_be_visible()
    assert chosen(page) == "Talking face"
    expect(page.locator("body.dark")).to_be_visible()  # colours are no place to go back to
    page.go_back()
    expect(page.locator(".sv[data-state=ready]")).to_be_visible()
    assert chosen(page) == "Scene"


def test_language_colours_and_stage_change_in_place_and_nothing_is_lost(page: Page, address: str) -> None:
    opened(page, address)
    page.locator(FIELD).fill("the chair at the table")
    page.locator(FIELD).press("Enter")
    expect(page.locator(".tl-verdict b")).to_contain_text("table")
    page.locator(".tl-ranks tbody tr").nth(1).click()
    expect(page.locator("#tl-object .tl-caption:not(.tl-saying)")).to_be_visible()
    go(page, "Colonoscopy")
    page.locator("[data-preset=oval]").click()
    page.locator("#tl-count input[type=number]").fill("2")
    page.locator("#tl-count input[type=number]").press("Tab")
    page.locator("#tl-seed input").fill("41")
    page.locator("#tl-draw").click()
    expect(page.locator(".rs[data-count='2']")).to_be_visible()
    expect(page.locator("#tl-draw")).to_be_enabled()
    go(page, "Talking face")
    page.locator("#tl-face-example").click()
    expect(page.locator("#tl-face-portrait img")).to_be_visible()
    page.locator("#tl-face-text textarea").fill("Good morning!")
    page.locator("#tl-face-consent input").check()
    page.locator("#tl-animate").click()
    expect(page.locator("#tl-face-screen .ts[data-state=ready] video")).to_be_visible()
    expect(page.locator("#tl-animate")).to_be_enabled()
    film = page.locator("#tl-face-screen video").get_attribute("src")

    page.evaluate("window.kept = true")
    page.get_by_role("button", name="Dark").click()
    page.locator("#tl-header").get_by_role("button", name="中文").click()
    expect(page.locator("#tl-animate")).to_have_text("开始说话")
    expect(page.locator("#tl-face-status")).to_contain_text("秒的视频")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    page.get_by_role("button", name="演讲模式").click()
    assert page.evaluate("window.kept")  # the page was never loaded anew
    assert page.locator("#tl-face-screen video").get_attribute("src") == film
    expect(page.locator("#tl-face-text textarea")).to_have_value("Good morning!")
    expect(page.locator("#tl-face-portrait img")).to_be_visible()
    expect(page.locator("#tl-face-consent input")).to_be_checked()
    page.get_by_role("button", name="退出演讲模式").click()
    go(page, "结肠镜")
    expect(page.locator(".rs-card b")).to_have_count(2)
    expect(page.locator(".rs-card b").first).to_contain_text("Dice 系数")
    expect(page.locator(".rs-card figcaption").first).to_contain_text("41")
    assert float(page.locator(".mp").get_attribute("data-area") or 0) > 9
    go(page, "场景")
    expect(page.locator("#tl-panel")).to_contain_text("候选物品")
    expect(page.locator(".tl-verdict b")).to_contain_text("桌子")
    expect(page.locator("#tl-object")).to_contain_text("0.50 × 0.50 × 0.00 米")
    expect(page.locator(FIELD)).to_have_value("the chair at the table")
    page.locator("#tl-header").get_by_role("button", name="English").click()
    expect(page.locator("#tl-find")).to_have_text("Find")
    expect(page.locator("#tl-panel")).to_contain_text("Candidates")


def test_a_page_of_its_own_tells_of_the_api(page: Page, address: str) -> None:
    opened(page, address)
    with page.context.expect_page() as other:
        page.get_by_role("link", name="API").click()
    api = other.value
    expect(api.locator("section")).to_have_count(15)
    ground = api.locator("#scene_ground")
    expect(ground).to_contain_text("In English or Chinese, at most 300 characters")
    expect(ground.locator("pre").first).to_contain_text(f'Client("{address}")')
    expect(ground.locator("pre").nth(1)).to_contain_text("/call/scene_ground")
    api.close()
    expect(page.locator(".sv[data-state=ready]")).to_be_visible()


def test_models_are_compared_before_the_eyes(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(f"{address}?lab=colonoscopy")
    page.locator("[data-preset=lobed]").click()
    page.locator("#tl-draw").click()
    expect(page.locator(".rs[data-count='4']")).to_be_visible()
    expect(page.locator("#tl-draw")).to_be_enabled()
    page.get_by_role("button", name="Compare models").last.click()
    window = page.locator(".rs-beside")
    expect(window).to_be_in_viewport(ratio=1)
    # How far the other model is, in words, gives way to what it drew.
    expect(window.locator(".rs-over svg")).to_be_attached()
    expect(window.locator(".rs-far")).to_be_empty()
    box = page.locator(".rs-beside .rs-pair").bounding_box()
    assert box is not None and box["y"] >= 0 and box["y"] + box["height"] <= 720


def test_what_is_told_while_one_waits_is_true(page: Page, address: str) -> None:
    page.add_init_script(LISTEN_JS)
    opened(page, address, "q=the+chair")
    assert page.evaluate("window.said")[0] == "Opening the scan…"
    assert "No scan is open yet." not in page.evaluate("window.said")
    expect(page.locator(".tl-verdict b")).to_be_visible()
    # Python answers late: the room before and its answer are not shown under the other's name meanwhile.
    page.route("**/queue/join*", lambda route: (page.wait_for_timeout(700), route.continue_()))
    page.get_by_text("Office", exact=True).click()
    expect(page.locator(".tl-verdict b")).to_be_hidden(timeout=600)
    expect(page.locator(".sv-message")).to_have_text("Opening the scan…")
    expect(page.locator(".sv[data-state=ready]")).to_be_visible()
    page.unroute("**/queue/join*")
    go(page, "Colonoscopy")
    page.locator("[data-preset=oval]").click()
    page.locator("#tl-draw").click()
    expect(page.locator(".rs-making img")).to_be_visible()
    expect(page.locator("#tl-colonoscopy-status")).not_to_contain_text("Waiting for the model")
    page.locator("#tl-stop").click()
    expect(page.locator("#tl-draw")).to_be_enabled()


def test_a_second_tab_is_told_its_place_in_the_line(
    context: BrowserContext, page: Page, address: str
) -> None:
    other = context.new_page()
    for one in (page, other):
        one.goto(f"{address}?lab=colonoscopy")
        one.locator("[data-preset=oval]").click()
        one.locator("#tl-count input[type=number]").fill("16")
        one.locator("#tl-count input[type=number]").press("Tab")
    page.locator("#tl-draw").click()
    expect(page.locator(".rs-making")).to_be_visible()
    other.locator("#tl-draw").click()
    expect(other.locator("#tl-colonoscopy-status")).to_contain_text("Waiting in line: 1 before you")
    page.close()  # given up: the next one begins
    expect(other.locator(".rs-making img")).to_be_visible(timeout=10_000)
    other.close()
