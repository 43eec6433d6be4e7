"""Wrong input gets one clear line for each problem on standard error, exit code 2, and nothing is started."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from adapters import child
from crash.killing import wait_until
from millstream.cli import main
from millstream.config import SOURCES

MODULES = {
    "broken.py": "def load(batch, context)\n    pass\n",
    "fails.py": "raise RuntimeError('no database here')\n",
    "leaves.py": "raise SystemExit(3)\n",
    "fine.py": "LIMIT = 3\n\ndef load(batch, context):\n    pass\n",
    "odd_packing.py": "def few(sizes, capacity):\n    return [0] * 99\n",
}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with something to work and some modules, as the working folder."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("MILLSTREAM_")]:
        monkeypatch.delenv(name)
    (tmp_path / "events.jsonl").write_bytes(b'{"n": 1}\n')
    (tmp_path / "incoming").mkdir()
    (tmp_path / "incoming" / "a").write_bytes(b"a")
    os.mkfifo(tmp_path / "pipe")
    for name, text in MODULES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def refuse(*words: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Run `millstream WORDS`, which must end with exit code 2 and nothing done; returns the lines that it wrote."""
    before = sorted(Path.cwd().rglob("*"))
    try:
        code = main(words)
    except SystemExit as ended:  # argparse
        code = ended.code
    output = capsys.readouterr()

    assert code == 2
    assert output.out == ""
    assert sorted(Path.cwd().rglob("*")) == before
    return [line.removeprefix("millstream: error: ") for line in output.err.splitlines()]


def run(*words: str, **options: object) -> "subprocess.CompletedProcess[str]":
    """Run `millstream WORDS` in a process of its own, to its end."""
    command = [sys.executable, "-m", "millstream", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)


# --- nothing is started, not even the state folder --------------------------------------------------------------------


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("stream nope.jsonl", f"stream: source: expected {SOURCES}, found no file 'nope.jsonl'"),
        ("stream incoming", f"stream: source: expected {SOURCES}, found the folder 'incoming'"),
        ("stream pipe", f"stream: source: expected {SOURCES}, found the pipe or device 'pipe', which - takes: "),
        (f"stream {'x' * 300}", f"stream: source: expected {SOURCES}, found no file 'xxx"),
        ("stream mqtt://host/clicks", f"stream: source: expected {SOURCES}, found 'mqtt://host"),
        ("stream sim:clicks", f"stream: source: expected {SOURCES}, found 'sim:clicks'"),
        ("stream - --follow", "stream: follow: expected a file as source, found '-'"),
        ("stream - --window 5x", "window: expected a duration such as 5m, 1h30m or 250ms"),
        ("stream - --window -5m", "argument --window: expected one argument (try millstream stream --help)"),
        ("stream - --window 0", "window: expected a duration above 0 such as 5m, found '0'"),
        ("stream - --workers two", "workers: expected a whole number of at least 1, found 'two'"),
        ("stream - --processes 11", "stream: processes: expected at most as many as workers (10), found 11"),
        ("stream - --max-memory 1.5", "max_memory: expected a whole number of bytes such as 10MB or 64KiB"),
        ("stream - --speed 0", "speed: expected a number above 0 such as 300, found '0'"),
        ("stream - --drain maybe", "drain: expected one of keep, close, found 'maybe'"),
        ("stream - --handler load", "handler: expected package.module:function, found 'load'"),
        ("stream - --handler fine:load -- cat", "stream: handler and command: expected one way to work a batch, found"),
        ("stream - -- no-such-program", "stream: command: expected a program on the PATH, or the path of an execu"),
        ("stream - -- incoming/a", "stream: command: expected a program on the PATH, or the path of an executable"),
        ("stream - --", "command: expected a list of words such as"),
        ("stream", "the following arguments are required: SOURCE (try millstream stream --help)"),
        ("stream - --wat", "unrecognized arguments: --wat (try millstream --help)"),
        ("stream - two", "unrecognized arguments: two (try millstream --help)"),
        ("files", "the following arguments are required: PATH (try millstream files --help)"),
        ("files nope", "files: paths: expected a file or folder, found nothing at 'nope'"),
        (f"files {'x' * 300}", "files: paths: expected a file or folder, found nothing at 'xxx"),
        ("files incoming --plan --capacity 0", "capacity: expected a size above 0 such as 10MB, found '0'"),
        ("files nope --plan", "files: paths: expected a file or folder, found nothing at 'nope'"),
        ("files incoming --strategy best", "strategy: expected one of nf, wff, ff, "),
        ("files incoming --at 25:00", "at: expected a time of day such as 02:00"),
        ("files incoming --at 02:00 --every 1h", "files: at and every: expected one of them, found 2"),
        ("files incoming --verify --copy-to x", "files: copy_to and verify: expected one way to work a batch, found 2"),
        ("files incoming --merge-to fine.py", "files: merge_to: expected a folder, or a name for a new one, found"),
        ("files incoming --copy-to events.jsonl", "files: copy_to: expected a folder, or a name for a new one, found"),
        ("stream - --state events.jsonl", "state: expected a folder that can be written, found 'events.jsonl'"),
        ("stream - --state fine.py/x", "state: expected a folder that can be written, found 'fine.py/x': Not a dir"),
        ("stream - --state /proc/x", "state: expected a folder that can be written, found '/proc/x'"),
        ("run nope.toml", "nope.toml: cannot be read: No such file or directory"),
        ("run fine.py", "fine.py: expected TOML: "),
        ("run incoming --check", "incoming: cannot be read: Is a directory"),
        ("status", "state: no state at .millstream: nothing was run there yet"),
        ("explain x", "state: no state at .millstream: nothing was run there yet"),
        ("status -- cat", "-- COMMAND goes with stream and files only (try millstream --help)"),
        ("demo --dir incoming", "dir: expected a new folder or one of an earlier demo, found 'incoming' with other th"),
        ("demo --dir fine.py", "dir: expected a folder that can be written, found 'fine.py': Not a directory"),
        ("nope", "argument COMMAND: invalid choice: 'nope' (choose from 'stream', "),
        ("", "the following arguments are required: COMMAND (try millstream --help)"),
    ],
    ids=lambda value: value[:40],
)
def test_one_problem_is_one_line(words: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It names the key, what was found and what is expected; nothing is started and nothing is written."""
    (told,) = refuse(*words.split(), capsys=capsys)

    assert told.startswith(line)


@pytest.mark.usefixtures("site")
def test_all_problems_come_together(capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each, those of the command line and of the environment alike."""
    words = ("stream", "nope.jsonl", "--window", "soon", "--workers", "0", "--speed", "fast", "--retries", "-1")

    lines = refuse(*[word if word != "-1" else "x" for word in words], capsys=capsys)

    assert [line.split(":")[0] for line in lines] == ["workers", "retries", "window", "speed"]


@pytest.mark.usefixtures("site")
def test_all_that_is_missing_is_told_together(capsys: pytest.CaptureFixture[str]) -> None:
    """Sources, folders and commands of all pipelines of a file; `--check` finds the same."""
    Path("mill.toml").write_text(
        '[[stream]]\nsource = "nope"\ncommand = ["no-such-program"]\n[[files]]\npaths = ["incoming", "gone", "*.x"]\n'
    )

    lines = refuse("run", "mill.toml", capsys=capsys)
    checked = refuse("run", "mill.toml", "--check", capsys=capsys)

    assert [line.split(", found")[0] for line in lines] == [
        f"stream: source: expected {SOURCES}",
        "files: paths: expected a file or folder",
        "stream: command: expected a program on the PATH, or the path of an executable file",
    ]
    assert checked == lines


@pytest.mark.usefixtures("site")
def test_a_problem_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever was typed cannot break the line, or play tricks with the terminal."""
    Path("mill.toml").write_text('"a\\nb\\u001b[2J" = 1\n[[stream]]\nsource = "-"\n')

    (line,) = refuse("run", "mill.toml", capsys=capsys)
    (usage,) = refuse("stream", "-", "--a\nb\x1b[2J", capsys=capsys)

    assert line.startswith(r"mill.toml: a\nb\x1b[2J: unknown key")
    assert usage.startswith(r"unrecognized arguments: --a\nb\x1b[2J")


# --- handlers ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        ("broken:load", r"SyntaxError: expected ':' \(broken.py, line 1\)"),
        ("fails:load", "RuntimeError: no database here"),
        ("leaves:load", "SystemExit: 3"),
        ("missing:load", "ModuleNotFoundError: No module named 'missing'"),
        ("fine:work", "AttributeError: module 'fine' has no attribute 'work'"),
        ("fine:LIMIT", "int object is not callable"),
    ],
)
def test_a_handler_that_cannot_be_loaded_is_a_start_up_error(handler: str, reason: str) -> None:
    """The reason is on one line, and no record was read."""
    ended = run("stream", "events.jsonl", "--handler", handler)

    assert ended.returncode == 2
    assert ended.stdout == ""
    assert re.fullmatch(f"millstream: error: handler: cannot load '.*': {reason}; expected .*\n", ended.stderr)
    with sqlite3.connect(".millstream/ledger.db") as db:
        assert db.execute("SELECT COUNT(*) FROM pipeline").fetchone() == (0,)


@pytest.mark.slow
@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(
    ("strategy", "line"),
    [
        ("missing:few", "strategy: cannot load 'missing:few': ModuleNotFoundError: No module named 'missing'"),
        ("odd_packing:few", "strategy: number of answers: expected 1, one for each file, found 99"),
    ],
)
def test_a_strategy_of_the_user_that_is_wrong(strategy: str, line: str) -> None:
    """Nothing was planned, and the line says what the function should have done."""
    ended = run("files", "incoming", "--settle", "0s", "--strategy", strategy)

    assert ended.returncode == 2
    assert ended.stderr.startswith(f"millstream: error: {line}")
    assert len(ended.stderr.splitlines()) == 1


# --- the state folder -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_second_engine_on_the_same_state_is_refused(site: Path) -> None:
    """At once and with the first one's process id; the first one goes on, and afterwards the folder is free."""
    first = subprocess.Popen(
        [sys.executable, "-m", "millstream", "stream", "-", "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_until((site / ".millstream" / "doorbell").exists, what="the first engine")
    second = run("files", "incoming", "--settle", "0s")
    output, _ = first.communicate("one\ntwo\n", timeout=30)
    third = run("files", "incoming", "--settle", "0s")

    assert second.returncode == 2
    assert second.stderr == (
        f"millstream: error: state: .millstream is in use by the engine with process id {first.pid}; "
        "stop it first, or give this one a folder of its own with --state\n"
    )
    assert (first.returncode, json.loads(output)["records_accepted"]) == (0, 2)
    assert third.returncode == 0


@pytest.mark.slow
def test_a_ledger_of_a_newer_version_is_refused(site: Path) -> None:
    """It is left as it is."""
    run("files", "incoming", "--settle", "0s")
    with sqlite3.connect(site / ".millstream" / "ledger.db") as db:
        db.execute("PRAGMA user_version = 99")
    ended = run("files", "incoming", "--settle", "0s")
    looked = run("status")

    for refused in (ended, looked):
        assert refused.returncode == 2
        assert "ledger.db has schema version 99, this Millstream knows up to 2; install the newer" in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
    with sqlite3.connect(site / ".millstream" / "ledger.db") as db:
        assert db.execute("PRAGMA user_version").fetchone() == (99,)


@pytest.mark.slow
@pytest.mark.parametrize("where", ["ledger.db", "lock", "spool", "scratch"])
def test_a_state_folder_with_something_else_in_it(site: Path, where: str) -> None:
    """What stands in the way is named, on one line."""
    (site / ".millstream").mkdir()
    (site / ".millstream" / where).write_text("something else entirely\n" * 100)
    ended = run("stream", "events.jsonl")

    if where == "lock":  # its content does not matter
        assert ended.returncode == 0
        return
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stderr.startswith("millstream: error: state: ")


@pytest.mark.slow
def test_a_name_that_belongs_to_another_kind_of_pipeline(site: Path) -> None:
    """Buckets are not given to the handler of a stream because both were called the same."""
    run("files", "incoming", "--settle", "0s", "--name", "both")
    ended = run("stream", "events.jsonl", "--name", "both")

    assert ended.returncode == 2
    assert ended.stderr.startswith("millstream: error: name: 'both' is a pipeline of bucket batches here")
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("site")
def test_another_key_while_minibatches_are_open() -> None:
    """The start is refused and says what to do; with the old key all records are worked."""
    first = subprocess.Popen(
        [sys.executable, "-m", "millstream", "stream", "-", "--key", "user", "--window", "1h"], stdin=subprocess.PIPE
    )
    first.stdin.write(b'{"user": 1}\n{"user": 2}\n')
    first.stdin.flush()
    wait_until(lambda: count_of("SELECT COUNT(*) FROM batch") == 2, what="two minibatches")
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=30)
    refused = run("stream", "-", "--key", "shop", "--window", "1h", stdin=subprocess.DEVNULL)
    kept = run("stream", "-", "--key", "user", "--window", "1h", "--json", stdin=subprocess.DEVNULL)

    assert first.returncode == 75
    assert refused.returncode == 2
    assert "stream: key: expected user, by which the open minibatches were begun, found shop" in refused.stderr
    assert kept.returncode == 0
    assert json.loads(kept.stdout)["messages_processed"] == 2


def count_of(sql: str) -> int:
    """What the ledger counts; 0 while it is being created."""
    try:
        with sqlite3.connect("file:.millstream/ledger.db?mode=ro", uri=True) as db:
            return db.execute(sql).fetchone()[0]
    except sqlite3.OperationalError:
        return 0


def use_a_disk_that_cannot_be_written(folder: Path) -> None:
    """On a disk that is read-only, an engine says so on one line."""
    (folder / "state").mkdir()
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    ended = run("stream", "-", "--state", str(folder / "state"), stdin=subprocess.DEVNULL)

    assert ended.returncode == 2, ended.stderr
    assert "state: expected a folder that can be written, found " in ended.stderr
    assert len(ended.stderr.splitlines()) == 1, ended.stderr


@pytest.mark.slow
def test_a_state_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """Nothing is started on a read-only disk."""
    child.run_on_a_small_disk(use_a_disk_that_cannot_be_written, folder=tmp_path, size_bytes=1_000_000)


def use_a_full_disk(folder: Path) -> None:
    """On a disk without room an engine does not start, and says why on one line."""
    with (folder / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
        while ballast.write(bytes(4096)):
            pass
    ended = run("stream", "-", "--state", str(folder / "state"), stdin=subprocess.DEVNULL)

    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.startswith("millstream: error: state: "), ended.stderr
    assert len(ended.stderr.splitlines()) == 1, ended.stderr


@pytest.mark.slow
def test_a_disk_that_is_full_from_the_start(tmp_path: Path) -> None:
    """Nothing is started."""
    child.run_on_a_small_disk(use_a_full_disk, folder=tmp_path, size_bytes=1_000_000)
