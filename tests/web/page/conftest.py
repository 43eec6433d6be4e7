"""A browser, a server, and pages that must not complain."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright", reason="could not import playwright")
pytest.importorskip("fastapi", reason="could not import fastapi")

from dev import chromium
from playwright.sync_api import Browser, Page, expect, sync_playwright

from web.page.living import Mill

PATIENCE_MS = 15_000
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for a module: while it is talked to, no other event loop can run in this thread.

    It is not the one of the session: who connects to a browser sets all of its pages up, those of others, too.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium.install()), args=chromium.options())
        yield browser
        browser.close()


@pytest.fixture
def mill(tmp_path: Path) -> Iterator[Mill]:
    """A server of the test's own."""
    own = Mill(tmp_path)
    yield own
    own.close()


class Watched:
    """What a page said on its console, and whom it asked."""

    def __init__(self, page: Page) -> None:
        self.complaints: list[str] = []
        self.asked: list[str] = []
        page.on("console", lambda message: self._said(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))

    def _said(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.complaints.append(text)


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open a page in a context of its own; `may_complain` allows errors on its console."""
    opened: list[tuple[Page, Watched, bool]] = []

    def opening(url: str, *, may_complain: bool = False, width: int = 1280, height: int = 900, **options: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        opened.append((page, Watched(page), may_complain))
        page.watched = opened[-1][1]  # type: ignore[attr-defined]
        page.goto(url)
        return page

    yield opening
    for page, watched, may_complain in opened:
        page.context.close()
        assert may_complain or watched.complaints == []
