"""`millstream files`: pack files into buckets and have them worked."""

import argparse
import os
from collections.abc import Sequence

from millstream.cli.arguments import Verbs, add_verb
from millstream.cli.engine import engine_settings, run_engine
from millstream.cli.output import wants_json
from millstream.cli.plan import show_plan
from millstream.cli.progress import progress
from millstream.cli.settings import add_settings, given
from millstream.config import EngineConfig, FilesConfig, WorkConfig, options_of, read_pipeline
from millstream.core.exits import Exit
from millstream.wiring.engine import plan_files


def add_parser(verbs: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    parser = add_verb(
        verbs,
        name="files",
        example="millstream files incoming/ --plan\n"
        "  millstream files incoming/ --merge-to lake/ --at 02:00\n"
        "  millstream files 'logs/*.csv' --capacity 64MiB -- ./load.sh",
        parents=parents,
    )
    parser.add_argument("paths", metavar="PATH", nargs="+", help="files, folders (recursive) or globs")
    parser.add_argument("--plan", action="store_true", help="show the plan and stop: nothing is worked or stored")
    add_settings(parser, FilesConfig, title="the files", without={"paths", *options_of(WorkConfig)})
    add_settings(parser, WorkConfig, title="work (a command to work with goes behind --)", without={"command"})
    add_settings(parser, EngineConfig, title="engine", without={"state"})
    parser.set_defaults(run=_run, accepts_command=True)


def _run(args: argparse.Namespace) -> int:
    config = read_pipeline(FilesConfig, given(args, FilesConfig), engine=engine_settings(args), environment=os.environ)
    if not args.plan:
        return run_engine(config, args=args)
    (files,) = config.files
    with progress(config, is_quiet=args.quiet) as listeners:
        plan = plan_files(files, config.engine, listeners=listeners)
    show_plan(plan, workers=files.workers, as_json=wants_json(args))
    return int(Exit.DONE)
