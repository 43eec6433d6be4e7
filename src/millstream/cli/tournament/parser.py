"""What can be asked of `tournament`, with the options of each command."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from millstream.cli.arguments import Verbs, add_command, add_verb
from millstream.cli.output import printable
from millstream.cli.tournament import commands
from millstream.errors import MillstreamError
from millstream.tournament import Format, TournamentError

Command = Callable[[argparse.Namespace], None]


def add_parser(verbs: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Register `tournament plan|new|next|report|standings|cards|add|drop|simulate`."""
    parser = add_verb(
        verbs,
        name="tournament",
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
    _set_command(parser, commands.plan)


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
    _set_command(parser, commands.new)


def _add_live(actions: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    def add(name: str, command: Command, *, summary: str, example: str) -> argparse.ArgumentParser:
        example = f"millstream tournament {name} cup.json{example}"
        parser = add_command(actions, name=name, summary=summary, example=example, parents=parents)
        _add_event(parser)
        _set_command(parser, command)
        return parser

    add("next", commands.next_round, summary="Seat the next round, and show it again until it is reported.", example="")
    report = add(
        "report",
        commands.report,
        summary="Report the winners of all tables of a round.",
        example=" 1=Ada 2=Grace 3=Alan",
    )
    report.add_argument("winners", metavar="TABLE=PLAYER", nargs="+")
    add("standings", commands.standings, summary="Show who is ahead, and how well people mix.", example="")
    cards = add(
        "cards",
        commands.cards,
        summary="Print a sheet for each round and a card for each player, as a web page or as CSV.",
        example=" -o cup.html\n  millstream tournament cards cup.json --csv -o cup.csv",
    )
    cards.add_argument("--csv", action="store_true", help="CSV instead of a web page")
    cards.add_argument("-o", "--output", metavar="FILE", type=Path, help="default: standard output")
    late = add(
        "add", commands.add, summary="Let late arrivals play from the next round that is seated.", example=" Mary"
    )
    late.add_argument("players", metavar="PLAYER", nargs="+")
    gone = add(
        "drop",
        commands.drop,
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
    _set_command(parser, commands.simulate)


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
