"""Chromium, as other tests stand on it."""

from dev.process import wait_until

from servers.chromium import Chromium

PAGE = "data:text/html,<script>document.title = 'scripts run: ' + (6 * 7)</script>"


def test_a_page_is_shown(chromium: Chromium) -> None:
    """A page is loaded in a tab, and its scripts run."""
    tab = chromium.open(PAGE)

    assert wait_until(lambda: chromium.title(tab) == "scripts run: 42", limit_s=20)
