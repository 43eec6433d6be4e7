"""`millstream count`: unique users per minute, hour, day, week, month and year."""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from millstream.cli.arguments import Verbs, add_verb
from millstream.cli.settings import add_settings, given
from millstream.cli.stopping import Stop
from millstream.config import ENVIRONMENT_PREFIX, CountConfig, EngineConfig, read_count_config
from millstream.core.address import is_kafka
from millstream.core.exits import Exit
from millstream.errors import (
    MissingExtraError,
    OutputError,
    ReaderLostError,
    ReadingError,
    SourceError,
)
from millstream.wiring.count_readers import begin_early

if TYPE_CHECKING:
    from millstream.counting.files.rules import CountReport


def add_parser(verbs: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    parser = add_verb(
        verbs,
        name="count",
        example="millstream count frames.jsonl.gz\n"
        "  millstream count logs/*.jsonl.gz --output users.jsonl --state counting\n"
        "  tail -F frames.jsonl | millstream count - --emit early",
        parents=parents,
    )
    parser.description = (
        "Count unique users per minute, hour, day, week, month and year in JSON frames. Without --state a count of "
        "files starts afresh and replaces its output file; with it, the same command goes on after a stop or a crash, "
        "and the output is what it would have been (on standard output and in a topic, results since the last "
        "checkpoint may come again)."
    )
    parser.add_argument(
        "sources", metavar="SOURCE", nargs="+", help="-, files (.jsonl, .gz, .zst), or kafka://HOST:PORT/TOPIC"
    )
    add_settings(parser, CountConfig, title="counting", without={"sources", "from_"})
    parser.add_argument(
        "--from",
        dest="from_",
        metavar="earliest",
        default=argparse.SUPPRESS,
        help="Kafka: where to begin: committed, earliest, latest, or a time",
    )
    # For files, a state folder is asked for by naming it: without one a count starts afresh.
    parser.set_defaults(run=_run, state_is_in_file=True)


def _run(args: argparse.Namespace) -> int:
    config = read_count_config(given(args, CountConfig), environment=os.environ)
    # numpy starts threads for linear algebra, which nobody asks for; they wait busily: 0.09 s of processor time.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if any(is_kafka(source) for source in config.sources):
        return _run_kafka(config, args)
    state = Path(args.state) if args.state is not None else None
    head_start = begin_early(config, state=state)
    try:
        from millstream.cli.count_display import CountDisplay  # noqa: PLC0415 - an optional extra
        from millstream.wiring.count import count_local  # noqa: PLC0415 - an optional extra
    except ModuleNotFoundError as error:
        raise MissingExtraError(extra="count", feature="millstream count") from error
    display = CountDisplay(config, is_quiet=args.quiet, as_json=args.json)
    try:
        with Stop() as stop, display:
            sink = display.standard_output()
            report = count_local(
                config,
                state=state,
                watcher=display.watcher,
                stop=stop,
                standard_output=sink,
                head_start=head_start,
            )
    except (OutputError, ReaderLostError, ReadingError, SourceError) as error:  # it had begun
        display.fail(error)
        return Exit.DEAD
    display.show(report, state=state)
    return _exit(report, has_state=state is not None)


def _run_kafka(config: CountConfig, args: argparse.Namespace) -> int:
    try:
        from millstream.cli.count_kafka import KafkaDisplay  # noqa: PLC0415 - an optional extra
        from millstream.cli.results_echo import ResultsEcho  # noqa: PLC0415 - an optional extra
        from millstream.wiring.count_kafka import count_kafka  # noqa: PLC0415 - an optional extra
        from millstream.wiring.kafka_count import kafka_count_of  # noqa: PLC0415 - an optional extra
    except ModuleNotFoundError as error:
        raise MissingExtraError(extra="kafka", feature="kafka://") from error
    state = args.state or os.environ.get(ENVIRONMENT_PREFIX + "STATE", EngineConfig.state)
    count = kafka_count_of(config, state=state, fault=os.environ.get(ENVIRONMENT_PREFIX + "FAULT"))
    with ExitStack() as stack:
        echo = stack.enter_context(ResultsEcho(count.results_address)) if config.output == "-" else None
        display = stack.enter_context(KafkaDisplay(count, summary=config.summary, is_quiet=args.quiet, echo=echo))
        count_kafka(count, news=display.news, tell=display.tell, idle=display.idle)
    display.show()
    return Exit.DONE


def _exit(report: "CountReport", *, has_state: bool) -> int:
    sys.stdout.flush()
    match report.ending:
        case "losses":
            return Exit.LOSSES
        case "stopped":
            return Exit.KEPT if has_state else Exit.FORCED
        case _:
            return Exit.DEAD if report.damages else Exit.DONE
