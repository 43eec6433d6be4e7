"""Run an engine from the command line: progress while it runs, a summary at the end."""

import argparse
import sys
from collections.abc import Mapping

from millstream.cli.output import wants_json
from millstream.cli.progress import progress
from millstream.cli.settings import given
from millstream.cli.summary import show_summary
from millstream.config import Config, EngineConfig
from millstream.config.elsewhere import ElsewhereConfig
from millstream.wiring.engine import run


def engine_settings(args: argparse.Namespace) -> Mapping[str, object]:
    """The engine's settings of the command line."""
    return given(args, EngineConfig)


def run_engine(config: Config, *, args: argparse.Namespace, elsewhere: ElsewhereConfig | None = None) -> int:
    """Run `config` to its end and show what it did; returns the exit code."""
    with progress(config, is_quiet=args.quiet) as listeners:
        if elsewhere is None or elsewhere.dispatch.is_embedded:
            report = run(config, listeners=listeners, is_quiet=args.quiet)
        else:
            from millstream.wiring.elsewhere import run_elsewhere  # noqa: PLC0415 - optional parts

            report = run_elsewhere(config, elsewhere=elsewhere, listeners=listeners)
    if report.failure:
        print(f"millstream: error: {report.failure}", file=sys.stderr)  # noqa: T201 - as main shows errors
    show_summary(report.tallies, as_json=wants_json(args), is_quiet=args.quiet)
    return int(report.exit)
