"""The verb `plot`: writes a picture, says what is in it, and refuses what it cannot draw in one line."""

import io
import json
import sys
from pathlib import Path

import pytest

from millstream.cli import main
from millstream.counting.model import Size
from plotting.records import NOON_S, minutes, result


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with results of 22 minutes and an hour."""
    monkeypatch.chdir(tmp_path)
    lines = [record.encode() + b"\n" for record in [*minutes(22), result(by=Size.HOUR)]]
    (tmp_path / "users.jsonl").write_bytes(b"".join(lines))
    return tmp_path


def test_results_become_a_picture(capsys):
    """And a document that says what was drawn."""
    code = main(["plot", "users.jsonl", "-o", "users.svg"])

    assert code == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == {"output": "users.svg", "windows": {"minute": 22, "hour": 1}, "damaged": 0}
    assert Path("users.svg").read_bytes().startswith(b"<?xml")


def test_the_suffix_chooses_the_kind():
    """In capitals, too."""
    main(["plot", "users.jsonl", "-o", "USERS.PNG"])

    assert Path("USERS.PNG").read_bytes().startswith(b"\x89PNG")


def test_a_person_gets_a_line(capsys, monkeypatch):
    """With the windows of each size."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    main(["plot", "users.jsonl", "-o", "users.png"])

    assert capsys.readouterr().out == "users.png: 22 minutes, 1 hour\n"


def test_several_sources_are_one(monkeypatch, capsys):
    """Standard input among them; the highest revision of a window counts."""
    more = result(NOON_S, 5, revision=9).encode() + b"\n" + result(NOON_S - 60, 6).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(more)))
    main(["plot", "users.jsonl", "-", "-o", "users.svg", "--by", "minute"])

    assert json.loads(capsys.readouterr().out)["windows"] == {"minute": 23}


def test_damaged_lines_are_counted_and_told(folder, capsys):
    """The others are drawn."""
    with (folder / "users.jsonl").open("ab") as file:
        file.write(b'{"by":"min\nnothing\n')
    code = main(["plot", "users.jsonl", "-o", "users.svg"])

    output = capsys.readouterr()
    assert code == 0
    assert json.loads(output.out)["damaged"] == 2
    assert output.err.startswith("2 lines left out, because they are no results; the first is users.jsonl:24: ")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("users.jsonl -o users.gif", "output: expected a file that ends in .svg or .png, found 'users.gif'"),
        ("users.jsonl -o users", "output: expected a file that ends in .svg or .png, found 'users'"),
        ("users.jsonl -o no/users.svg", "plot: cannot write no/users.svg: No such file or directory"),
        ("none.jsonl -o a.svg", "plot: expected a file of results or -, found 'none.jsonl': No such file or directory"),
        (
            "kafka://h/t -o a.svg",
            "plot: expected a file of results or -, found 'kafka://h/t'; `millstream results kafka",
        ),
        (". -o a.svg", "plot: expected a file of results or -, found '.': Is a directory"),
        ("users.jsonl -o a.svg --by second", "by: expected some of minute,hour,day,week,month,year, with commas"),
        ("users.jsonl -o a.svg --by day,year", "plot: expected results by day, year, found 23 records by other sizes;"),
        ("users.jsonl -o a.svg --zone Mars", "zone: expected a time zone such as Europe/Berlin or UTC, found 'Mars'"),
        ("empty -o a.svg", "plot: expected results as `millstream count` writes them, found none"),
        ("noise -o a.svg", "plot: expected results as `millstream count` writes them, found none; the first of 1 line"),
    ],
)
def test_what_cannot_be_drawn_is_one_clear_line(words, line, folder, capsys):
    """Exit code 2, and no file."""
    (folder / "empty").touch()
    (folder / "noise").write_bytes(b"\xff\x00")
    before = sorted(folder.iterdir())
    code = main(["plot", *words.split()])

    output = capsys.readouterr()
    assert code == 2
    assert output.err.startswith(f"millstream: error: {line}")
    assert output.err.count("\n") == 1
    assert sorted(folder.iterdir()) == before


def test_without_the_extra_it_says_what_to_install(monkeypatch, capsys):
    """The other commands need nothing of it."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for name in [name for name in sys.modules if name.startswith("millstream.plotting")]:
        monkeypatch.delitem(sys.modules, name)
    code = main(["plot", "users.jsonl", "-o", "users.svg"])

    assert code == 2
    assert "pip install 'millstream[plot]'" in capsys.readouterr().err
