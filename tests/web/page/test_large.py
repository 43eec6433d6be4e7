"""A job of many chunks."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from web.page.living import Mill

Open = Callable[..., Page]

CHUNKS = 5000
LONGEST_TASK_MS = 500
WATCH = """() => {
    window.longest = 0;
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) window.longest = Math.max(window.longest, entry.duration);
    }).observe({ type: "longtask", buffered: true });
}"""


def test_five_thousand_chunks_stay_usable(mill: Mill, open_page: Open) -> None:
    """A grid of 5,000 chunks is drawn, filled and walked through without a long pause of the page."""
    job = mill.accept("large.csv")
    mill.plan(CHUNKS, size_bytes=4_000_000)
    page = open_page("about:blank")
    page.add_init_script(f"({WATCH})()")
    page.goto(f"{mill.url}/#/jobs/{job}")
    field = page.locator(".grid-field")
    expect(field).to_have_attribute("aria-label", "Chunks: 5,000 planned, 0 running, 0 done, 0 failed", timeout=20_000)

    for _ in range(20):
        mill.work()
    field.focus()
    for _ in range(50):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("End")

    expect(page.locator(".told")).to_contain_text("4,999")
    expect(field).to_have_attribute("aria-label", "Chunks: 4,980 planned, 0 running, 20 done, 0 failed", timeout=20_000)
    assert field.bounding_box()["height"] < 400  # type: ignore[index]
    assert page.evaluate("window.longest") < LONGEST_TASK_MS
