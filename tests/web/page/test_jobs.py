"""The list of jobs and the page of one, in a real browser over a real ledger."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from millstream.core.splitting import Rejected
from web.page.living import Mill

Open = Callable[..., Page]


def test_a_newcomer_is_told_what_to_do(mill: Mill, open_page: Open) -> None:
    """Without jobs the page shows the command that makes one."""
    page = open_page(mill.url)

    expect(page.get_by_role("heading", name="No jobs yet")).to_be_visible()
    expect(page.locator(".command code").first).to_contain_text(f"curl -X POST '{mill.url}/read-and-publish-data'")


def test_a_job_appears_and_moves_by_itself(mill: Mill, open_page: Open) -> None:
    """A job that is accepted while the page is open appears, runs and ends without a reload."""
    page = open_page(mill.url)
    expect(page.locator("#link-text")).to_have_text("Live")

    mill.accept("orders.csv")
    expect(page.get_by_role("link", name="orders.csv")).to_be_visible()
    mill.plan(4)
    for _ in range(2):
        mill.work()
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "50")
    expect(page.locator(".job")).to_contain_text("2,000 records")
    for _ in range(2):
        mill.work()

    expect(page.locator(".job .pill")).to_have_attribute("data-state", "running")  # it is not joined yet
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "100")


def test_a_waiting_job_says_why(mill: Mill, open_page: Open) -> None:
    """The reason why a job waits is shown in the list and on its page."""
    job = mill.accept()
    mill.wait_for(job, "the broker at amqp://localhost/orders does not answer")
    page = open_page(mill.url)

    expect(page.locator(".job-why")).to_have_text("waits: the broker at amqp://localhost/orders does not answer")
    page.get_by_role("link", name="data.csv").click()
    expect(page.locator(".note")).to_contain_text("It waits: the broker at amqp://localhost/orders does not answer.")


def test_the_grid_fills(mill: Mill, open_page: Open) -> None:
    """Chunks go from planned to done and failed in the grid, which says so in words as well."""
    job = mill.accept()
    page = open_page(f"{mill.url}/#/jobs/{job}")
    mill.plan(6)
    field = page.locator(".grid-field")
    expect(field).to_have_attribute("aria-label", "Chunks: 6 planned, 0 running, 0 done, 0 failed")
    before = field.screenshot()

    mill.work()
    mill.fail("the broker said no")
    mill.begin()
    expect(field).to_have_attribute("aria-label", "Chunks: 3 planned, 1 running, 1 done, 1 failed")

    assert field.screenshot() != before
    expect(page.locator("#card-failed")).to_be_visible()
    expect(page.get_by_role("region", name="Failed chunks, table")).to_contain_text("the broker said no")


def test_a_chunk_is_explained_on_hover_and_by_keys(mill: Mill, open_page: Open) -> None:
    """Number, range, records, state and error of a chunk are told where the pointer is, and by arrow keys."""
    job = mill.accept()
    mill.plan(6)
    mill.work()
    mill.work()
    mill.fail("the broker said no")
    page = open_page(f"{mill.url}/#/jobs/{job}")
    field = page.locator(".grid-field")
    expect(field).to_have_attribute("aria-label", "Chunks: 3 planned, 0 running, 2 done, 1 failed")

    page.locator("canvas").hover(position={"x": 33, "y": 10})
    expect(page.locator(".told")).to_contain_text("Chunk 1: done, bytes 1,000,004 to 2,000,004 (1 MB), 1,000 records")
    field.focus()
    page.keyboard.press("Home")
    page.keyboard.press("f")
    expect(page.locator(".told")).to_contain_text("Chunk 2: failed")
    expect(page.locator(".told")).to_contain_text("the broker said no")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".told")).to_contain_text("Chunk 3: planned")
    page.keyboard.press("End")
    expect(page.locator(".told")).to_contain_text("Chunk 5: planned")


def test_rejected_records_are_listed(mill: Mill, open_page: Open) -> None:
    """A malformed record is shown with its number, its byte range and what is wrong with it."""
    job = mill.accept()
    mill.plan(2)
    mill.work(rejects=[Rejected(record=17, start=1704, end=1764, reason="expected 7 fields, found 6")])
    page = open_page(f"{mill.url}/#/jobs/{job}")

    row = page.get_by_role("region", name="Rejected records, table").locator("tbody tr")
    expect(row).to_have_count(1)
    assert row.locator("td").all_text_contents() == [
        "17",
        "0",
        "1,704 \u2013 1,764",
        "60 B",
        "expected 7 fields, found 6",
    ]
    expect(page.locator(".chart-box .spike")).to_have_count(1)


def test_pause_and_resume(mill: Mill, open_page: Open) -> None:
    """The buttons pause a job and let it go on."""
    job = mill.accept()
    mill.plan(3)
    page = open_page(f"{mill.url}/#/jobs/{job}")

    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".title .pill")).to_have_attribute("data-state", "paused")
    assert mill.status(job) == "paused"
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    assert mill.status(job) != "paused"


def test_cancel_asks_first(mill: Mill, open_page: Open) -> None:
    """A job is cancelled only when that is confirmed; Escape keeps it."""
    job = mill.accept()
    mill.plan(3)
    page = open_page(f"{mill.url}/#/jobs/{job}")

    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert mill.status(job) != "cancelled"
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Cancel this job").click()

    expect(page.locator(".title .pill")).to_have_attribute("data-state", "cancelled")
    assert mill.status(job) == "cancelled"


def test_what_failed_is_retried(mill: Mill, open_page: Open) -> None:
    """Retry makes the failed chunks of a job ready again."""
    job = mill.accept()
    mill.plan(1)
    mill.fail("the broker said no")
    page = open_page(f"{mill.url}/#/jobs/{job}")
    expect(page.locator(".title .pill")).to_have_attribute("data-state", "failed")

    page.get_by_role("button", name="Retry what failed").click()

    expect(page.locator(".grid-field")).to_have_attribute(
        "aria-label", "Chunks: 1 planned, 0 running, 0 done, 0 failed"
    )


def test_an_ingestion_is_started_by_the_form(mill: Mill, open_page: Open) -> None:
    """The form takes a file on and goes to its page; what is wrong stands at its field."""
    mill.service.put("2024/orders.csv")
    page = open_page(mill.url, may_complain=True)  # the browser writes down that a request was refused
    page.get_by_role("button", name="Start an ingestion", exact=True).click()

    page.get_by_label("File", exact=True).fill("../secrets")
    page.get_by_label("Container").fill("test")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator("#start-file_name-problem")).to_contain_text("found one that has a part that is . or ..")
    expect(page.get_by_label("File", exact=True)).to_be_focused()
    page.get_by_label("File", exact=True).fill("2024/orders.csv")
    expect(page.locator("dialog code")).to_contain_text('"file_name":"2024/orders.csv"')
    page.get_by_role("button", name="Start", exact=True).click()

    expect(page.locator("h1")).to_have_text("2024/orders.csv")


def test_a_job_that_is_not_there(mill: Mill, open_page: Open) -> None:
    """The page of an unknown job says so and leads back."""
    page = open_page(f"{mill.url}/#/jobs/nothing", may_complain=True)

    expect(page.get_by_role("heading", name="There is no such job")).to_be_visible()
