"""`millstream stream`: cut a stream into minibatches and have them worked."""

import argparse
import os
from collections.abc import Sequence

from millstream.cli.arguments import Verbs, add_verb
from millstream.cli.engine import engine_settings, run_engine
from millstream.cli.settings import add_settings, given
from millstream.config import EngineConfig, StreamConfig, WorkConfig, options_of, read_pipeline


def add_parser(verbs: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    parser = add_verb(
        verbs,
        name="stream",
        example="tail -f app.log | millstream stream - --window 5m --handler shop.load:clicks\n"
        "  millstream stream events.jsonl --key user --max-count 1000 -- ./load.sh\n"
        "  millstream stream kafka://localhost:9092/clicks --window 1m --handler shop.load:clicks\n"
        "  millstream stream sim:messages --rate 10/min --duration 30m --speed 300",
        parents=parents,
    )
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="- (standard input), a file, kafka://HOST:PORT/TOPIC, amqp://HOST/QUEUE, or sim:messages",
    )
    add_settings(parser, StreamConfig, title="the stream", without={"source", *options_of(WorkConfig)})
    add_settings(parser, WorkConfig, title="work (a command to work with goes behind --)", without={"command"})
    add_settings(parser, EngineConfig, title="engine", without={"state"})
    parser.set_defaults(run=_run, accepts_command=True)


def _run(args: argparse.Namespace) -> int:
    config = read_pipeline(
        StreamConfig, given(args, StreamConfig), engine=engine_settings(args), environment=os.environ
    )
    return run_engine(config, args=args)
