"""The file of an event: what was written is read, whatever crashes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from millstream.tournament import EventFileError, StepError, Tournament, create, editing, load, save


def cup(**options: object) -> Tournament:
    options = {"tables": 3, "seats": 4, "rounds": 4, "seconds": 0.01, **options}
    return Tournament(["Ada", "Bob", *map(str, range(9))], **options)  # type: ignore[arg-type]


def play(event: Tournament) -> None:
    event.report({number: table[0] for number, table in event.next_round().tables.items()})


@pytest.mark.parametrize("style", ["points_final", "points", "knockout"])
def test_an_event_can_go_through_a_file_at_any_time(tmp_path: Path, style: str) -> None:
    """Kept in memory or read again before every step, it goes the same way."""
    path = tmp_path / "cup.json"
    kept = cup(format=style, apart=[("Ada", "Bob")], fixed={"3": 2})
    create(kept, path=path)

    def both(step: Callable[[Tournament], object]) -> None:
        step(kept)
        with editing(path) as event:
            step(event)

    both(lambda event: event.lock(1, table=1, players=["Ada"]) if event.record.planned else None)
    both(play)
    both(lambda event: event.drop("5"))
    both(lambda event: event.add("Eve"))
    while kept.champion is None:
        both(lambda event: event.next_round())
        both(play)

    assert load(path).record == kept.record
    assert load(path).champion == kept.champion
    assert load(path).standings() == kept.standings()


def test_an_error_changes_nothing(tmp_path: Path) -> None:
    """What raises while an event is edited leaves the file as it was."""
    path = tmp_path / "cup.json"
    create(cup(), path=path)
    before = path.read_bytes()

    def report_too_early() -> None:
        with editing(path) as event:
            event.add("Eve")
            event.report({1: "Ada"})

    with pytest.raises(StepError):
        report_too_early()

    assert path.read_bytes() == before


def test_a_new_event_overwrites_nothing(tmp_path: Path) -> None:
    """A file that exists stays."""
    path = tmp_path / "cup.json"
    path.write_text("precious")

    with pytest.raises(EventFileError, match="exists already; choose another name"):
        create(cup(), path=path)

    assert path.read_text() == "precious"


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_fails_leaves_the_old_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """The error is one line, the old event is whole, and nothing is left lying around."""
    path = tmp_path / "cup.json"
    event = cup()
    create(event, path=path)
    before = path.read_bytes()
    play(event)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(EventFileError, match="cannot write it: No space left on device"):
        save(event, path=path)

    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["cup.json"]


REPORT = """
import sys
from pathlib import Path
from millstream.tournament import StepError, editing

try:
    with editing(Path(sys.argv[1])) as event:
        event.report({int(table): winner for table, winner in (word.split("=") for word in sys.argv[2:])})
    print("done")
except StepError as error:
    print(error)
"""
DYING = """
import os, signal

def dying(*arguments):
    if "{when}" == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    real(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)

real, os.{call} = os.{call}, dying
"""


def reporting(path: Path, *, first: str = "") -> "subprocess.Popen[str]":
    """A process that reports the round which is seated, after the lines `first`."""
    seated = load(path).record.seated
    assert seated is not None
    words = [f"{number}={table[0]}" for number, table in seated.tables.items()]
    return subprocess.Popen(
        [sys.executable, "-c", first + REPORT, str(path), *words], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_leaves_a_whole_event(tmp_path: Path, call: str, when: str) -> None:
    """Killed right before or after a step of a write, the file holds the round as it was or as reported."""
    path = tmp_path / "cup.json"
    event = cup()
    event.next_round()
    create(event, path=path)

    with reporting(path, first=DYING.format(call=call, when=when)) as process:
        process.wait(30)

    survivor = load(path)
    assert process.returncode == -signal.SIGKILL
    assert len(survivor.record.played) == (call == "replace" and when == "after")
    play(survivor)
    save(survivor, path=path)
    assert load(path).record == survivor.record


def test_of_those_who_report_at_once_one_is_told_that_it_is_done(tmp_path: Path) -> None:
    """All take turns, and the round is in the file once."""
    path = tmp_path / "cup.json"
    event = cup()
    event.next_round()
    create(event, path=path)
    helpers = [reporting(path) for _ in range(3)]

    answers = sorted(helper.communicate(timeout=30)[0].strip() for helper in helpers)

    assert answers == ["done", *["report: round 1 is reported already; seat round 2 first"] * 2]
    assert len(load(path).record.played) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it holds no event of `millstream tournament`"),
        ("[1]", "it holds no event"),
        ("{}", "it holds no event"),
        ('{"millstream_tournament": 2}', "it has version 2, this Millstream knows 1"),
        ('{"millstream_tournament": 1}', "it is damaged ('tables')"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, words: str) -> None:
    """One line that names the file and the reason."""
    path = tmp_path / "cup.json"
    path.write_text(text)

    with pytest.raises(EventFileError) as refusal:
        load(path)

    assert str(refusal.value).startswith(f"event: {path}: {words}")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tables", "three"),
        ("tables", 7),
        ("seconds", -1),
        ("players", []),
        ("players", None),
        ("format", "swiss"),
        ("seated", {"round": 9, "tables": {}, "sitting_out": [], "contest": [], "byes": []}),
        ("seated", {"round": 2, "tables": {"1": ["Zoe", "Ada"]}, "sitting_out": [], "contest": [], "byes": []}),
        ("seated", {"round": 2, "tables": {"1": ["Ada", "Ada"]}, "sitting_out": [], "contest": [], "byes": []}),
        ("seated", {"round": 2, "tables": {"1": [True, "Ada"]}, "sitting_out": [], "contest": [], "byes": []}),
        ("wishes", [{"kind": "near", "players": ["Ada"], "table": None, "round": None}]),
        ("played", [{"round": 1}]),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, field: str, value: object) -> None:
    """Whatever was changed so that it cannot be true is found."""
    path = tmp_path / "cup.json"
    event = cup()
    play(event)
    create(event, path=path)
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))

    with pytest.raises(EventFileError, match="it is damaged"):
        load(path)


def test_a_winner_who_did_not_play_is_found(tmp_path: Path) -> None:
    """A file with a result that cannot be is refused."""
    path = tmp_path / "cup.json"
    event = cup()
    play(event)
    create(event, path=path)
    document = json.loads(path.read_text())
    document["played"][0]["winners"]["1"] = "nobody"
    path.write_text(json.dumps(document))

    with pytest.raises(EventFileError, match=r"the winners of round 1 do not fit"):
        load(path)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    """A missing file, a missing folder, a folder instead of a file and bytes that are no text."""
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe")
    for path, words in (
        (tmp_path / "none.json", "there is no such file; `millstream tournament new` makes one"),
        (tmp_path, "cannot read it: Is a directory"),
        (tmp_path / "bytes.json", "'utf-8' codec can't decode"),
    ):
        with pytest.raises(EventFileError, match=words):
            load(path)
    with pytest.raises(EventFileError, match="its folder cannot be used: No such file or directory"):
        create(cup(), path=tmp_path / "no" / "cup.json")


def test_a_link_to_an_event_stays_a_link(tmp_path: Path) -> None:
    """The file behind a symbolic link is replaced, not the link."""
    create(cup(), path=tmp_path / "cup.json")
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "cup.json")

    with editing(link) as event:
        play(event)

    assert link.is_symlink()
    assert len(load(tmp_path / "cup.json").record.played) == 1
