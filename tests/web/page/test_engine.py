"""The engine and its dead letters."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from web.page.living import Mill

Open = Callable[..., Page]


def test_pipelines_and_workers_are_shown(mill: Mill, open_page: Open) -> None:
    """A pipeline shows its batches by state, and the pool how many workers are busy."""
    mill.accept()
    mill.plan(5)
    mill.work()
    mill.begin()
    page = open_page(f"{mill.url}/#/engine")

    card = page.locator(".pipeline")
    expect(card.get_by_role("heading")).to_have_text("ingest")
    expect(card.get_by_role("img")).to_have_attribute("aria-label", "3 ready, 1 running, 2 done")
    expect(page.get_by_role("img", name="1 worker busy of 4")).to_be_visible()
    expect(page.get_by_role("region", name="Claimed batches, table").locator("tbody tr")).to_have_count(1)


def test_a_dead_letter_is_retried(mill: Mill, open_page: Open) -> None:
    """A dead batch is listed with its error, counted beside the section's name, and gone when it is retried."""
    mill.accept()
    mill.plan(3)
    mill.fail("first trouble")
    mill.fail("second trouble")
    page = open_page(f"{mill.url}/#/dead")
    expect(page.locator("#dead-count")).to_have_text("2")
    expect(page.locator(".letter")).to_have_count(2)
    expect(page.locator(".letter").first).to_contain_text("first trouble")

    page.locator(".letter").first.get_by_role("button").click()

    expect(page.locator(".letter")).to_have_count(1)
    expect(page.locator(".letter button")).to_be_focused()
    expect(page.locator("#dead-count")).to_have_text("1")
    assert mill.service.rings == 1


def test_without_dead_letters_it_is_said(mill: Mill, open_page: Open) -> None:
    """Nothing dead is good news, with the command that tells the same."""
    page = open_page(f"{mill.url}/#/dead")

    expect(page.get_by_role("heading", name="No dead letters")).to_be_visible()
    expect(page.locator(".command code")).to_have_text("millstream dead")
