"""Costs of a seating: what a swap is said to change is what it changes."""

from itertools import combinations
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from millstream.tournament.anneal import Room, anneal, best_seating, polish
from millstream.tournament.dice import dice
from millstream.tournament.meetings import Meetings, least_cost, swap, swap_cost
from tournament.referee import count

TABLES, SEATS, ROUNDS = 3, 4, 4
PLAYERS = TABLES * SEATS


def random_plan(seed: int) -> list[list[list[int]]]:
    rng = Random(seed)
    plan = []
    for _ in range(ROUNDS):
        order = rng.sample(range(PLAYERS), PLAYERS)
        plan.append([order[table::TABLES] for table in range(TABLES)])
    return plan


def room_for(history: Meetings) -> Room:
    return Room(groups=[[range(TABLES)]] * ROUNDS, pinned=[()] * ROUNDS, history=history)


def wishing(apart: tuple[int, int], together: tuple[int, int]) -> Meetings:
    history = Meetings.none(PLAYERS, most=ROUNDS)
    history.keep_apart(*apart)
    history.keep_together(*together)
    return history


@given(
    seed=st.integers(0, 10_000),
    turn=st.integers(0, ROUNDS - 1),
    tables=st.permutations(range(TABLES)),
    places=st.tuples(st.integers(0, SEATS - 1), st.integers(0, SEATS - 1)),
)
def test_a_swap_costs_what_is_said(seed: int, turn: int, tables: list[int], places: tuple[int, int]) -> None:
    """The cost afterwards, wishes included, is the cost before and what the swap was said to cost."""
    history, plan = wishing((0, 1), (2, 3)), random_plan(seed)
    meetings = history.after(plan)
    before = meetings.cost()
    one, other = (plan[turn][tables[0]], places[0]), (plan[turn][tables[1]], places[1])

    change = swap_cost(meetings.met, meetings.steps(), one, other)
    swap(meetings.met, one, other)

    assert meetings.cost() == before + change
    assert meetings == history.after(plan)


def test_the_least_cost_is_what_a_perfect_plan_costs() -> None:
    """Unmet pairs at full cost, and repeats spread evenly."""
    met = Meetings.none(4, most=6).after([[[0, 1], [2, 3]], [[0, 2], [1, 3]], [[0, 3], [1, 2]]] * 2)

    assert met.cost() == least_cost(pairs=6, met=6, meetings=12)
    assert least_cost(pairs=6, met=2, meetings=2) == 40


def test_seatings_are_compared_by_what_matters() -> None:
    """Broken wishes, unmet pairs, the player with most of them, the spread of repeats."""
    fresh = Meetings.none(6, most=3)
    once, twice = [[[0, 1, 2], [3, 4, 5]]], [[[0, 1, 2], [3, 4, 5]]] * 2

    assert fresh.after(once).flaws() == (0, 9, 3, 0)
    assert fresh.after(twice).flaws() == (0, 9, 3, 6)
    assert fresh.after([[[0, 1, 2], [3, 4, 5]], [[0, 1, 3], [2, 4, 5]]]).flaws() < fresh.after(twice).flaws()


@given(seed=st.integers(0, 50))
def test_annealing_keeps_everybody_seated_and_never_gets_worse(seed: int) -> None:
    """Tables keep their sizes and rounds their players; the cost is that of the seating and not above the start."""
    start, history = random_plan(seed), Meetings.none(PLAYERS, most=ROUNDS)

    cost, plan = anneal(start, room=room_for(history), moves=2_000, rng=dice(seed))

    assert [sorted(player for table in turn for player in table) for turn in plan] == [list(range(PLAYERS))] * ROUNDS
    assert [[len(table) for table in turn] for turn in plan] == [[SEATS] * TABLES] * ROUNDS
    assert cost == history.after(plan).cost() <= history.after(start).cost()


@given(seed=st.integers(0, 50))
def test_polishing_loses_no_pair_and_evens_out(seed: int) -> None:
    """The pairs stay as many, and nobody's fewest opponents get fewer."""
    start, history = random_plan(seed), Meetings.none(PLAYERS, most=ROUNDS)

    plan = polish(start, room=room_for(history), moves=2_000, rng=dice(seed))

    assert count(plan).pairs >= count(start).pairs
    assert history.after(plan).flaws() <= history.after(start).flaws()


def test_wishes_that_hold_at_the_start_hold_at_the_end() -> None:
    """However hot it is, no swap breaks a wish, and players who are pinned stay where they are."""
    table = [[0, 2, 3, 4], [1, 5, 6, 7], [8, 9, 10, 11]]
    history = wishing((0, 1), (2, 3))
    room = Room(groups=[[range(TABLES)]] * 3, pinned=[{8}] * 3, history=history)

    plan = best_seating(lambda: [[list(t) for t in table]] * 3, room=room, moves=30_000, rng=dice(1))

    assert history.after(plan).flaws().broken_wishes == history.after([table] * 3).flaws().broken_wishes
    for turn in plan:
        at = {player: number for number, players in enumerate(turn) for player in players}
        assert at[0] != at[1]
        assert at[2] == at[3]
        assert at[8] == 2
    assert count(plan).pairs > count([table] * 3).pairs


def test_groups_do_not_mix() -> None:
    """Players of one group of tables stay at them."""
    start = random_plan(3)
    room = Room(groups=[[[0, 1], [2]]] * ROUNDS, pinned=[()] * ROUNDS, history=Meetings.none(PLAYERS, most=ROUNDS))

    _, plan = anneal(start, room=room, moves=5_000, rng=dice(1))

    assert [set(turn[2]) for turn in plan] == [set(turn[2]) for turn in start]


def test_pairs_are_counted_between_all_players() -> None:
    """Each pair of a table meets once per round."""
    meetings = Meetings.none(5, most=2).after([[[0, 1, 2], [3, 4]], [[0, 1], [2, 3, 4]]])

    met = {(p, q): meetings.met[p][q] for p, q in combinations(range(5), 2)}
    assert {pair for pair, times in met.items() if times == 2} == {(0, 1), (3, 4)}
    assert {pair for pair, times in met.items() if times == 0} == {(0, 3), (0, 4), (1, 3), (1, 4)}
