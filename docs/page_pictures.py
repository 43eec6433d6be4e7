"""Makes the pictures of the page: `python -m docs.page_pictures`, from the folder of the project.

Theory of operation: a real service and a real engine run in a temporary folder, a real browser looks at them, and what
it shows becomes a picture. Nothing is drawn by hand. The files are written from a seed; how far a job is in the
picture depends on the machine.
"""

import json
import random
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dev import chromium
from playwright.sync_api import Browser, Page, sync_playwright

IMAGES = Path(__file__).parent / "images"
WIDE = (1280, 860)
PHONE = (390, 844)
ROWS = 1_500_000
PATIENCE_S = 60.0
URL = re.compile(r"http://127\.0\.0\.1:\d+")
HANDLER = """
import random, time

def load(batch, context):
    time.sleep(random.uniform(0.2, 1.4))
    if random.random() < 0.12:
        raise RuntimeError("warehouse: expected 200, found 503 Service Unavailable")
"""


def main() -> int:
    """Make all pictures."""
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium.install()), args=chromium.options())
        with tempfile.TemporaryDirectory() as folder:
            picture_service(browser, Path(folder))
        with tempfile.TemporaryDirectory() as folder:
            picture_engine(browser, Path(folder))
        browser.close()
    return 0


def picture_service(browser: Browser, folder: Path) -> None:
    """Jobs, one job in light and dark, and on a phone."""
    write_files(folder / "files")
    words = ["serve", "--listen", "127.0.0.1:0", "--container", "shop=files", "--chunk", "100KB", "--workers", "2"]
    with running(words, folder=folder) as url:
        ask(url, {"file_name": "customers.jsonl", "file_container": "shop"})
        ask(url, {"file_name": "returns.csv", "file_container": "shop", "policy": "skip"})
        orders = ask(url, {"file_name": "2024/orders.csv", "file_container": "shop"})
        wait_for_share(url, orders, share=0.3)
        ask(url, {"file_name": "2024/prices.csv", "file_container": "shop"})
        take(browser, f"{url}/#/jobs", name="page-jobs")
        wait_for_share(url, orders, share=0.55)
        take(browser, f"{url}/#/jobs/{orders}", name="page-job")
        take(browser, f"{url}/#/jobs/{orders}", name="page-job-dark", scheme="dark")
        take(browser, f"{url}/#/jobs/{orders}", name="page-phone", size=PHONE)


def picture_engine(browser: Browser, folder: Path) -> None:
    """The dashboard of an engine."""
    (folder / "shop.py").write_text(HANDLER, encoding="utf-8")
    words = "stream sim:messages --rate 200/s --duration off --window 90ms --retries 1 --backoff 100ms --workers 8"
    words += " --name clicks --handler shop:load --dashboard 127.0.0.1:0"
    with running(words.split(), folder=folder) as url, opened(browser, f"{url}/#/engine", scheme="dark") as page:
        page.wait_for_timeout(20_000)  # so that there is something to see
        page.screenshot(path=IMAGES / "page-engine.png")


def write_files(folder: Path) -> None:
    """Files of a shop."""
    dice = random.Random(7)  # noqa: S311 - nothing secret
    (folder / "2024").mkdir(parents=True)
    with (folder / "2024" / "orders.csv").open("w", encoding="utf-8") as orders:
        orders.write("id,customer,amount,note\n")
        for number in range(ROWS):
            note = '"ring twice,\nthen wait"' if number % 11 == 0 else ""
            broken = number % 200_003 == 77_777  # noqa: PLR2004 - now and then
            orders.write(f"{number},c{dice.randrange(9999)}{'' if broken else f',{dice.random() * 90:.2f},{note}'}\n")
    (folder / "2024" / "prices.csv").write_bytes((folder / "2024" / "orders.csv").read_bytes())
    returns = "".join(f"{number},broken\n" if number % 500 == 0 else f"{number},x,1.50\n" for number in range(40_000))
    (folder / "returns.csv").write_text(f"id,item,amount\n{returns}", encoding="utf-8")
    names = (json.dumps({"id": number, "name": f"customer {number}"}) for number in range(60_000))
    (folder / "customers.jsonl").write_text("\n".join(names), encoding="utf-8")


@contextmanager
def running(words: list[str], *, folder: Path) -> Iterator[str]:
    """Run a command of Millstream meanwhile; yields the address that it says."""
    said = folder / "said.txt"
    with said.open("w", encoding="utf-8") as output:
        command = [sys.executable, "-m", "millstream", *words]
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield wait_for_address(said, process)
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def wait_for_address(said: Path, process: "subprocess.Popen[bytes]") -> str:
    """The address that a command says; raises RuntimeError when it ends or says none."""
    until_s = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < until_s:
        found = URL.search(said.read_text(encoding="utf-8"))
        if found:
            return found[0]
        time.sleep(0.1)
    raise RuntimeError(f"expected an address, found: {said.read_text(encoding='utf-8')}")


def ask(url: str, request: dict[str, str]) -> str:
    """Ask for a file; returns its message id."""
    body = json.dumps(request).encode()
    headers = {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(f"{url}/read-and-publish-data", body, headers)) as answer:  # noqa: S310 - our own
        return str(json.load(answer)["message_id"])


def wait_for_share(url: str, message_id: str, *, share: float) -> None:
    """Wait until so much of a job is done, or it has ended."""
    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s:
        with urllib.request.urlopen(f"{url}/track?message_id={message_id}") as answer:  # noqa: S310 - our own
            job = json.load(answer)
        if job["ended_at"] or job["bytes_done"] >= share * (job["size_bytes"] or float("inf")):
            return
        time.sleep(0.1)


def take(browser: Browser, url: str, *, name: str, scheme: str = "light", size: tuple[int, int] = WIDE) -> None:
    """Take one picture."""
    with opened(browser, url, scheme=scheme, size=size) as page:
        page.wait_for_timeout(900)
        page.screenshot(path=IMAGES / f"{name}.png")


@contextmanager
def opened(browser: Browser, url: str, *, scheme: str, size: tuple[int, int] = WIDE) -> Iterator[Page]:
    """A page meanwhile."""
    width, height = size
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": height})
    page = context.new_page()
    page.goto(url)
    yield page
    context.close()


if __name__ == "__main__":
    sys.exit(main())
