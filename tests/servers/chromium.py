"""Real Chromium for tests of pages: `chromium`, shared by the session; use contexts or tabs of your own."""

import http.client
import json
from typing import Any
from urllib.parse import quote

import pytest
from dev import chromium as browser
from dev.process import Running

from servers import own


class Chromium:
    """A browser without a window, through the plainest part of its protocol.

    Pages are tested in browsers of their own: who connects to one in full sets all of its pages up, those of others,
    too.
    """

    def __init__(self, running: Running) -> None:
        self.running = running
        self.address = running.address
        """`127.0.0.1:PORT`."""

    def open(self, url: str) -> str:
        """Open a page in a tab of its own; returns the tab's id."""
        return str(self._ask("PUT", f"/json/new?{quote(url, safe=':/?&=%')}")["id"])

    def title(self, tab: str) -> str:
        """The title of a tab's page, as of now."""
        return next(str(each["title"]) for each in self._ask("GET", "/json/list") if each["id"] == tab)

    def _ask(self, method: str, path: str) -> Any:
        connection = http.client.HTTPConnection(self.address, timeout=10)
        try:
            connection.request(method, path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


@pytest.fixture(scope="session")
def chromium() -> Chromium:
    """The browser that all tests of the session share."""
    return Chromium(own.shared(browser))
