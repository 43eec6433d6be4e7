"""What the page does when the server goes, comes back, has no stream to spare, or asks for a key."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, Route, expect

from web.page.living import Mill
from web.serving import API_KEYS, KEYS

Open = Callable[..., Page]


def test_a_lost_connection_is_told_and_mended(mill: Mill, open_page: Open) -> None:
    """While the server is away the page says so and keeps what it knew; afterwards it shows what is new."""
    mill.accept("orders.csv")
    page = open_page(mill.url, may_complain=True)  # the browser writes down that nobody answers
    expect(page.locator("#link-text")).to_have_text("Live")

    mill.stop()
    expect(page.locator("#link-text")).to_have_text("Connection lost")
    expect(page.locator("#banner")).to_contain_text("Connection lost: the server does not answer.")
    expect(page.get_by_role("link", name="orders.csv")).to_be_visible()
    mill.accept("later.csv")
    mill.start()

    expect(page.locator("#link-text")).to_have_text("Live", timeout=20_000)
    expect(page.get_by_role("link", name="later.csv")).to_be_visible()
    expect(page.locator("#banner")).to_be_hidden()


def test_the_stream_goes_on_where_it_broke_off(mill: Mill, open_page: Open) -> None:
    """A page that connects again says the number of the last event it saw."""
    page = open_page(mill.url, may_complain=True)
    expect(page.locator("#link-text")).to_have_text("Live")
    mill.accept("orders.csv")
    expect(page.get_by_role("link", name="orders.csv")).to_be_visible()

    mill.stop()
    expect(page.locator("#link-text")).to_have_text("Connection lost")
    with page.expect_request(lambda request: request.url.endswith("/api/events"), timeout=20_000) as asked:
        mill.start()

    assert int(asked.value.headers["last-event-id"]) >= 1


def test_without_a_stream_the_page_polls(mill: Mill, open_page: Open) -> None:
    """When the server has no stream to spare, the page asks every few seconds."""

    def refuse(route: Route) -> None:
        route.fulfill(status=429, content_type="application/problem+json", body='{"title": "Too many"}')

    page = open_page("about:blank", may_complain=True)
    page.route("**/api/events", refuse)
    page.goto(mill.url)
    expect(page.locator("#link-text")).to_have_text("Every few seconds")

    mill.accept("orders.csv")

    expect(page.get_by_role("link", name="orders.csv")).to_be_visible(timeout=10_000)


def test_a_key_is_asked_for_and_kept_in_the_tab(tmp_path: Path, open_page: Open) -> None:
    """A server with keys makes the page ask; the key is kept for the tab alone and sent as a header."""
    mill = Mill(tmp_path, keys=API_KEYS)
    try:
        page = open_page(mill.url, may_complain=True)
        page.get_by_label("API key", exact=True).and_(page.locator("input")).fill("wrong")
        page.get_by_role("button", name="Use this key").click()
        expect(page.locator("dialog")).to_contain_text("The server does not know this key.")
        page.locator("#key-field").fill(KEYS["alice"])
        page.get_by_role("button", name="Use this key").click()

        expect(page.get_by_role("heading", name="No jobs yet")).to_be_visible()
        expect(page.locator("#link-text")).to_have_text("Live")
        expect(page.get_by_role("link", name="Engine")).to_be_hidden()  # for operators
        assert page.evaluate("Object.values(sessionStorage)") == [KEYS["alice"]]
        assert page.evaluate("Object.values(localStorage)") == []
        assert KEYS["alice"] not in "".join(page.watched.asked)  # type: ignore[attr-defined]
    finally:
        mill.close()
