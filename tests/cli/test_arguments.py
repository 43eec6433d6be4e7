"""Arguments: commands with an example, values with errors in their own words."""

import argparse

import pytest

from millstream.cli.arguments import add_command, argument
from millstream.core.units import parse_duration


def test_a_value_is_read_by_its_parser() -> None:
    """What the parser of values makes of the text is the value of the argument."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--window", type=argument(parse_duration), default="5m")

    assert parser.parse_args([]).window == 300.0
    assert parser.parse_args(["--window", "90s"]).window == 90.0


def test_a_value_that_cannot_be_read_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """The line names the argument once, what it expects and what was found."""
    parser = argparse.ArgumentParser(prog="millstream")
    parser.add_argument("--window", type=argument(parse_duration))

    with pytest.raises(SystemExit) as exit_info:
        parser.parse_args(["--window", "soon"])

    assert exit_info.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("millstream: error: argument --window: expected a duration such as 5m")
    assert last.endswith("found 'soon'")


def test_a_command_has_its_summary_and_its_example(capsys: pytest.CaptureFixture[str]) -> None:
    """The list of commands shows the summary, the help of the command also the example."""
    parser = argparse.ArgumentParser(prog="millstream")
    add_command(parser.add_subparsers(), name="grind", summary="Grind the grain.", example="millstream grind 50%")

    assert "grind the grain\n" in parser.format_help()
    with pytest.raises(SystemExit):
        parser.parse_args(["grind", "--help"])
    help_text = capsys.readouterr().out
    assert "\nGrind the grain.\n" in help_text
    assert help_text.endswith("example:\n  millstream grind 50%\n")
