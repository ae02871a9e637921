"""The main job of each lab, done as a visitor does it on the page with the tests' stand-ins."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

FIELD = "#tl-sentence :is(input, textarea)"
LABS = ("scene", "face", "colonoscopy")


def ask(page: Page) -> None:
    """A sentence is asked, and the first candidate looked at."""
    page.locator(FIELD).fill("the chair at the table")
    page.locator(FIELD).press("Enter")
    expect(page.locator(".tl-verdict b")).to_contain_text(re.compile("table|桌子"))
    page.locator(".tl-ranks tbody tr").first.click()
    expect(page.locator("#tl-object .tl-caption:not(.tl-saying)")).to_be_visible()


def animate(page: Page) -> None:
    """The example portrait says a sentence."""
    page.locator("#tl-face-example").click()
    expect(page.locator("#tl-face-portrait img")).to_be_visible()
    page.locator("#tl-face-chips button").first.click()
    expect(page.locator("#tl-face-text textarea")).not_to_have_value("")
    page.locator("#tl-face-consent input").check()
    page.locator("#tl-animate").click()
    expect(page.locator("#tl-face-screen .ts[data-state=ready] video")).to_be_visible()
    expect(page.locator("#tl-animate")).to_be_enabled()


def draw(page: Page) -> None:
    """Four frames of a shape that is offered."""
    page.locator("[data-preset=oval]").click()
    page.locator("#tl-draw").click()
    expect(page.locator(".rs[data-count='4']")).to_be_visible()
    expect(page.locator("#tl-draw")).to_be_enabled()


JOBS: dict[str, Callable[[Page], None]] = {"scene": ask, "face": animate, "colonoscopy": draw}


def open_lab(page: Page, address: str, lab: str, query: str = "") -> Page:
    """The page opens at a lab, and all of the lab is there."""
    page.goto(f"{address}?lab={lab}&{query}")
    there = {"scene": ".sv[data-state=ready]", "face": "#tl-face-example", "colonoscopy": ".mp-presets img"}
    expect(page.locator(there[lab]).first).to_be_visible()
    return page
