"""How results are shown: JSON or tables, and the words that all verbs share."""

import argparse
import json
import sys
from datetime import UTC, datetime

import pytest
from rich.console import Console

from millstream.cli.output import (
    counted,
    local_time,
    print_json,
    printable,
    rough_duration,
    say,
    stderr_console,
    stdout_console,
    wants_json,
)

NOON = datetime(2025, 7, 20, 12, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("asked", "is_terminal", "wanted"), [(False, True, False), (True, True, True), (False, False, True)]
)
def test_a_pipe_gets_json(asked: bool, is_terminal: bool, wanted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal gets tables unless JSON is asked for."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)

    assert wants_json(argparse.Namespace(json=asked)) is wanted


def test_json_is_one_line_of_utf_8(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """Text stays as it is; bytes of a file name that are none come through as the escape that JSON has for them."""
    document = {"text": "Zürich\n", "path": "a\udcff.csv"}

    print_json(document)

    out = capsysbinary.readouterr().out
    assert out == '{"text": "Zürich\\n", "path": "a\\udcff.csv"}\n'.encode()
    assert json.loads(out) == document


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, Zürich 🌾", "plain text, Zürich 🌾"),
        ("two\nlines", r"two\nlines"),
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("\udcff", r"\udcff"),
        ("right\u202eleft", r"right\u202eleft"),
    ],
)
def test_what_is_not_to_be_seen_is_escaped(text: str, shown: str) -> None:
    """Nothing that came from outside can steer a terminal."""
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [(0, "record", "0 records"), (1, "batch", "1 batch"), (2, "batch", "2 batches"), (12_345, "file", "12,345 files")],
)
def test_numbers_have_their_noun(number: int, noun: str, text: str) -> None:
    """Singular for one, plural for all others, thousands apart."""
    assert counted(number, noun) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0s"), (0.01234, "12ms"), (1.23456, "1.2s"), (59.96, "1m"), (125.4, "2m5s"), (7_260.2, "2h1m")],
)
def test_durations_are_rounded_for_people(seconds: float, text: str) -> None:
    """The longer it took, the fewer digits matter."""
    assert rough_duration(seconds) == text


@pytest.mark.parametrize(
    ("at_s", "text"),
    [
        (NOON + 250.9, "12:04:10"),
        (NOON - 86_400, "2025-07-19 12:00:00"),
        (NOON + 43_200, "2025-07-21 00:00:00"),
        (1e30, "second 1000000000000000019884624838656"),
    ],
)
def test_times_are_local_and_have_a_date_unless_it_is_today(at_s: float, text: str) -> None:
    """A time that no calendar has is told as it is."""
    assert local_time(at_s, now_s=NOON) == text


def test_results_and_messages_go_different_ways(capsys: pytest.CaptureFixture[str]) -> None:
    """Results go to standard output, messages to standard error, and neither is interpreted or wrapped."""
    say(stdout_console(), "[bold]result[/] :wave: " + "x" * 200)
    say(stderr_console(), "message")

    assert capsys.readouterr() == ("[bold]result[/] :wave: " + "x" * 200 + "\n", "message\n")


def test_a_style_is_for_the_whole_line(screen: Console) -> None:
    """Without colours nothing but the text is left."""
    say(screen, "dead", style="bold red")

    assert screen.file.getvalue() == "dead\n"
