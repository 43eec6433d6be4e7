"""`plan`: the seatings that must be reached, counted by an independent referee."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.tournament import Schedule, WrongValueError, plan
from tournament.referee import BEST_KNOWN, Count, check_plan, counting_bound

PROOF = [
    (9, 3, 3, 4, 36),
    (16, 4, 4, 5, 120),
    (15, 5, 3, 7, 105),
    (21, 7, 3, 10, 210),
    (32, 8, 4, 10, 480),
    (36, 6, 6, 3, 270),
    (36, 6, 6, 4, 358),
    (12, 3, 4, 3, 48),
    (12, 3, 4, 4, 59),
    (12, 3, 4, 5, 66),
    (100, 20, 5, 10, 2_000),
    (30, 8, 4, 6, 252),
    (10, 3, 4, 4, 45),
]


def checked(schedule: Schedule, *, players: int, tables: int, seats: int) -> Count:
    """Let the referee count, and compare with what the schedule says of itself."""
    counted = check_plan(schedule.rounds, players=players, tables=tables, seats=seats)
    assert schedule.distinct_pairs == counted.pairs <= schedule.upper_bound
    assert schedule.upper_bound <= counting_bound(schedule.rounds, players=players)
    assert schedule.proved_best == (counted.pairs == schedule.upper_bound)
    return counted


@pytest.mark.parametrize(("players", "tables", "seats", "rounds", "pairs"), PROOF)
def test_what_must_be_reached(players: int, tables: int, seats: int, rounds: int, pairs: int) -> None:
    """As many different pairs meet as was asked for."""
    schedule = plan(players, tables, seats, rounds)

    assert len(schedule.rounds) == rounds
    assert checked(schedule, players=players, tables=tables, seats=seats).pairs >= pairs


def test_nobody_meets_twice_and_all_meet_as_many() -> None:
    """Ten rounds of eight tables of four: 30 opponents for everybody, and no repeat."""
    counted = checked(plan(32, 8, 4, 10), players=32, tables=8, seats=4)

    assert (counted.repeats, counted.fewest_opponents) == (0, 30)


@pytest.mark.parametrize(("tables", "seats"), [(tables, seats) for tables in BEST_KNOWN for seats in range(2, 11)])
def test_the_most_rounds_without_a_repeat(tables: int, seats: int) -> None:
    """As many rounds as are known without a repeat have none; where no design is known here, hardly any."""
    rounds = BEST_KNOWN[tables].get(seats, 1)

    counted = checked(plan(tables * seats, tables, seats, rounds), players=tables * seats, tables=tables, seats=seats)

    if (tables, seats) == (10, 9):
        assert counted.repeats <= 0.02 * counted.slots
    else:
        assert counted.repeats == 0


@pytest.mark.parametrize(
    ("players", "tables", "seats", "rounds"),
    [
        (7, 3, 3, 4),
        (26, 7, 4, 9),
        (43, 7, 7, 8),
        (62, 8, 8, 9),
        (79, 9, 9, 10),
        (35, 10, 4, 13),
        (87, 10, 9, 5),
        (56, 7, 7, 8),
        (65, 8, 8, 9),
        (73, 9, 8, 9),
        (90, 9, 9, 10),
        (41, 10, 4, 13),
        (19, 4, 4, 5),
    ],
)
def test_any_number_of_players_comes_near_the_bound(players: int, tables: int, seats: int, rounds: int) -> None:
    """With empty seats or with substitutes, at least 95 % of what counting allows."""
    schedule = plan(players, tables, seats, rounds, seconds=1)

    counted = checked(schedule, players=players, tables=tables, seats=seats)
    assert counted.pairs >= 0.95 * counting_bound(schedule.rounds, players=players)


@pytest.mark.soak
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize(("tables", "seats"), [(tables, seats) for tables in BEST_KNOWN for seats in range(2, 11)])
def test_every_shape_comes_near_the_bound(tables: int, seats: int) -> None:
    """All numbers of players around full tables and all rounds up to the best known: 95 % of the counting bound."""
    for players in range(tables * (seats - 1) + 1, min(100, tables * (seats + 1)) + 1):
        for rounds in range(1, BEST_KNOWN[tables].get(seats, 1) + 1):
            if players >= 2 * tables:
                schedule = plan(players, tables, seats, rounds)
                counted = checked(schedule, players=players, tables=tables, seats=seats)
                assert counted.pairs >= 0.95 * counting_bound(schedule.rounds, players=players), (players, rounds)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_every_plan_keeps_the_rules(data: st.DataObject) -> None:
    """Any shape: tables full and even, sit-outs fair, and the schedule says of itself what the referee counts."""
    tables = data.draw(st.integers(2, 6))
    seats = data.draw(st.integers(2, 6))
    players = data.draw(st.integers(2 * tables, tables * seats + 8))
    rounds = data.draw(st.integers(1, 12))

    schedule = plan(players, tables, seats, rounds, seed=data.draw(st.integers(0, 9)), seconds=0.01)

    assert len(schedule.rounds) == rounds
    checked(schedule, players=players, tables=tables, seats=seats)


@pytest.mark.parametrize("shape", [(12, 3, 4, 4), (32, 8, 4, 5), (19, 4, 4, 5)])
def test_a_seed_gives_the_same_plan_again(shape: tuple[int, int, int, int]) -> None:
    """The same arguments give the same plan; another seed may give another."""
    assert plan(*shape, seed=7, seconds=0.2) == plan(*shape, seed=7, seconds=0.2)
    assert plan(*shape, seed=7, seconds=0.2).rounds != plan(*shape, seed=8, seconds=0.2).rounds


def test_arguments_by_name() -> None:
    """The four numbers can be given by name."""
    assert plan(players=9, tables=3, seats=3, rounds=4) == plan(9, 3, 3, 4)


def test_more_rounds_than_a_design_has_continue_it() -> None:
    """After five rounds in which 16 players all met, a sixth spreads its repeats: nobody meets three times."""
    schedule = plan(16, 4, 4, 6)

    counted = checked(schedule, players=16, tables=4, seats=4)
    assert (counted.pairs, counted.repeats) == (120, 24)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((3, 2, 4, 3), "players: expected at least 4, two for each of 2 tables, found 3"),
        ((15, 8, 4, 3), "players: expected at least 16, two for each of 8 tables, found 15"),
        ((10, 1, 4, 3), "tables: expected at least 2, found 1"),
        ((10, 2, 1, 3), "seats: expected at least 2, found 1"),
        ((10, 2, 4, 0), "rounds: expected 1 to 1000, found 0"),
        ((5_000, 2, 4, 3), "players: expected at most 1000, found 5000"),
    ],
)
def test_what_cannot_be_played_is_refused(arguments: tuple[int, int, int, int], words: str) -> None:
    """One line: what was expected, and what was found."""
    with pytest.raises(WrongValueError) as refusal:
        plan(*arguments)

    assert str(refusal.value) == words


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), 1e9])
def test_a_budget_has_to_be_one(seconds: float) -> None:
    """Negative, endless and nonsensical budgets are refused."""
    with pytest.raises(WrongValueError, match="seconds: expected 0 to 600"):
        plan(9, 3, 3, 4, seconds=seconds)
