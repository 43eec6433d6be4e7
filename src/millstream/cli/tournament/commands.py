"""The commands of `tournament`: each asks the package, then shows the answer to a person or as JSON.

They raise TournamentError for what the package refuses, and MillstreamError for words that say nothing.
"""

import argparse
import sys
from contextlib import nullcontext
from dataclasses import asdict

from millstream import tournament
from millstream.cli.output import counted, print_json, say, stderr_console, stdout_console, wants_json
from millstream.cli.tournament.tables import (
    outcome_table,
    schedule_table,
    seating_document,
    seating_table,
    standings_document,
    standings_table,
)
from millstream.cli.tournament.words import names_of, number_of, pair_of, split_names, winners_of
from millstream.errors import MillstreamError
from millstream.tournament import Format, Tournament


def plan(args: argparse.Namespace) -> None:
    """Show a seating plan for numbered players, and how close to the best possible it is."""
    schedule = tournament.plan(args.players, args.tables, args.seats, args.rounds, seed=args.seed, seconds=args.seconds)
    if wants_json(args):
        print_json(asdict(schedule))
        return
    console = stdout_console()
    console.print(schedule_table(schedule))
    if not args.quiet:
        share = "the most there can be" if schedule.proved_best else f"of {schedule.upper_bound:,} at most"
        say(console, f"{schedule.distinct_pairs:,} different pairs meet, {share} ({schedule.method})", style="dim")


def new(args: argparse.Namespace) -> None:
    """Set up a live event in a new file; its whole plan is made now, if it can be."""
    event = Tournament(
        names_of(args.players),
        tables=args.tables,
        seats=args.seats,
        rounds=args.rounds,
        format=args.format,
        apart=[split_names(text) for text in args.apart],
        together=[split_names(text) for text in args.together],
        fixed={name: number_of(table) for name, table in map(pair_of, args.fixed)},
        seed=args.seed,
        seconds=args.seconds,
    )
    event.ahead()
    tournament.create(event, path=args.event)
    record = event.record
    if wants_json(args):
        shape = {"tables": record.tables, "seats": record.seats, "rounds": record.rounds, "format": record.format}
        players = len(record.roster)
        print_json({"event": str(args.event), "players": players, **shape, "rounds_by_plan": record.planned})
    elif not args.quiet:
        say(
            stdout_console(),
            f"{args.event}: {counted(len(record.roster), 'player')}, {counted(record.tables, 'table')} of "
            f"{record.seats}, {counted(record.rounds, 'round')}, {record.format}; "
            f"`millstream tournament next {args.event}` seats the first round",
        )


def next_round(args: argparse.Namespace) -> None:
    """Seat the next round, or show again the one that is not reported."""
    with tournament.editing(args.event) as event:
        seating = event.next_round()
    if wants_json(args):
        print_json(seating_document(seating))
        return
    console = stdout_console()
    say(console, f"Round {seating.number}", style="bold")
    console.print(seating_table(seating))
    if seating.sitting_out:
        say(console, f"sitting out: {', '.join(map(str, seating.sitting_out))}")


def report(args: argparse.Namespace) -> None:
    """Write down who won at each table of the round that is played."""
    with tournament.editing(args.event) as event:
        event.report(winners_of(args.winners))
    done = event.record.played[-1]
    if wants_json(args):
        print_json({"round": done.seating.number, "winners": dict(done.winners), "champion": event.champion})
    elif not args.quiet:
        over = f": {event.champion} is champion" if event.champion else f", of {event.record.rounds}"
        say(stdout_console(), f"round {done.seating.number} is reported{over}")


def standings(args: argparse.Namespace) -> None:
    """Show who is ahead, and how well people mix."""
    event = tournament.load(args.event)
    record, quality = event.record, event.quality()
    if wants_json(args):
        print_json(standings_document(event))
        return
    console = stdout_console()
    console.print(standings_table(event.standings()))
    if not args.quiet:
        mixed = quality.mixing
        played = f"{len(record.played)} of {counted(record.rounds, 'round')}"
        pairs = f"{mixed.distinct_pairs:,} different pairs met, of {quality.upper_bound:,} at most"
        say(console, f"{played}; {pairs}; {mixed.fewest_opponents} opponents at least", style="dim")


def cards(args: argparse.Namespace) -> None:
    """Write a sheet for each round and a card for each player."""
    with tournament.editing(args.event) as event:
        event.ahead()
    text = tournament.to_csv(event) if args.csv else tournament.to_html(event, title=args.event.stem)
    if args.output is None:
        sys.stdout.write(text)
        return
    try:
        args.output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise MillstreamError(f"cards: cannot write {args.output}: {error.strerror}") from error
    if wants_json(args):
        print_json({"output": str(args.output), "players": len(event.record.active)})


def add(args: argparse.Namespace) -> None:
    """Let late arrivals play from the next round that is seated."""
    with tournament.editing(args.event) as event:
        for player in args.players:
            event.add(player)
    _say_field(event, args=args)


def drop(args: argparse.Namespace) -> None:
    """Let players leave."""
    with tournament.editing(args.event) as event:
        for player in args.players:
            event.drop(player)
    _say_field(event, args=args)


def _say_field(event: Tournament, *, args: argparse.Namespace) -> None:
    active = event.record.active
    if wants_json(args):
        print_json({"players": active, "champion": event.champion})
    elif not args.quiet:
        over = f"; {event.champion} is champion" if event.champion else ""
        say(stdout_console(), f"{counted(len(active), 'player')} from the next round on{over}")


def simulate(args: argparse.Namespace) -> None:
    """Compare the formats by many events of each."""
    frame = {"tables": args.tables, "seats": args.seats, "rounds": args.rounds}
    outcomes: list[tournament.Outcome] = []
    for style in Format:
        with stderr_console().status(f"{args.events} events of {style}") if not args.quiet else nullcontext():
            outcomes += tournament.simulate(
                args.players, **frame, events=args.events, styles=[style], seed=args.seed, seconds=args.seconds
            )
    if wants_json(args):
        print_json({"players": args.players, **frame, "formats": [asdict(outcome) for outcome in outcomes]})
    else:
        stdout_console().print(outcome_table(outcomes))
