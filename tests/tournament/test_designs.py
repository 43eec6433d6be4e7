"""Designs: nobody meets twice, and as many rounds as are known."""

import pytest

from millstream.tournament.designs import longest_design
from tournament.referee import BEST_KNOWN, check_plan

SHAPES = [(tables, seats) for tables, row in BEST_KNOWN.items() for seats in row]
SHORT = {(10, 9): 4}
"""Where fewer rounds are embedded or constructed here than are known to exist."""


@pytest.mark.parametrize(("tables", "seats"), SHAPES)
def test_designs_are_as_long_as_is_known(tables: int, seats: int) -> None:
    """Every shape up to ten tables has its best known number of rounds, and no pair meets twice in them."""
    rounds = longest_design(tables, seats).rounds

    counted = check_plan(rounds, players=tables * seats, tables=tables, seats=seats)
    assert counted.repeats == 0
    assert len(rounds) == SHORT.get((tables, seats), BEST_KNOWN[tables][seats])


@pytest.mark.parametrize(
    ("tables", "seats", "rounds"),
    [
        (11, 3, 16),
        (12, 3, 17),
        (13, 3, 19),
        (14, 3, 20),
        (13, 5, 16),
        (16, 4, 21),
        (16, 8, 17),
        (20, 4, 25),
        (25, 5, 31),
        (64, 2, 127),
    ],
)
def test_larger_designs(tables: int, seats: int, rounds: int) -> None:
    """Embedded and constructed designs beyond ten tables repeat no pair either."""
    design = longest_design(tables, seats)

    assert len(design.rounds) == rounds
    assert check_plan(design.rounds, players=tables * seats, tables=tables, seats=seats).repeats == 0


def test_one_round_is_always_possible() -> None:
    """With more seats than tables a second round must repeat, so the design is one round."""
    assert len(longest_design(3, 4).rounds) == 1


@pytest.mark.parametrize("tables", [2, 3, 6, 10, 15])
def test_round_robin_lets_everybody_meet(tables: int) -> None:
    """With two seats everybody meets everybody in the fewest rounds."""
    rounds = longest_design(tables, 2).rounds

    assert check_plan(rounds, players=2 * tables, tables=tables, seats=2).pairs == tables * (2 * tables - 1)
