"""A live event: always one champion, every table in use, and plans that follow what happens."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from itertools import product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.tournament import Format, Seating, StepError, Tournament, WishError, WrongValueError
from tournament.referee import check_round, count, values

TREES = [(4, 2, 2, 3), (5, 2, 3, 2), (6, 2, 3, 2), (5, 2, 2, 3)]
everywhere = pytest.mark.parametrize("style", list(Format))


def all_ends(event: Tournament) -> Iterator[Tournament]:
    """Every way in which the event can end, one for each combination of winners in each round."""
    if event.champion is not None:
        yield event
        return
    seating = event.next_round()
    for winners in product(*seating.tables.values()):
        branch = deepcopy(event)
        branch.report(dict(zip(seating.tables, winners, strict=True)))
        yield from all_ends(branch)


@everywhere
@pytest.mark.parametrize(
    ("players", "tables", "seats", "rounds"), [*TREES, pytest.param(6, 3, 2, 3, marks=pytest.mark.soak)]
)
def test_every_tree_of_results_ends_with_one_champion(
    players: int, tables: int, seats: int, rounds: int, style: Format
) -> None:
    """Whoever wins: there is one champion, the winner of the final if there was one, and every table was used."""
    event = Tournament(players, tables=tables, seats=seats, rounds=rounds, format=style, seconds=0)

    for end in all_ends(event):
        last = end.record.played[-1]
        assert end.champion is not None
        assert [line.player for line in end.standings() if line.stage == end.standings()[0].stage] == [end.champion]
        if last.seating.is_final:
            assert end.champion == last.winners[last.seating.contest[0]]
        for turn in end.record.played[:rounds]:
            check_round(values(turn.seating.tables), tables=tables, seats=seats)


def play(event: Tournament, *, winner: int = 0) -> Seating:
    """Play the next round; the winner sits at the same place of each table."""
    seating = event.next_round()
    event.report({number: table[winner % len(table)] for number, table in seating.tables.items()})
    return seating


@everywhere
def test_an_event_lasts_as_many_rounds_as_were_announced(style: Format) -> None:
    """Only a tie for the lead needs more."""
    event = Tournament(16, tables=4, seats=4, rounds=4, format=style, seconds=0.01)

    while event.champion is None:
        play(event)

    assert len(event.record.played) == 4 or style is Format.POINTS


def test_the_best_meet_in_the_final() -> None:
    """In the last round those who lead sit at one table, everybody else at the others, and the winner is champion."""
    event = Tournament(32, tables=8, seats=4, rounds=5, seconds=0.1)
    for _ in range(4):
        play(event)
    best = [line.player for line in event.standings()[:4]]

    final = event.next_round()

    assert final.is_final
    [table] = final.contest
    assert set(final.tables[table]) == set(best)
    assert len(final.tables) == 8
    assert sum(map(len, final.tables.values())) == 32
    event.report({number: players[-1] for number, players in final.tables.items()})
    assert event.champion == final.tables[table][-1]
    assert event.standings()[0].player == event.champion
    assert {line.player for line in event.standings()[:4]} == set(best)


def test_losers_meet_new_people_during_the_final() -> None:
    """The other tables of the last round repeat hardly any meeting."""
    event = Tournament(32, tables=8, seats=4, rounds=5, seconds=0.5)
    while event.champion is None:
        play(event)

    assert event.quality().mixing.distinct_pairs >= 192 + 48 - 15
    assert event.quality().upper_bound == 240


def test_a_tied_lead_is_decided_by_those_who_share_it() -> None:
    """With points only, the tied meet at a table of their own until one is left."""
    event = Tournament(8, tables=2, seats=4, rounds=1, format="points", seconds=0.01)
    first = event.next_round()
    event.report({1: first.tables[1][0], 2: first.tables[2][0]})

    decider = event.next_round()

    assert decider.is_final
    assert set(decider.tables[decider.contest[0]]) == {first.tables[1][0], first.tables[2][0]}
    event.report({number: players[0] for number, players in decider.tables.items()})
    assert event.champion in decider.tables[decider.contest[0]]


def test_nothing_is_played_after_a_clear_lead() -> None:
    """With points only, a sole leader is champion at once."""
    event = Tournament(8, tables=2, seats=4, rounds=3, format="points", seconds=0.01)
    for _ in range(3):
        seating = event.next_round()
        event.report({n: 0 if 0 in table else min(table) for n, table in seating.tables.items()})

    assert event.champion == 0
    with pytest.raises(StepError, match="the event is over: 0 is champion"):
        event.next_round()


def test_losers_of_a_knockout_keep_playing() -> None:
    """The winners of a round meet in the next one, and everybody plays in every round."""
    event = Tournament(32, tables=8, seats=4, rounds=3, format="knockout", seconds=0.01)

    first = play(event)
    second = event.next_round()

    assert first.contest == tuple(range(1, 9))
    alive = {table[0] for table in first.tables.values()}
    assert {player for number in second.contest for player in second.tables[number]} == alive
    assert sum(map(len, second.tables.values())) == 32


def test_a_table_that_is_not_full_of_winners_takes_the_best_of_the_others() -> None:
    """Three winners at a table of four are joined by one wildcard, who can still become champion."""
    event = Tournament(12, tables=3, seats=4, rounds=2, format="knockout", seconds=0.01)
    first = play(event)
    final = event.next_round()

    [table] = final.contest
    wildcard = set(final.tables[table]) - {players[0] for players in first.tables.values()}
    assert len(final.tables[table]) == 4
    assert len(wildcard) == 1
    event.report({number: next(iter(wildcard & set(t)), t[0]) for number, t in final.tables.items()})
    assert event.champion in wildcard


@pytest.mark.parametrize(
    ("style", "rounds", "words"),
    [
        ("points_final", 1, "rounds: expected at least 2 for points_final, found 1"),
        ("knockout", 2, "rounds: expected at least 3 for knockout, found 2"),
        ("swiss", 5, "format: expected points_final or points or knockout, found swiss"),
    ],
)
def test_a_format_needs_its_rounds(style: str, rounds: int, words: str) -> None:
    """An event that could not end with a champion is not begun."""
    with pytest.raises(WrongValueError) as refusal:
        Tournament(32, tables=8, seats=4, rounds=rounds, format=style)

    assert str(refusal.value) == words


@pytest.mark.parametrize(
    ("players", "words"),
    [
        (["Ada", "Bob", "Ada", "Eve"], "players: expected names that differ, found Ada twice"),
        (["Ada", "Bob", " ", "Eve"], "players: expected names without spaces around them, found ' '"),
        ([1, "1", 2, 3], "players: expected names that differ, found 1 twice"),
    ],
)
def test_players_need_names_of_their_own(players: list[str | int], words: str) -> None:
    """Names that cannot be told apart are refused."""
    with pytest.raises(WrongValueError) as refusal:
        Tournament(players, tables=2, seats=2, rounds=2)

    assert str(refusal.value) == words


@pytest.mark.parametrize(
    ("winners", "words"),
    [
        ({1: 99}, "report: expected a winner from table 1 "),
        ({7: 0}, "report: expected tables 1, 2 in round 1, found table 7"),
        ({}, "report: expected a winner for every table of round 1, found none for 1, 2"),
    ],
)
def test_a_report_is_taken_whole_or_not_at_all(winners: dict[int, int], words: str) -> None:
    """A winner who did not sit there, an unknown table, a missing one: nothing changes."""
    event = Tournament(8, tables=2, seats=4, rounds=3, seconds=0.01)
    seating = event.next_round()

    with pytest.raises(WrongValueError) as refusal:
        event.report(winners)

    assert str(refusal.value).startswith(words)
    assert not event.record.played
    assert event.next_round() == seating


def test_a_round_is_not_reported_twice() -> None:
    """The second report is told so."""
    event = Tournament(8, tables=2, seats=4, rounds=3, seconds=0.01)
    with pytest.raises(StepError, match="no round is seated yet"):
        event.report({1: 0})
    play(event)

    with pytest.raises(StepError, match="round 1 is reported already; seat round 2 first"):
        event.report({1: 0})


def test_a_lock_holds() -> None:
    """Locked players sit at their table in that round, and the rest is planned around them."""
    event = Tournament(16, tables=4, seats=4, rounds=5, seconds=0.05)
    play(event)
    event.lock(3, table=2, players=[1, 2, 3])

    seatings = event.ahead()

    assert {1, 2, 3} <= set(seatings[1].tables[2])
    assert count([values(s.tables) for s in seatings]).pairs >= 65


@pytest.mark.parametrize("round_number", [1, 2, 5, 9])
def test_only_rounds_by_plan_that_are_to_come_can_be_locked(round_number: int) -> None:
    """Not what is played or seated, and not the final, which results decide."""
    event = Tournament(16, tables=4, seats=4, rounds=5, seconds=0.01)
    play(event)
    event.next_round()

    with pytest.raises(StepError, match=r"lock: expected a round by plan that is not seated \(3 to 4\)"):
        event.lock(round_number, table=1, players=[1])


def test_late_arrivals_and_drop_outs_replan_what_is_left() -> None:
    """Those who come play from the next round on, those who leave do not, and nobody who can be met anew is missed."""
    event = Tournament(12, tables=3, seats=4, rounds=5, seconds=0.2)
    play(event)
    event.drop(3)
    event.add("late")
    event.add("later")

    rest = event.ahead()

    assert [seating.number for seating in rest] == [2, 3, 4]
    for seating in rest:
        players = {player for table in seating.tables.values() for player in table} | {*seating.sitting_out}
        assert players == {*range(12), "late", "later"} - {3}
        assert len(seating.sitting_out) == 1
    assert event.opponents(3)
    assert event.opponents("late") == []


def test_a_drop_out_leaves_the_plan_of_the_others_alone() -> None:
    """Of a design nothing has to change when one leaves: the others sit as they would have, and meet nobody twice."""
    event = Tournament(32, tables=8, seats=4, rounds=8, seconds=0.1)
    play(event)
    before = event.ahead()
    event.drop(5)

    after = event.ahead()

    assert [values(s.tables) for s in after] == [
        [tuple(player for player in table if player != 5) for table in values(s.tables)] for s in before
    ]


def test_a_late_arrival_takes_the_free_seat() -> None:
    """When one has left and another comes, he plays instead, and the others keep their plan."""
    event = Tournament(16, tables=4, seats=4, rounds=5, seconds=0.1)
    play(event)
    before = event.ahead()
    event.drop(5)
    event.add("late")

    after = event.ahead()

    assert [[{*table} for table in values(s.tables)] for s in after] == [
        [{"late" if player == 5 else player for player in table} for table in values(s.tables)] for s in before
    ]


def test_who_comes_back_plays_on() -> None:
    """A player who dropped out can be added again, with all that he won."""
    event = Tournament(8, tables=2, seats=4, rounds=4, seconds=0.01)
    winner = play(event).tables[1][0]
    event.drop(winner)
    event.add(winner)

    assert next(line for line in event.standings() if line.player == winner).points == 1
    with pytest.raises(WrongValueError, match="expected somebody who does not play yet"):
        event.add(winner)


def test_a_drop_out_withdraws_the_round_that_was_seated() -> None:
    """Nothing of it was reported, so it is seated anew without him, and the others stay where they are."""
    event = Tournament(16, tables=4, seats=4, rounds=4, seconds=0.01)
    before = event.next_round()
    event.drop(4)

    after = event.next_round()

    assert before.number == after.number == 1
    assert values(after.tables) == [tuple(player for player in table if player != 4) for table in values(before.tables)]


def test_a_late_arrival_before_the_first_round_gets_the_best_plan() -> None:
    """Fifteen become sixteen before anybody was seated: the plan for sixteen is dealt out, without a repeat."""
    event = Tournament(15, tables=4, seats=4, rounds=6, seconds=0.01)
    event.ahead()
    event.add("late")

    assert count([values(seating.tables) for seating in event.ahead()]).pairs == 120


def test_too_few_players_close_a_table() -> None:
    """Two per table have to stay; the last two cannot leave."""
    event = Tournament(6, tables=3, seats=2, rounds=6, seconds=0.01)
    for player in (0, 1, 2, 3):
        assert len(event.next_round().tables) == (6 - player) // 2
        event.drop(player)

    assert len(event.next_round().tables) == 1
    with pytest.raises(StepError, match="the last two have to stay"):
        event.drop(4)
    with pytest.raises(WrongValueError, match="found 0, who dropped out"):
        event.drop(0)
    with pytest.raises(WrongValueError, match="expected a player of the event, found nobody"):
        event.drop("nobody")


def test_the_last_one_alive_is_champion_when_the_others_leave() -> None:
    """A tie for the lead of which one leaves is decided."""
    event = Tournament(8, tables=2, seats=4, rounds=1, format="points", seconds=0.01)
    first = play(event)
    event.drop(first.tables[1][0])

    assert event.champion == first.tables[2][0]


def test_a_finalist_who_leaves_is_replaced() -> None:
    """Before the final is reported, the next best comes in."""
    event = Tournament(16, tables=4, seats=4, rounds=3, seconds=0.01)
    play(event)
    play(event)
    final = event.next_round()
    gone = final.tables[final.contest[0]][0]
    event.drop(gone)

    again = event.next_round()

    assert again.is_final
    assert gone not in again.tables[again.contest[0]]
    assert len(again.tables[again.contest[0]]) == 4


@st.composite
def events(draw: st.DrawFn) -> tuple[int, int, int, int, str]:
    tables, seats = draw(st.integers(2, 4)), draw(st.integers(2, 5))
    players = draw(st.integers(2 * tables, tables * seats + 3))
    return players, tables, seats, draw(st.integers(1, 5)), draw(st.sampled_from(list(Format)))


@settings(max_examples=80, deadline=None)
@given(
    shape=events(),
    acts=st.lists(st.sampled_from(["play", "drop", "add", "lock"]), max_size=12),
    rng=st.integers(0, 10_000).map(Random),
)
def test_whatever_happens_there_is_one_champion(
    shape: tuple[int, int, int, int, str], acts: list[str], rng: Random
) -> None:
    """Random results, drop-outs, late arrivals and locks: rules are kept in every round, and it ends."""
    players, tables, seats, rounds, style = shape
    event = Tournament(players, tables=tables, seats=seats, rounds=rounds + 6, format=style, seconds=0)
    for act in acts:
        if event.champion is None:
            change(event, act, rng)
    while event.champion is None:
        change(event, "play", rng)

    assert event.standings()[0].player == event.champion
    assert len(event.record.played) <= rounds + 16


def change(event: Tournament, act: str, rng: Random) -> None:
    """Play a round, or let somebody leave, come, or be locked, where that is possible."""
    record = event.record
    match act:
        case "play":
            seating = event.next_round()
            check_seating(event, seating)
            event.report({number: rng.choice(table) for number, table in seating.tables.items()})
        case "drop" if len(record.active) > 2:
            event.drop(rng.choice(record.active))
        case "add":
            event.add(1_000 + len(record.roster))
        case "lock" if len(record.played) + 2 <= record.planned:
            table = rng.randint(1, min(record.tables, len(record.active) // 2))
            with suppress(WishError):  # two locks may clash
                event.lock(record.planned, table=table, players=rng.sample(record.active, rng.randint(1, 2)))


def check_seating(event: Tournament, seating: Seating) -> None:
    record = event.record
    in_use = min(record.tables, len(record.active) // 2)
    if seating.number <= record.rounds or record.format is not Format.POINTS:
        check_round(values(seating.tables), tables=in_use, seats=record.seats)
        assert sum(map(len, seating.tables.values())) == min(len(record.active), in_use * record.seats)
    players = Counter(seating.sitting_out)
    players.update(player for table in seating.tables.values() for player in table)
    assert players == Counter(record.active)


@settings(max_examples=40, deadline=None)
@given(shape=events(), rng=st.integers(0, 10_000).map(Random))
def test_sitting_out_is_shared_fairly(shape: tuple[int, int, int, int, str], rng: Random) -> None:
    """Counts differ by one at most; each round of a contest, whose players never sit out, can add one."""
    players, tables, seats, rounds, style = shape
    event = Tournament(players, tables=tables, seats=seats, rounds=rounds + 6, format=style, seconds=0)

    while event.champion is None:
        seating = event.next_round()
        event.report({number: rng.choice(table) for number, table in seating.tables.items()})
        quality = event.quality()
        contests = sum(bool(turn.seating.contest) for turn in event.record.played)
        assert quality.most_sat_out - quality.fewest_sat_out <= 1 + contests
