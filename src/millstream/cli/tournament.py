"""The verb `tournament`: seating plans, and live events that are kept in one file.

Theory of operation: each command loads the event, asks the package `millstream.tournament` and shows the answer; what
changes the event is written back before anything is shown. The package stands alone, so its errors become Millstream's
here.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

from millstream import tournament
from millstream.cli.arguments import Verbs, add_command
from millstream.cli.output import counted, print_json, printable, say, stderr_console, stdout_console, wants_json
from millstream.cli.tournament_tables import (
    outcome_table,
    schedule_table,
    seating_document,
    seating_table,
    standings_document,
    standings_table,
)
from millstream.errors import MillstreamError
from millstream.tournament import Format, Tournament, TournamentError

_MOST_DIGITS = 6

Command = Callable[[argparse.Namespace], None]


def add_parser(verbs: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Register `tournament plan|new|next|report|standings|cards|add|drop|simulate`."""
    parser = add_command(
        verbs,
        name="tournament",
        summary="Seat players at tables for some rounds, so that all meet many others and one wins.",
        example="millstream tournament plan --players 32 --tables 8 --seats 4 --rounds 10\n"
        "  millstream tournament new cup.json --players names.txt --tables 8 --seats 4 --rounds 5",
    )
    actions = parser.add_subparsers(title="what to do", metavar="COMMAND", required=True)
    _add_plan(actions, parents=parents)
    _add_new(actions, parents=parents)
    _add_live(actions, parents=parents)
    _add_simulate(actions, parents=parents)


def _add_plan(actions: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    parser = add_command(
        actions,
        name="plan",
        summary="Make a seating plan for numbered players and say how close to the best possible it is.",
        example="millstream tournament plan --players 32 --tables 8 --seats 4 --rounds 10 --json",
        parents=parents,
    )
    parser.add_argument("--players", type=int, metavar="N", required=True)
    _add_frame(parser)
    _set_command(parser, _plan)


def _add_new(actions: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    parser = add_command(
        actions,
        name="new",
        summary="Set up a live event in a new file.",
        example="millstream tournament new cup.json --players names.txt --tables 8 --seats 4 --rounds 5\n"
        "  millstream tournament new cup.json --players 12 --tables 3 --seats 4 --rounds 4 --apart 1,2 --fixed 5=1",
        parents=parents,
    )
    _add_event(parser)
    parser.add_argument(
        "--players", metavar="NAMES.txt|N", required=True, help="a file with a name on each line, or how many"
    )
    _add_frame(parser)
    parser.add_argument(
        "--format",
        choices=list(Format),
        default=Format.POINTS_FINAL,
        help="points_final: the best meet in the last round; points: a tie-break only when it is needed; "
        "knockout: winners stay in, losers keep playing; default: %(default)s",
    )
    parser.add_argument("--apart", metavar="NAME,NAME", action="append", default=[], help="never at one table")
    parser.add_argument("--together", metavar="NAME,NAME", action="append", default=[], help="always at one table")
    parser.add_argument("--fixed", metavar="NAME=TABLE", action="append", default=[], help="always at that table")
    _set_command(parser, _new)


def _add_live(actions: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    def add(name: str, command: Command, *, summary: str, example: str) -> argparse.ArgumentParser:
        example = f"millstream tournament {name} cup.json{example}"
        parser = add_command(actions, name=name, summary=summary, example=example, parents=parents)
        _add_event(parser)
        _set_command(parser, command)
        return parser

    add("next", _next, summary="Seat the next round, and show it again until it is reported.", example="")
    report = add(
        "report", _report, summary="Report the winners of all tables of a round.", example=" 1=Ada 2=Grace 3=Alan"
    )
    report.add_argument("winners", metavar="TABLE=PLAYER", nargs="+")
    add("standings", _standings, summary="Show who is ahead, and how well people mix.", example="")
    cards = add(
        "cards",
        _cards,
        summary="Print a sheet for each round and a card for each player, as a web page or as CSV.",
        example=" -o cup.html\n  millstream tournament cards cup.json --csv -o cup.csv",
    )
    cards.add_argument("--csv", action="store_true", help="CSV instead of a web page")
    cards.add_argument("-o", "--output", metavar="FILE", type=Path, help="default: standard output")
    late = add("add", _add, summary="Let late arrivals play from the next round that is seated.", example=" Mary")
    late.add_argument("players", metavar="PLAYER", nargs="+")
    gone = add(
        "drop",
        _drop,
        summary="Let players leave; a round that is seated and not reported is seated anew.",
        example=" Alan",
    )
    gone.add_argument("players", metavar="PLAYER", nargs="+")


def _add_simulate(actions: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    parser = add_command(
        actions,
        name="simulate",
        summary="Compare the formats: how often the best player wins, and how well people mix.",
        example="millstream tournament simulate --players 32 --tables 8 --seats 4 --rounds 5 --events 300",
        parents=parents,
    )
    parser.add_argument("--players", type=int, metavar="N", default=32, help="default: %(default)s")
    _add_frame(parser, tables=8, seats=4, rounds=5)
    parser.add_argument("--events", type=int, default=1_000, help="events per format; default: %(default)s")
    _set_command(parser, _simulate)


def _add_event(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("event", metavar="EVENT.json", type=Path)


def _add_frame(parser: argparse.ArgumentParser, **defaults: int) -> None:
    for name, metavar in (("tables", "T"), ("seats", "G"), ("rounds", "R")):
        parser.add_argument(
            f"--{name}",
            type=int,
            metavar=metavar,
            required=name not in defaults,
            default=defaults.get(name),
            help="default: %(default)s" if name in defaults else None,
        )
    parser.add_argument("--seed", type=int, default=0, help="same seed, same seating; default: %(default)s")
    parser.add_argument(
        "--seconds", type=float, default=2.0, help="how long to look for a better plan; default: %(default)s"
    )


def _set_command(parser: argparse.ArgumentParser, command: Command) -> None:
    def run(args: argparse.Namespace) -> int:
        try:
            command(args)
        except TournamentError as error:
            raise MillstreamError(printable(str(error))) from error
        return 0

    parser.set_defaults(run=run)


def _plan(args: argparse.Namespace) -> None:
    schedule = tournament.plan(args.players, args.tables, args.seats, args.rounds, seed=args.seed, seconds=args.seconds)
    if wants_json(args):
        print_json(asdict(schedule))
        return
    console = stdout_console()
    console.print(schedule_table(schedule))
    if not args.quiet:
        share = "the most there can be" if schedule.proved_best else f"of {schedule.upper_bound:,} at most"
        say(console, f"{schedule.distinct_pairs:,} different pairs meet, {share} ({schedule.method})", style="dim")


def _new(args: argparse.Namespace) -> None:
    event = Tournament(
        _names(args.players),
        tables=args.tables,
        seats=args.seats,
        rounds=args.rounds,
        format=args.format,
        apart=[_split(text) for text in args.apart],
        together=[_split(text) for text in args.together],
        fixed={name: _number(table) for name, table in map(_pair, args.fixed)},
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


def _next(args: argparse.Namespace) -> None:
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


def _report(args: argparse.Namespace) -> None:
    with tournament.editing(args.event) as event:
        event.report(_winners(args.winners))
    done = event.record.played[-1]
    if wants_json(args):
        print_json({"round": done.seating.number, "winners": dict(done.winners), "champion": event.champion})
    elif not args.quiet:
        over = f": {event.champion} is champion" if event.champion else f", of {event.record.rounds}"
        say(stdout_console(), f"round {done.seating.number} is reported{over}")


def _standings(args: argparse.Namespace) -> None:
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


def _cards(args: argparse.Namespace) -> None:
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


def _add(args: argparse.Namespace) -> None:
    with tournament.editing(args.event) as event:
        for player in args.players:
            event.add(player)
    _say_field(event, args=args)


def _drop(args: argparse.Namespace) -> None:
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


def _simulate(args: argparse.Namespace) -> None:
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


def _names(text: str) -> list[str]:
    """Names from a file, or 1 to N when the text is a number."""
    if text.isdecimal():
        return [str(number) for number in range(1, _number(text) + 1)]
    try:
        lines = Path(text).read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        reason = f"cannot read {text}: {error.strerror}"
        raise MillstreamError(f"players: expected how many, or a file with a name on each line; {reason}") from error
    except UnicodeDecodeError as error:
        raise MillstreamError(f"players: expected names in UTF-8 in {text}, found {error.reason}") from error
    return [line.strip() for line in lines if line.strip()]


def _winners(words: Sequence[str]) -> dict[int, str]:
    """What `1=Ada 2=Grace` says."""
    winners: dict[int, str] = {}
    for word in words:
        table, player = _pair(word)
        number = _number(table)
        if number in winners:
            raise MillstreamError(
                f"report: expected one winner for table {number}, found {winners[number]} and {player}"
            )
        winners[number] = player
    return winners


def _split(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _pair(text: str) -> tuple[str, str]:
    left, sign, right = text.partition("=")
    if not sign or not left.strip() or not right.strip():
        raise MillstreamError(
            f"tournament: expected two words with = between them, such as 1=Ada, found {printable(text)!r}"
        )
    return left.strip(), right.strip()


def _number(word: str) -> int:
    if not word.isdecimal() or len(word) > _MOST_DIGITS:
        raise MillstreamError(f"tournament: expected a number below a million, found {printable(word)!r}")
    return int(word)
