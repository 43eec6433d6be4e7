"""The verb `simulate`: writes where it is told, says what it wrote, and refuses what it cannot read."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from millstream import simulate
from millstream.cli.simulate import add_parser
from millstream.errors import MillstreamError
from processes import started

MAIN = """
import argparse
from millstream.cli.simulate import add_parser
shared = argparse.ArgumentParser(add_help=False)
shared.set_defaults(json=False, quiet=True)
parser = argparse.ArgumentParser()
add_parser(parser.add_subparsers(), parents=[shared])
args = parser.parse_args()
raise SystemExit(args.run(args))
"""


def run(*arguments: str) -> int:
    """Run `millstream` with these arguments, in this process; returns the exit code."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true")
    shared.add_argument("--quiet", action="store_true")
    parser = argparse.ArgumentParser(prog="millstream")
    add_parser(parser.add_subparsers(), parents=[shared])
    args = parser.parse_args(arguments)
    code = args.run(args)
    assert isinstance(code, int)
    return code


def test_messages_go_to_standard_output(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """Nothing but records is on standard output; a line for people is on standard error."""
    code = run("simulate", "messages", "--rate", "1/s", "--duration", "1m", "--seed", "5")

    out, err = capsysbinary.readouterr()
    assert code == 0
    assert out == b"".join(simulate.messages(rate_per_s=1.0, duration_s=60.0, seed=5))
    assert err.decode() == f"{len(out.splitlines())} messages, {len(out) / 1_000:.3g} kB\n"


def test_quiet_says_nothing(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """With --quiet standard error stays empty."""
    run("simulate", "messages", "--quiet")

    assert capsysbinary.readouterr().err == b""


def test_json_puts_the_summary_last(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """With --json the last line on standard output is the summary, after the records."""
    run("simulate", "messages", "--json")

    *records, summary = capsysbinary.readouterr().out.splitlines(keepends=True)
    assert json.loads(summary) == {"messages": len(records), "bytes": len(b"".join(records))}


def test_frames_go_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With -o the records are in the file, and the summary names it."""
    path = tmp_path / "frames.jsonl"
    options = ["--count", "500", "--rate", "100/s", "--users", "9", "--late", "5%", "--flip", "1%", "--seed", "2"]

    code = run("simulate", "frames", *options, "-o", str(path), "--json")

    wanted = simulate.frames(count=500, rate_per_s=100.0, users=9, late=0.05, flip=0.01, seed=2)
    assert code == 0
    assert path.read_bytes() == b"".join(wanted)
    assert json.loads(capsys.readouterr().out) == {
        "frames": 500,
        "bytes": path.stat().st_size,
        "output": str(path),
    }


def test_files_go_to_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Real files are in the folder, and the summary adds up."""
    folder = tmp_path / "incoming"

    code = run("simulate", "files", "--dir", str(folder), "--count", "20", "--mean", "2KB", "--seed", "1", "--json")

    sizes = [path.stat().st_size for path in folder.iterdir()]
    assert code == 0
    assert json.loads(capsys.readouterr().out) == {"files": 20, "bytes": sum(sizes), "dir": str(folder)}


def test_files_are_reported_to_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --json one line on standard error says what is where."""
    run("simulate", "files", "--dir", str(tmp_path), "--count", "3", "--mean", "0")

    assert capsys.readouterr() == ("", f"3 files, 192 B in {tmp_path}\n")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["messages", "--rate", "0"], "argument --rate: expected a rate above 0 such as 10/min"),
        (["messages", "--duration", "soon"], "argument --duration: expected a duration such as 5m"),
        (["files", "--dir", "d", "--mean", "10M"], "argument --mean: expected a whole number of bytes"),
        (["files", "--dir", "d", "--count", "0"], "argument --count: expected a whole number of at least 1"),
        (["files"], "the following arguments are required: --dir"),
        (
            ["frames", "--late", "200%"],
            "argument --late: expected a share from 0 to 1 such as 1% or 0.01, found '200%'",
        ),
        ([], "the following arguments are required: messages|files|frames"),
    ],
)
def test_wrong_usage_names_the_option(arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A value that cannot be read ends with 2 and one line that names the option and what it expects."""
    with pytest.raises(SystemExit) as exit_info:
        run("simulate", *arguments)

    assert exit_info.value.code == 2
    assert problem in capsys.readouterr().err


@pytest.mark.parametrize("command", ["simulate", "simulate messages", "simulate files", "simulate frames"])
def test_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The help of every command ends with one to copy."""
    with pytest.raises(SystemExit):
        run(*command.split(), "--help")

    help_text = capsys.readouterr().out
    assert f"example:\n  millstream {command} " in help_text
    assert "%%" not in help_text


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A folder where the file should be, and a file where the folder should be, are one clear line each."""
    blocked = tmp_path / "file"
    blocked.touch()

    with pytest.raises(MillstreamError, match=r"^simulate: cannot write .*: Is a directory$"):
        run("simulate", "messages", "-o", str(tmp_path))
    with pytest.raises(MillstreamError, match=r"^simulate: cannot write .*file: File exists$"):
        run("simulate", "files", "--dir", str(blocked))


def test_a_reader_that_has_enough_is_no_error() -> None:
    """When `head` closes the pipe, nothing is printed and the exit code is 0."""
    command = [sys.executable, "-c", MAIN, "simulate", "frames", "--count", "100000"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with started(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        process.stdout.close()
        complaints = process.stderr.read()

    assert json.loads(first)["ts"] == simulate.START_S
    assert complaints == b""
    assert process.returncode == 0
