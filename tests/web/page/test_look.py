"""What the page looks like and how it is used: themes, contrast, widths, keys, names that are an attack."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from millstream.core.splitting import Rejected
from web.page.living import Mill

Open = Callable[..., Page]

CONTRASTS = Path(__file__).with_name("contrasts.js").read_text(encoding="utf-8")
LEAST_CONTRAST = 4.5
HOSTILE = '<img src=x onerror="window.hurt=1">.csv'
FAILED = {"light": [187, 31, 45], "dark": [255, 139, 146]}
"""The colour of a failed chunk, --bad in style.css."""
PAINTED = """(colour) => {
  const grid = document.querySelector("canvas");
  const copy = new OffscreenCanvas(grid.width, grid.height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(grid, 0, 0);
  const points = copy.getImageData(0, 0, grid.width, grid.height).data;
  let found = 0;
  for (let at = 0; at < points.length; at += 4) found += colour.every((part, place) => points[at + place] === part);
  return found > 20;
}"""
VIEWS = ("#/jobs", "#/jobs/{job}", "#/engine", "#/dead")


def busy(mill: Mill) -> str:
    """A job with something of everything."""
    job = mill.accept("orders.csv")
    mill.plan(8)
    mill.work()
    mill.work(rejects=[Rejected(record=17, start=1704, end=1764, reason="expected 7 fields, found 6")])
    mill.fail("the broker said no")
    mill.begin()
    mill.wait_for(job, "the broker is down")
    return job


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_every_text_can_be_read(mill: Mill, open_page: Open, view: str, scheme: str) -> None:
    """The contrast of every text with what is behind it is at least 4.5, in both themes."""
    page = open_page(f"{mill.url}/{view.format(job=busy(mill))}", color_scheme=scheme)
    page.locator(".job, .letter, .pipeline, td.reason").first.wait_for()
    expect(page.locator("#link-text")).to_have_text("Live")
    expect(page.locator("#dead-count")).to_have_text("1")

    found = page.evaluate(CONTRASTS)

    assert len(found) > 12
    assert [each for each in found if each["contrast"] < LEAST_CONTRAST] == []


def test_themes_differ_and_the_button_goes_through_them(mill: Mill, open_page: Open) -> None:
    """Dark and light look different; the button overrules the system, also after a reload."""
    page = open_page(mill.url, color_scheme="dark")
    dark = page.screenshot()
    ground = "getComputedStyle(document.body).backgroundColor"
    dark_ground = page.evaluate(ground)

    page.get_by_role("button", name="Theme").click()
    expect(page.get_by_role("button", name="Theme: light")).to_be_visible()
    light_ground = page.evaluate(ground)
    assert page.screenshot() != dark
    assert light_ground != dark_ground
    page.reload()

    assert page.evaluate(ground) == light_ground


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_grid_is_painted_in_the_theme(mill: Mill, open_page: Open, scheme: str) -> None:
    """Its cells have the colours of the page, and change with them when the button is pressed."""
    page = open_page(f"{mill.url}/#/jobs/{busy(mill)}", color_scheme=scheme)
    expect(page.locator(".grid-field")).to_have_attribute("aria-label", re.compile("1 failed"))
    other = "light" if scheme == "dark" else "dark"

    page.wait_for_function(PAINTED, arg=FAILED[scheme])
    while page.locator(f"html[data-theme={other}]").count() == 0:
        page.get_by_role("button", name="Theme").click()
    page.wait_for_function(PAINTED, arg=FAILED[other])
    assert not page.evaluate(PAINTED, FAILED[scheme])


@pytest.mark.parametrize("width", [360, 768, 1600])
def test_nothing_sticks_out(mill: Mill, open_page: Open, width: int) -> None:
    """No view is wider than the window, from 360 pixels on."""
    job = busy(mill)
    mill.accept("a-very-long-name-without-any-place-to-break-it-" * 4 + ".csv")
    page = open_page(mill.url, width=width)
    for view in VIEWS:
        page.goto(f"{mill.url}/{view.format(job=job)}")
        page.locator("main h1").wait_for()
        expect(page.locator("#link-text")).to_have_text("Live")

        assert page.evaluate("document.documentElement.scrollWidth") <= width, view


def test_a_name_is_text_whatever_it_holds(mill: Mill, open_page: Open) -> None:
    """A file whose name is an attack is shown by its name, everywhere."""
    job = mill.accept(HOSTILE)
    mill.plan(1)
    mill.fail(HOSTILE)
    page = open_page(mill.url)

    expect(page.get_by_role("link", name=HOSTILE)).to_be_visible()
    page.get_by_role("link", name=HOSTILE).click()
    expect(page.locator("h1")).to_have_text(HOSTILE)
    expect(page.get_by_role("region", name="Failed chunks, table")).to_contain_text(HOSTILE)
    page.goto(f"{mill.url}/#/dead")
    expect(page.locator(".letter")).to_contain_text(HOSTILE)

    assert page.locator("img").count() == 0
    assert page.evaluate("window.hurt") is None
    assert job


def test_everything_works_by_keyboard(mill: Mill, open_page: Open) -> None:
    """From the address bar: skip to the content, open a job, walk its chunks, pause it, ask to cancel, keep it."""
    job = mill.accept()
    mill.plan(3)
    page = open_page(mill.url)
    expect(page.get_by_role("link", name="data.csv")).to_be_visible()

    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    expect(page.locator(".skip")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    tab_to(page, "data.csv")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("data.csv")
    tab_to(page, "Pause")
    page.keyboard.press("Enter")
    expect(page.locator(".title .pill")).to_have_attribute("data-state", "paused")
    tab_to(page, "Cancel")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Keep it")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_be_focused()
    tab_to(page, "")
    page.keyboard.press("ArrowRight")

    expect(page.locator(".told")).to_contain_text("Chunk 1: planned")
    assert mill.status(job) == "paused"


def tab_to(page: Page, text: str) -> None:
    """Press Tab until the element with that text has the focus ("": the grid), which must be seen to have it."""
    for _ in range(30):
        page.keyboard.press("Tab")
        seen = page.evaluate(
            """() => { const it = document.activeElement;
            return [it.matches(".grid-field") ? "" : it.textContent, getComputedStyle(it).outlineWidth]; }"""
        )
        if seen[0] == text:
            assert re.fullmatch(r"[1-9]\d*px", seen[1])
            return
    pytest.fail(f"no way to {text!r} by Tab")


def test_nothing_moves_for_who_wants_no_motion(mill: Mill, open_page: Open) -> None:
    """With reduced motion no element has a transition or an animation."""
    busy(mill)
    page = open_page(mill.url, reduced_motion="reduce")
    page.locator(".job").wait_for()

    moving = """() => [...document.querySelectorAll("*")].filter((each) => {
        const style = getComputedStyle(each);
        return parseFloat(style.transitionDuration) > 0 || style.animationName !== "none";
    }).length"""
    assert page.evaluate(moving) == 0


def test_a_change_of_status_is_announced(mill: Mill, open_page: Open) -> None:
    """A screen reader is told when a job changes its status."""
    mill.accept("orders.csv")
    page = open_page(mill.url)
    expect(page.locator(".job .pill")).to_have_attribute("data-state", "queued")

    mill.plan(2)
    mill.begin()

    expect(page.locator("#announce")).to_have_text("orders.csv: running")


def test_nothing_is_asked_of_anybody_else(mill: Mill, open_page: Open) -> None:
    """The page works with every other address out of reach, and asks none."""
    job = busy(mill)
    page = open_page("about:blank")
    refused: list[str] = []

    def only_own(route: object) -> None:
        url = route.request.url  # type: ignore[attr-defined]
        if url.startswith(mill.url):
            route.continue_()  # type: ignore[attr-defined]
        else:
            refused.append(url)
            route.abort()  # type: ignore[attr-defined]

    page.route("**/*", only_own)
    for view in VIEWS:
        page.goto(f"{mill.url}/{view.format(job=job)}")
        page.locator("main h1").wait_for()

    expect(page.locator("#link-text")).to_have_text("Live")
    assert refused == []
    assert {url.split("/", 3)[2] for url in page.watched.asked if url.startswith("http")} == {f"127.0.0.1:{mill.port}"}  # type: ignore[attr-defined]


def test_no_code_stands_in_the_page(mill: Mill, open_page: Open) -> None:
    """The page holds no script or style of its own, so a strict content security policy lets nothing else in."""
    page = open_page(mill.url)
    page.locator("main h1").wait_for()

    source = page.evaluate("fetch('/').then((answer) => answer.text())")

    assert re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", source) is None
