"""The dashboard of an engine: `--dashboard`, a process of its own beside a real engine."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dev.process import wait_until
from playwright.sync_api import Page, expect

from millstream.config import Config, EngineConfig, StreamConfig, read_pipeline
from millstream.errors import ConfigurationError
from millstream.wiring.dashboard import Dashboard, listen_at

Open = Callable[..., Page]

HANDLER = """
import time
from pathlib import Path

def work(batch, context):
    while Path("hold").exists():
        context.heartbeat()
        time.sleep(0.02)
    if not Path("mended").exists():
        raise RuntimeError("the warehouse said no")
"""
ADDRESS = re.compile(r"dashboard: (http://127\.0\.0\.1:\d+)/")


class Engine:
    """`millstream stream --dashboard` in a folder of its own, whose batches die until the folder holds `mended`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "hard.py").write_text(textwrap.dedent(HANDLER), encoding="utf-8")
        words = "stream sim:messages --rate 50/s --duration off --window 300ms --retries 0 --workers 3"
        self.errors = (folder / "errors.txt").open("w", encoding="utf-8")
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "millstream",
                *words.split(),
                "--handler",
                "hard:work",
                "--dashboard",
                "127.0.0.1:0",
            ],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=self.errors,
        )
        assert wait_until(lambda: ADDRESS.search(self.said) is not None, limit_s=30), self.said
        found = ADDRESS.search(self.said)
        assert found is not None
        self.url = found[1]
        assert wait_until(self.is_shown, limit_s=30), self.said

    @property
    def said(self) -> str:
        """What it wrote to standard error."""
        return (self.folder / "errors.txt").read_text(encoding="utf-8")

    def ask(self, path: str, *, host: str | None = None) -> tuple[int, str]:
        """GET a path of the dashboard: status and body."""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=5)
        try:
            connection.request("GET", path, headers={} if host is None else {"Host": host})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def is_shown(self) -> bool:
        """Whether the dashboard answers."""
        try:
            return self.ask("/health/live")[0] == 200
        except OSError:
            return False

    def states(self) -> dict[str, int]:
        """Batches by state."""
        (pipeline,) = json.loads(self.ask("/api/pipelines")[1])["pipelines"]
        return dict(pipeline["states"])

    def end(self, by: signal.Signals = signal.SIGTERM) -> None:
        """End the engine."""
        self.process.send_signal(by)
        self.process.wait(30)
        self.errors.close()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine of the test's own."""
    own = Engine(tmp_path)
    yield own
    if own.process.poll() is None:
        own.end(signal.SIGKILL)


def test_the_page_shows_the_engine_and_retries_its_dead_letters(engine: Engine, open_page: Open) -> None:
    """Without jobs the page begins with pipelines; the retry button works while the engine runs."""
    assert wait_until(lambda: engine.states()["dead"] >= 2, limit_s=30)
    page = open_page(engine.url)
    expect(page.get_by_role("heading", name="stream", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Jobs")).to_be_hidden()
    expect(page.get_by_role("img", name=re.compile(r"\d workers? busy of 3"))).to_be_visible()
    (engine.folder / "mended").touch()

    page.get_by_role("link", name="Dead letters").click()
    first = page.locator(".letter").first
    expect(first).to_contain_text("RuntimeError: the warehouse said no")
    name = first.locator("code").inner_text()
    page.get_by_role("button", name=f"Retry {name}", exact=True).click()
    expect(page.locator("code", has_text=name)).to_have_count(0)

    assert wait_until(lambda: engine.states()["done"] >= 1, limit_s=30)


def test_busy_workers_are_counted(engine: Engine, open_page: Open) -> None:
    """While every handler is held, all workers are busy and batches wait."""
    (engine.folder / "hold").touch()
    page = open_page(engine.url)

    expect(page.get_by_role("img", name="3 workers busy of 3")).to_be_visible(timeout=20_000)
    (engine.folder / "hold").unlink()


def test_it_ends_with_the_engine(engine: Engine) -> None:
    """An engine that is stopped takes its dashboard with it, and says nothing of it."""
    engine.end()

    assert not engine.is_shown()
    assert "dashboard had ended" not in engine.said


def test_it_ends_with_an_engine_that_is_killed(engine: Engine) -> None:
    """Nothing is left of the dashboard of an engine that was killed."""
    engine.end(signal.SIGKILL)

    assert wait_until(lambda: not engine.is_shown(), limit_s=20)


def test_the_engine_goes_on_without_it(engine: Engine) -> None:
    """A dashboard that is killed does the engine no harm, and is told at the end."""
    children = (
        Path(f"/proc/{engine.process.pid}/task/{engine.process.pid}/children").read_text(encoding="ascii").split()
    )
    (dashboard,) = [
        int(child) for child in children if b"dashboard_process" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
    os.kill(dashboard, signal.SIGKILL)
    assert wait_until(lambda: not engine.is_shown(), limit_s=20)
    assert engine.process.poll() is None

    engine.end()

    assert "the dashboard had ended before" in engine.said


def test_a_name_of_another_machine_gets_nowhere(engine: Engine) -> None:
    """A page of another site whose name points at this machine is refused; there are no jobs to ask for."""
    assert engine.ask("/api/pipelines", host="evil.example")[0] == 421
    assert engine.ask("/jobs")[0] == 404
    assert 'data-serves="engine"' in engine.ask("/")[1]


def test_an_address_that_is_taken_is_told_before_anything_runs() -> None:
    """The socket is opened first: one line says that the address is taken."""
    with listen_at("127.0.0.1:0") as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with (
            pytest.raises(ConfigurationError, match=f"found {address}: Address already in use"),
            Dashboard(EngineConfig(dashboard=address)),
        ):
            pass


@pytest.mark.parametrize(
    "address", ["0.0.0.0:80", "192.168.1.7:80", "example.com:80", "127.0.0.1", ":80", "127.0.0.1:70000"]
)
def test_only_this_machine_may_reach_it(address: str) -> None:
    """An address that others reach, or that is none, is a configuration error: the page asks for no key."""
    with pytest.raises(ConfigurationError, match="dashboard: expected an address that only this machine reaches"):
        settings(dashboard=address)


@pytest.mark.parametrize(
    ("given", "address"),
    [
        (True, "127.0.0.1:8321"),
        (False, None),
        ("off", None),
        ("localhost:0", "localhost:0"),
        ("[::1]:9000", "[::1]:9000"),
    ],
)
def test_what_can_be_said(given: object, address: str | None) -> None:
    """True means the usual address, an address itself, off none."""
    assert settings(dashboard=given).engine.dashboard == address


def settings(**engine: object) -> Config:
    """The settings of a stream with these of its engine."""
    return read_pipeline(StreamConfig, {"source": "sim:messages"}, engine=engine, environment={})
