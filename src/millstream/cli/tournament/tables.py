"""How the verb `tournament` shows plans, rounds, standings and simulations."""

from collections.abc import Sequence
from dataclasses import asdict

from rich.table import Table

from millstream.cli.output import make_table, printable
from millstream.tournament import Outcome, Schedule, Seating, Standing, Tournament


def schedule_table(schedule: Schedule) -> Table:
    """A row for each table, a column for each round."""
    rounds = [f"round {number}" for number in range(1, len(schedule.rounds) + 1)]
    table = make_table("table", *rounds, numbers=("table",))
    for number, turns in enumerate(zip(*schedule.rounds, strict=True), start=1):
        table.add_row(str(number), *(" ".join(map(str, players)) for players in turns))
    return table


def seating_table(seating: Seating) -> Table:
    """A row for each table of a round."""
    table = make_table("table", "players", numbers=("table",))
    for number, players in seating.tables.items():
        names = printable(", ".join(map(str, players)))
        decides = " (the final)" if seating.is_final else " (for the championship)"
        table.add_row(str(number), names + (decides if number in seating.contest else ""))
    return table


def standings_table(standings: Sequence[Standing]) -> Table:
    """A row for each player, from first to last place."""
    numbers = ("place", "points", "games", "sat out", "opponents")
    table = make_table(*numbers, "player", numbers=numbers)
    for line in standings:
        counts = (line.place, line.points, line.games, line.sat_out, line.opponents)
        table.add_row(*map(str, counts), printable(str(line.player)) + ("" if line.active else " (left)"))
    return table


def outcome_table(outcomes: Sequence[Outcome]) -> Table:
    """A row for each format."""
    table = make_table("format", "best player wins", "needs extra rounds", "opponents", "fewest opponents")
    for outcome in outcomes:
        table.add_row(
            outcome.format,
            f"{outcome.best_wins:.1%}",
            f"{outcome.extra_rounds:.1%}",
            f"{outcome.mean_opponents:.2f}",
            f"{outcome.fewest_opponents:.2f}",
        )
    return table


def seating_document(seating: Seating) -> dict[str, object]:
    """A round as JSON."""
    return {
        "round": seating.number,
        "final": seating.is_final,
        "tables": dict(seating.tables),
        "contest": seating.contest,
        "sitting_out": seating.sitting_out,
    }


def standings_document(event: Tournament) -> dict[str, object]:
    """The standings and the quality of the seating so far as JSON."""
    return {
        "rounds": event.record.rounds,
        "played": len(event.record.played),
        "champion": event.champion,
        "standings": [
            {**asdict(line), "score": float(line.score), "strength": float(line.strength)} for line in event.standings()
        ],
        "quality": asdict(event.quality()),
    }
