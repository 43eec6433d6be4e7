"""The verb `tournament`: what it prints for people and for programs, and what it refuses in one line."""

import argparse
import json
from pathlib import Path

import pytest

from millstream.cli.tournament import add_parser
from millstream.errors import MillstreamError
from millstream.tournament import Tournament, create

NAMES = ["Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Tony", "Leslie", "Frances", "Ken", "Dennis", "Brian"]


def run(*arguments: str) -> int:
    """Run `millstream tournament` with these arguments, in this process; returns the exit code."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true")
    shared.add_argument("--quiet", action="store_true")
    parser = argparse.ArgumentParser(prog="millstream")
    add_parser(parser.add_subparsers(), parents=[shared])
    args = parser.parse_args(["tournament", *arguments])
    code = args.run(args)
    assert isinstance(code, int)
    return code


@pytest.fixture
def answer(capfdbinary: pytest.CaptureFixture[bytes]) -> "Answer":
    """Run a command and get its JSON."""
    return Answer(capfdbinary)


class Answer:
    def __init__(self, captured: pytest.CaptureFixture[bytes]) -> None:
        self._captured = captured

    def __call__(self, *arguments: str) -> dict[str, object]:
        assert run(*arguments) == 0
        document = json.loads(self._captured.readouterr().out)
        assert isinstance(document, dict)
        return document


@pytest.fixture
def cup(tmp_path: Path) -> str:
    """The file of a new event of twelve."""
    path = tmp_path / "cup.json"
    create(Tournament(NAMES, tables=3, seats=4, rounds=3, seconds=0.01), path=path)
    return str(path)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output is taken for a terminal."""
    monkeypatch.setattr("millstream.cli.tournament.commands.wants_json", lambda args: args.json)


def winners(seating: dict[str, object]) -> list[str]:
    tables = seating["tables"]
    assert isinstance(tables, dict)
    return [f"{number}={players[0]}" for number, players in tables.items()]


def test_a_plan_is_one_json_document(answer: Answer) -> None:
    """In a pipe: the rounds, what they reach, and how it was found."""
    document = answer("plan", "--players", "9", "--tables", "3", "--seats", "3", "--rounds", "4")

    assert set(document) == {"rounds", "distinct_pairs", "upper_bound", "proved_best", "method"}
    assert (document["distinct_pairs"], document["upper_bound"], document["proved_best"]) == (36, 36, True)
    assert document["rounds"][3] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


@pytest.mark.usefixtures("terminal")
def test_a_plan_is_a_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """A row for each table, a column for each round, and how good it is."""
    assert run("plan", "--players", "9", "--tables", "3", "--seats", "3", "--rounds", "4") == 0

    out = capsys.readouterr().out
    assert "round 4" in out
    assert "0 1 2" in out
    assert "36 different pairs meet, the most there can be (transversal design of order 3" in out


def test_an_event_from_its_first_round_to_its_champion(answer: Answer, cup: str) -> None:
    """Rounds are seated, reported and shown until the winner of the final is champion."""
    for number in (1, 2, 3):
        seating = answer("next", cup)
        assert answer("next", cup) == seating
        assert (seating["round"], seating["final"]) == (number, number == 3)
        report = answer("report", cup, *winners(seating))

    standings = answer("standings", cup)
    [final] = seating["contest"]
    assert report["champion"] == standings["champion"] == seating["tables"][str(final)][0]
    assert standings["standings"][0]["player"] == report["champion"]
    assert sorted(line["player"] for line in standings["standings"]) == sorted(NAMES)
    assert standings["quality"]["mixing"]["distinct_pairs"] > 40


@pytest.mark.usefixtures("terminal")
def test_people_see_rounds_and_standings(capsys: pytest.CaptureFixture[str], cup: str) -> None:
    """Tables with names, and what to do next."""
    run("next", cup)
    shown = capsys.readouterr().out
    assert shown.startswith("Round 1\n")
    assert all(name in shown for name in NAMES)

    words = [line.split() for line in shown.splitlines()[2:]]
    run("report", cup, *(f"{line[0]}={line[1].rstrip(',')}" for line in words))
    run("standings", cup)

    shown = capsys.readouterr().out
    assert "round 1 is reported, of 3" in shown
    assert "1 of 3 rounds; 18 different pairs met, of 18 at most; 3 opponents at least" in shown


@pytest.mark.usefixtures("terminal")
def test_late_arrivals_and_drop_outs(capsys: pytest.CaptureFixture[str], cup: str) -> None:
    """They change who plays from the next round on."""
    run("add", cup, "Mary", "Jean")
    run("drop", cup, "Ken")
    run("next", cup)

    shown = capsys.readouterr().out
    assert "14 players from the next round on\n13 players from the next round on\n" in shown
    assert "Mary" in shown
    assert "Ken" not in shown
    assert "sitting out: " in shown


@pytest.mark.parametrize(("option", "start"), [([], "<!doctype html>"), (["--csv"], "round,table,player,with")])
def test_cards_go_to_standard_output_or_a_file(
    capsys: pytest.CaptureFixture[str], cup: str, tmp_path: Path, option: list[str], start: str
) -> None:
    """The same page or CSV either way."""
    run("cards", cup, *option)
    shown = capsys.readouterr().out
    run("cards", cup, "-o", str(tmp_path / "cards"), *option)

    assert shown.startswith(start)
    assert (tmp_path / "cards").read_text(encoding="utf-8") == shown


def test_wishes_of_a_new_event_hold(answer: Answer, tmp_path: Path) -> None:
    """Given with names, once each."""
    path = str(tmp_path / "cup.json")
    frame = ["--players", "12", "--tables", "3", "--seats", "4", "--rounds", "3", "--seconds", "0.01"]
    answer("new", path, *frame, "--apart", "1,2", "--together", "3,4", "--fixed", "5=2")

    tables = answer("next", path)["tables"]

    assert isinstance(tables, dict)
    at = {player: number for number, players in tables.items() for player in players}
    assert at["1"] != at["2"]
    assert at["3"] == at["4"]
    assert at["5"] == "2"


def test_names_come_from_a_file(answer: Answer, tmp_path: Path) -> None:
    """One on each line, empty lines left out, with or without a byte order mark."""
    (tmp_path / "names.txt").write_text("\n".join([*NAMES, "", " "]), encoding="utf-8-sig")
    path = str(tmp_path / "cup.json")

    document = answer("new", path, "--players", str(tmp_path / "names.txt"), *FRAME, "--seconds", "0")

    assert document["players"] == 12
    assert answer("standings", path)["standings"][0]["player"] in NAMES


def test_formats_are_compared(answer: Answer) -> None:
    """A share of best winners for each format."""
    document = answer(
        "simulate", "--players", "8", "--tables", "2", "--seats", "4", "--events", "5", "--seconds", "0.01"
    )

    assert [outcome["format"] for outcome in document["formats"]] == ["points_final", "points", "knockout"]
    assert document["players"] == 8


@pytest.mark.usefixtures("terminal")
def test_people_see_what_was_set_up_and_how_formats_compare(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A line that says what to do next, and a row for each format."""
    path = str(tmp_path / "cup.json")
    run("new", path, "--players", "8", *FRAME, "--seconds", "0")
    run("simulate", "--players", "8", *FRAME, "--events", "5", "--seconds", "0")

    shown = capsys.readouterr().out
    assert "8 players, 2 tables of 4, 3 rounds, points_final" in shown
    assert f"`millstream tournament next {path}` seats the first round" in shown
    assert [line.split()[0] for line in shown.splitlines()[-3:]] == ["points_final", "points", "knockout"]


@pytest.mark.usefixtures("terminal")
def test_the_champion_is_announced(capsys: pytest.CaptureFixture[str], cup: str) -> None:
    """The report of the final, and a walk-over too, say who is champion."""
    for _ in range(3):
        run("next", cup, "--json")
        run("report", cup, *winners(json.loads(capsys.readouterr().out.splitlines()[-1])))

    shown = capsys.readouterr().out
    assert shown.startswith("round 3 is reported: ")
    assert shown.endswith(" is champion\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["report", "1=Nobody"], "report: expected a winner from table 1"),
        (["report", "1=Ada", "1=Ken"], "report: expected one winner for table 1, found Ada and Ken"),
        (["report", "Ada"], "expected two words with = between them, such as 1=Ada, found 'Ada'"),
        (["report", "one=Ada"], "expected a number below a million, found 'one'"),
        (["add", "Ada"], "expected somebody who does not play yet, found Ada"),
        (["drop", "\x1b[31mEve"], r"expected a player of the event, found \x1b[31mEve"),
        (["cards", "-o", "/no/such/folder/cards.html"], "cards: cannot write /no/such/folder/cards.html"),
    ],
)
def test_wrong_words_about_an_event_get_one_line(cup: str, arguments: list[str], words: str) -> None:
    """What was expected, and what was found; the event stays as it is."""
    run("next", cup)
    before = Path(cup).read_bytes()

    with pytest.raises(MillstreamError) as refusal:
        run(arguments[0], cup, *arguments[1:])

    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert Path(cup).read_bytes() == before


FRAME = ["--tables", "2", "--seats", "4", "--rounds", "3"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--players", "3", *FRAME], "players: expected at least 4, two for each of 2 tables, found 3"),
        (["--players", "9" * 5_000, *FRAME], "expected a number below a million"),
        (["--players", "none.txt", *FRAME], "cannot read none.txt: No such file or directory"),
        (
            ["--players", "8", *FRAME, "--apart", "1,2", "--together", "2,1"],
            "these two cannot both hold: 1 and 2 apart; 2 and 1 together",
        ),
        (["--players", "8", *FRAME, "--fixed", "1=3"], "wishes: expected tables 1 to 2, found '1 at table 3'"),
        (["--players", "8", *FRAME[:-1], "1"], "rounds: expected at least 2 for points_final, found 1"),
    ],
)
def test_events_that_cannot_be_get_one_line(tmp_path: Path, arguments: list[str], words: str) -> None:
    """Nothing is written."""
    path = tmp_path / "cup.json"

    with pytest.raises(MillstreamError) as refusal:
        run("new", str(path), *arguments)

    assert words in str(refusal.value)
    assert not path.exists()


def test_names_have_to_be_text(tmp_path: Path) -> None:
    """A file of names in another encoding is refused."""
    (tmp_path / "names.txt").write_bytes("Åse\nÖrjan\n".encode("latin-1"))

    with pytest.raises(MillstreamError, match="expected names in UTF-8"):
        run("new", str(tmp_path / "cup.json"), "--players", str(tmp_path / "names.txt"), *FRAME)
