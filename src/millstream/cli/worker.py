"""`millstream worker`: work what others accepted, on any machine."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from millstream.cli.arguments import Verbs, add_verb
from millstream.cli.messages import log_events, log_to
from millstream.cli.output import counted, print_json, stderr_console, wants_json
from millstream.cli.settings import add_settings, given
from millstream.config import EngineConfig, options_of
from millstream.config.elsewhere import has_service, read_bench
from millstream.config.serving import ServeConfig
from millstream.config.working import read_working
from millstream.wiring.grown import ingest_pipeline, open_shop
from millstream.wiring.workbench import remover_of, worker_pipelines
from millstream.wiring.worker import WorkerSettings, Works, work

SERVE = ("workers", "processes", "retries", "backoff")
"""Settings of the service that a worker may have differently."""

ENGINE = ("drain_limit",)


def add_parser(verbs: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    parser = add_verb(
        verbs,
        name="worker",
        example="millstream worker --config mill.toml",
        parents=parents,
    )
    parser.add_argument(
        "--config",
        metavar="FILE.toml",
        required=True,
        help="the file of the service or engine: dispatcher, ledger, broker or temporal, and its tables",
    )
    without = set(options_of(ServeConfig)) - set(SERVE)
    add_settings(parser, ServeConfig, title="this worker (overrides the file)", without=without)
    add_settings(
        parser, EngineConfig, title="its end (overrides the file)", without=set(options_of(EngineConfig)) - set(ENGINE)
    )
    parser.set_defaults(run=_run, state_is_in_file=True)


def _run(args: argparse.Namespace) -> int:
    working = read_working(
        Path(args.config), values=given(args, ServeConfig), engine=given(args, EngineConfig), environment=os.environ
    )
    config, payload = read_bench(Path(args.config), environment=os.environ)
    pipelines = worker_pipelines(config, payload=payload)
    if has_service(Path(args.config)):
        shop = open_shop(working.serving, working.dispatch)
        pipelines = (ingest_pipeline(working.serving, shop), *pipelines)
    remover = remover_of(config, payload=payload) if config.streams else None
    told = () if args.quiet else (log_events,)
    settings = WorkerSettings(
        dispatch=working.dispatch,
        pipelines=pipelines,
        drain_limit_s=working.serving.engine.drain_limit,
        listeners=told if remover is None else (*told, remover),
        services=() if remover is None else (remover.run,),
        is_quiet=args.quiet,
    )
    with log_to(stderr_console(), is_quiet=args.quiet):
        return int(work(settings, on_ready=lambda ready: _tell(ready, as_json=wants_json(args))))


def _tell(ready: Works, *, as_json: bool) -> None:
    """One line that says that it works."""
    if as_json:
        print_json(
            {
                "owner": ready.owner,
                "ledger": ready.ledger,
                "dispatcher": ready.bell,
                "pipelines": list(ready.pipelines),
                "workers": ready.slots,
            }
        )
        return
    line = f"working {', '.join(ready.pipelines)} as {ready.owner}: {counted(ready.slots, 'batch')} at once, "
    print(f"{line}rung for by {ready.bell}, ledger {ready.ledger}", flush=True)  # noqa: T201 - the result of this command
