"""Standings: points, what sitting out is worth, and how ties are parted."""

from fractions import Fraction

from millstream.tournament.rounds import Played, Seating
from millstream.tournament.standings import Standing, standings


def table_of(played: list[Played], *, players: str = "ABCD", champion: str | None = None) -> dict[object, Standing]:
    active = dict.fromkeys(players, True)
    return {line.player: line for line in standings(active, played=played, champion=champion, seed=0)}


def game(
    number: int, tables: dict[int, str], winners: dict[int, str], *, out: str = "", contest: tuple[int, ...] = ()
) -> Played:
    seating = Seating(
        number=number, tables={n: tuple(t) for n, t in tables.items()}, sitting_out=tuple(out), contest=contest
    )
    return Played(seating=seating, winners=winners)


def test_a_round_sat_out_counts_what_a_player_wins_on_average() -> None:
    """One win in two games and one round out make a point and a half; no win makes nothing."""
    lines = table_of(
        [
            game(1, {1: "AB"}, {1: "A"}, out="C"),
            game(2, {1: "AC"}, {1: "C"}, out="B"),
            game(3, {1: "BC"}, {1: "C"}, out="A"),
        ],
        players="ABC",
    )

    assert [lines[player].score for player in "ABC"] == [Fraction(3, 2), 0, 3]
    assert [lines[player].points for player in "ABC"] == [1, 0, 2]
    assert [lines[player].place for player in "CAB"] == [1, 2, 3]


def test_stronger_opponents_part_equal_scores() -> None:
    """Who lost to a winner stands before who lost to nobody special."""
    lines = table_of([game(1, {1: "AB", 2: "CD"}, {1: "A", 2: "C"}), game(2, {1: "AD", 2: "CB"}, {1: "A", 2: "B"})])

    assert lines["A"].place == 1
    assert lines["C"].strength == Fraction(1, 2)
    assert lines["B"].strength == Fraction(3, 2)
    assert lines["B"].place < lines["C"].place


def test_how_far_somebody_came_counts_above_points() -> None:
    """Finalists stand before all others, and the champion before them."""
    lines = table_of(
        [game(1, {1: "AB", 2: "CD"}, {1: "A", 2: "C"}), game(2, {1: "AC", 2: "BD"}, {1: "A", 2: "B"}, contest=(1,))],
        champion="A",
    )

    assert [lines[player].stage for player in "ABCD"] == [2, 0, 1, 0]
    assert [player for player, _ in sorted(lines.items(), key=lambda item: item[1].place)] == ["A", "C", "B", "D"]


def test_the_last_tie_is_parted_by_lot() -> None:
    """Before anything was played the order is a draw, the same each time and another one for another seed."""
    active = dict.fromkeys(range(20), True)

    orders = [[line.player for line in standings(active, played=[], champion=None, seed=seed)] for seed in (1, 1, 2)]

    assert orders[0] == orders[1] != orders[2]
