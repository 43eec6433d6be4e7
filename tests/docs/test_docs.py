"""The docs, executed: every page is a session in a folder of its own.

Blocks of a page are carried out in order. `console` blocks run in a terminal and must show what the page shows, where
`...` stands for anything; `python` blocks are programs, `toml` blocks settings; with `file=NAME` they are first written
to that file. `sh` blocks are for what cannot run here; no command of Millstream's may hide in one.
"""

import doctest
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from docs.terminal import run, without_colours
from sybil import Document
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer

from crash.killing import wait_until
from millstream.config.elsewhere import read_run
from millstream.config.serving import read_serving
from millstream.simulate import write_files
from processes import started

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
LIKE_SHOWN = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
SPEED = "3000"
SERVERS = {
    "localhost:9092": "own_kafka",
    "localhost:5672": "own_rabbitmq",
    "localhost:5432": "own_postgres",
    "localhost:7233": "own_temporal",
}
"""Addresses of servers on the pages, and the fixture that has one; a page that runs commands with one has its own."""
SERVICE = "127.0.0.1:8080"
"""Where pages have `millstream serve`; in a test it listens at a port that is free."""

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block: its language, the file it is for if it says so, and where it is."""

    language: str
    file: str
    text: str
    where: str


def blocks_of(page: Path) -> Iterator[Block]:
    document = Document(page.read_text("utf-8"), str(page))
    for region in FencedCodeBlockLexer(r".+")(document):
        language, _, file = region.lexemes["language"].partition(" file=")
        where = f"{page.name}:{document.text.count(chr(10), 0, region.start) + 1}"
        yield Block(language=language, file=file, text=region.lexemes["source"], where=where)


@pytest.mark.slow
@pages
def test_every_block_does_what_the_page_says(page, tmp_path, request):
    """Commands show what is shown, programs end well, settings are right; a page that needs servers has its own."""
    blocks = list(blocks_of(page))
    folder = with_examples(tmp_path / "session")
    addresses = addresses_for(blocks, request)
    for example in folder.glob("*.toml"):
        example.write_text(replaced(example.read_text("utf-8"), addresses), encoding="utf-8")
    request.addfinalizer(lambda: end_processes(folder))
    for number, block in enumerate(blocks):
        if block.file:
            (folder / block.file).write_text(replaced(block.text, addresses), encoding="utf-8")
        match block.language:
            case "console":
                follow(block, folder=folder, addresses=addresses)
            case "python" if not block.file:
                run_program(block, folder=with_examples(tmp_path / f"program-{number}"))
            case "toml" if not block.file:
                check_settings(block, folder=tmp_path)


def addresses_for(blocks: list[Block], request: pytest.FixtureRequest) -> dict[str, str]:
    """What stands for the addresses on a page: those of its own servers, and a free port for a service."""
    commands = "".join(block.text for block in blocks if block.language == "console" or block.file)
    used = [path.read_text("utf-8") for path in EXAMPLES.glob("*.toml") if f" {path.name}" in commands]
    commands += re.sub(r"#.*", "", "".join(used))
    needed = {address: fixture for address, fixture in SERVERS.items() if address in commands}
    addresses = {address: request.getfixturevalue(fixture).address for address, fixture in needed.items()}
    if SERVICE in commands:
        if shutil.which("curl") is None and not os.environ.get("CI"):
            pytest.skip("expected curl, found none")
        addresses[SERVICE] = f"127.0.0.1:{free_port()}"
        request.getfixturevalue("monkeypatch").setenv("MILLSTREAM_LISTEN", addresses[SERVICE])
    return addresses


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def replaced(text: str, addresses: dict[str, str]) -> str:
    """The text with the addresses of a test's own servers."""
    for shown, own in addresses.items():
        text = text.replace(shown, own)
    return text


def end_processes(folder: Path) -> None:
    """End what a page left running in the background; their numbers are in files."""
    for path in folder.glob("*.pid"):
        with suppress(ProcessLookupError, ValueError):
            os.kill(int(path.read_text()), signal.SIGTERM)


def with_examples(folder: Path) -> Path:
    """A new folder with the example programs in it."""
    return shutil.copytree(EXAMPLES, folder, ignore=shutil.ignore_patterns("__pycache__"))


def follow(block: Block, *, folder: Path, addresses: dict[str, str]) -> None:
    """Run each command after a `$`, at those servers, and compare what the terminal shows with the lines below it."""
    for part in re.split(r"^\$ ", replaced(block.text, addresses), flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        try:
            found = without_colours(run(command, folder=folder))
        except subprocess.CalledProcessError as error:
            pytest.fail(f"{block.where}: {error}\n{error.output}")

        alike = doctest.OutputChecker().check_output(shown, found + "\n", LIKE_SHOWN)
        assert alike, f"{block.where}: $ {command}\nexpected:\n{shown}\nfound:\n{found}"


def run_program(block: Block, *, folder: Path) -> None:
    """Run a program to its end; one that waits for the next night is asked to stop once there is nothing left to do."""
    (folder / "archive").mkdir()
    write_files(folder / "incoming", count=3, mean_bytes=1000, seed=1)
    (folder / "block.py").write_text(block.text, encoding="utf-8")
    with started(
        [sys.executable, "block.py"],
        cwd=folder,
        env={**os.environ, "MILLSTREAM_SPEED": SPEED, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        if 'at="' in block.text:
            wait_until(lambda: nothing_left(folder), what="the end of all batches")
            process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)

    assert process.returncode == 0, f"{block.where}: {output}"
    for shown in re.findall(r"^print\(.*\)  # (.*)$", block.text, flags=re.MULTILINE):
        assert shown in output.splitlines(), block.where


def nothing_left(folder: Path) -> bool:
    """Whether the stream of a program came to its end and all of its batches are over."""
    words = [sys.executable, "-m", "millstream", "status", "--json", "--all"]
    status = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    return '"cut": "end"' in status.stdout and not re.search(r'"state": "(open|ready|running|waiting)"', status.stdout)


def check_settings(block: Block, *, folder: Path) -> None:
    """Pipelines, and the service, must be right as a whole; other settings must be TOML."""
    settings = tomllib.loads(block.text)
    if settings.keys() & {"stream", "files"}:
        path = folder / "checked.toml"
        path.write_text(block.text, encoding="utf-8")

        config, _ = read_run(path, environment={}, overrides={})
        assert config.pipelines
    if settings.keys() & {"serve", "container", "key"}:
        path = folder / "checked.toml"
        path.write_text(block.text, encoding="utf-8")

        assert read_serving({}, engine={}, path=path, environment={}).containers


@pages
def test_no_command_goes_untested(page):
    """Where Millstream's own commands are shown, they are in a block that runs."""
    hidden = [
        block.where
        for block in blocks_of(page)
        if block.language in {"sh", "bash", "shell"} and re.search(r"^millstream ", block.text, re.MULTILINE)
    ]

    assert not hidden


@pages
def test_every_link_leads_somewhere(page):
    """Links to files and to headings of this project find them."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, heading = link.partition("#")
        target = page.parent / path if path else page
        if link.startswith(("http://", "https://")):
            continue
        if not target.exists() or (heading and heading not in headings_of(target)):
            broken.append(link)

    assert not broken


def headings_of(page: Path) -> set[str]:
    """The names under which a page's headings are linked to."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def test_every_command_is_documented():
    """The help of each command that `millstream --help` lists is on some page."""
    listed = run("millstream --help", folder=ROOT)
    commands = re.findall(r"^    (\w+) ", without_colours(listed), flags=re.MULTILINE)
    docs = "".join(page.read_text("utf-8") for page in PAGES)

    assert "stream" in commands
    assert [name for name in commands if f"<!-- begin: millstream {name} --help -->" not in docs] == []


def test_generated_parts_are_up_to_date():
    """What the docs take from the code is what the code says."""
    words = [sys.executable, "-m", "docs.generate", "--check"]
    checked = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stderr
