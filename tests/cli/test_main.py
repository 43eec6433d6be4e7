"""What all verbs share, and `run --check`."""

import importlib.util
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from millstream.cli import main, status
from millstream.cli.verbs import VERBS
from processes import started

TOML = """
[[stream]]
name = "clicks"
source = "events.jsonl"
command = ["cat"]
[[files]]
name = "nightly"
paths = ["."]
"""


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder with settings and something to work."""
    monkeypatch.chdir(tmp_path)
    Path("mill.toml").write_text(TOML)
    Path("events.jsonl").touch()


def test_check_reads_everything_and_starts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """It names the pipelines, and leaves no state folder."""
    code = main(["run", "mill.toml", "--check"])

    assert code == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "pipelines": ["clicks", "nightly"]}
    assert not Path(".millstream").exists()


@pytest.mark.parametrize(
    ("words", "shown"), [([], "mill.toml: ok, 2 pipelines: clicks, nightly\n"), (["--quiet"], "")], ids=["", "quiet"]
)
def test_check_in_a_terminal(
    words: list[str], shown: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person gets one line, or none."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    code = main(["run", "mill.toml", "--check", *words])

    assert (code, capsys.readouterr().out) == (0, shown)


@pytest.mark.parametrize("word", ["--help", "--version"])
def test_questions_are_answered(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    """On standard output, and with exit code 0."""
    with pytest.raises(SystemExit) as ended:
        main([word])

    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(("usage: millstream", "millstream "))


def test_the_version_says_which_scanner_counts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The compiled one where it is installed, otherwise the one in Python."""
    is_installed = importlib.util.find_spec("millstream_native") is not None
    with pytest.raises(SystemExit):
        main(["--version"])
    monkeypatch.setitem(sys.modules, "millstream_native", None)
    with pytest.raises(SystemExit):
        main(["--version"])

    *installed, without = capsys.readouterr().out.splitlines()
    assert without == f"millstream {version('millstream')} (scanner: python)"
    assert installed == [without.replace("python", "native") if is_installed else without]


COSTLY = ("asyncio", "multiprocessing", "numpy", "rich")


@pytest.mark.parametrize(
    ("words", "loaded"),
    [
        (["--version"], []),
        (["--help"], []),
        (["count", "events.jsonl", "--output", "users.jsonl"], ["numpy"]),
        (["status", "--help"], ["asyncio"]),
    ],
    ids=["version", "help", "count", "status"],
)
def test_a_command_loads_what_it_needs_only(words: list[str], loaded: list[str]) -> None:
    """It is answered at once; what draws in a terminal stays away where there is none."""
    code = (
        "import sys; from millstream.cli import main\n"
        "try: main(sys.argv[1:])\n"
        f"finally: print([name for name in {COSTLY} if name in sys.modules], file=sys.stderr)"
    )
    plain = {name: value for name, value in os.environ.items() if name not in {"FORCE_COLOR", "TTY_COMPATIBLE"}}

    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=60, check=True, env=plain
    )

    assert done.stderr.splitlines()[-1] == str(loaded)


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_is_where_the_table_says(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Its own help begins with the summary that the list of commands has."""
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])

    said = " ".join(capsys.readouterr().out.split())
    assert ended.value.code == 0
    assert said.startswith(f"usage: millstream {verb} ")
    assert VERBS[verb].summary.rstrip(".") in said


@pytest.mark.parametrize("verb", ["stream", "files", "run", "demo", "simulate", "status", "explain", "dead", "retry"])
def test_the_help_of_every_verb_has_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One that begins with the verb itself."""
    with pytest.raises(SystemExit):
        main([verb, "--help"])

    _, example = capsys.readouterr().out.rsplit("example:\n", 1)
    assert f"millstream {verb}" in example


def test_an_interrupt_at_the_keyboard_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command that is no engine ends with 130, as shells expect."""

    def interrupted(_args: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(status, "_run", interrupted)

    assert main(["status"]) == 130
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_whoever_reads_the_output_may_go_away() -> None:
    """As in `millstream ... | head -1`: no traceback, and no error."""
    words = [sys.executable, "-m", "millstream", "simulate", "messages", "--duration", "1000h"]
    with started(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        first = process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()

    assert json.loads(first)["id"] == 0
    assert said == b""
    assert process.returncode == 0
