"""`millstream run`: several pipelines at once, from one file."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from millstream.cli.arguments import Verbs, add_verb
from millstream.cli.engine import run_engine
from millstream.cli.output import print_json, wants_json
from millstream.cli.settings import add_settings, given
from millstream.config import EngineConfig
from millstream.config.elsewhere import read_run
from millstream.core.exits import Exit
from millstream.wiring.inputs import check_inputs


def add_parser(verbs: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    parser = add_verb(
        verbs,
        name="run",
        example="millstream run mill.toml --check\n  millstream run mill.toml",
        parents=parents,
    )
    parser.add_argument("file", metavar="FILE.toml", help="[[stream]] and [[files]] tables; see docs/configuration.md")
    parser.add_argument("--check", action="store_true", help="check the file and stop")
    add_settings(parser, EngineConfig, title="engine (overrides the file)", without={"state"})
    parser.set_defaults(run=_run, state_is_in_file=True)


def _run(args: argparse.Namespace) -> int:
    config, elsewhere = read_run(Path(args.file), environment=os.environ, overrides=given(args, EngineConfig))
    if not args.check:
        return run_engine(config, args=args, elsewhere=elsewhere)
    check_inputs(config)
    names = [pipeline.name for pipeline in config.pipelines]
    if wants_json(args):
        print_json({"ok": True, "pipelines": names})
    elif not args.quiet:
        print(f"{args.file}: ok, {len(names)} pipelines: {', '.join(names)}")  # noqa: T201 - the answer to --check
    return int(Exit.DONE)
