"""`millstream demo`: minibatches, buckets and unique users on real input, in a minute, with no server."""

import argparse
import contextlib
import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from millstream.cli.arguments import Verbs, add_verb
from millstream.cli.demo_users import UsersDemo, count_users
from millstream.cli.output import print_json, say, stderr_console, stdout_console, wants_json
from millstream.cli.progress import progress
from millstream.cli.summary import draw_summary
from millstream.config import read_toml
from millstream.core.exits import Exit
from millstream.core.units import format_size
from millstream.errors import ConfigurationError, MissingExtraError
from millstream.runtime.summary import Tally
from millstream.simulate import write_files
from millstream.wiring.engine import run

FILES, MEAN_BYTES, SEED = 100, 500_000, 7
MARK = ".millstream-demo"

STREAMING = """\
[[stream]]                      # messages at random, 10 a minute for half an hour ...
name = "streaming"
source = "sim:messages"
rate = "10/min"
duration = "30m"
window = "5m"                   # ... the first opens a minibatch, five minutes later it closes by itself
handler = "handlers:load"
"""
FILES_TABLE = """\
[[files]]                       # a hundred files of very different sizes ...
name = "files"
paths = ["incoming/"]
capacity = "10MB"               # ... packed into buckets that keep ten workers equally busy
settle = "0s"
merge_to = "lake/"              # one file per bucket, with a manifest
"""
HANDLERS = '''\
"""What the demo does with a minibatch: add it up and write the sum, once, under the id of the batch."""

import json
import os

from millstream import Batch, Context


def load(batch: Batch, context: Context) -> None:
    amount = sum(message["amount"] for message in batch.json())
    row = {"batch": batch.id, "messages": len(batch), "amount": round(amount, 2), "cut": batch.cut}
    part = f"loaded/.{batch.id}.{context.attempt}"
    with open(part, "w") as file:
        json.dump(row, file)
    os.replace(part, f"loaded/{batch.id}.json")
'''


def add_parser(verbs: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    parser = add_verb(
        verbs,
        name="demo",
        example="millstream demo --pipeline files",
        parents=parents,
    )
    parser.add_argument(
        "--pipeline", choices=("streaming", "files", "users", "all"), default="all", help="which job (default: all)"
    )
    parser.add_argument(
        "--dir", metavar="DIR", default="millstream-demo", help="folder to work in (default: millstream-demo)"
    )
    parser.set_defaults(run=_run, state_is_in_file=True)


def _run(args: argparse.Namespace) -> int:
    if args.state is not None:
        raise ConfigurationError(
            [f"state: the demo keeps its state in its own folder, found {args.state!r}; use --dir"]
        )
    folder = Path(args.dir)
    _prepare(folder, args.pipeline)
    with contextlib.chdir(folder):
        outcome = _work(args.pipeline, is_quiet=args.quiet)
        if not wants_json(args) and not args.quiet:
            outcome.show()
    if outcome.missing and not args.quiet:
        say(stderr_console(), f"left out: {outcome.missing}", style="yellow")
    if wants_json(args):
        print_json({**outcome.as_dict(), "folder": str(folder)})
    else:
        for text, holds in outcome.claims:
            print(("  ok   " if holds else "  NOT  ") + text)  # noqa: T201 - the result of the command
        status = f", or: millstream status --state {folder}/.millstream" if outcome.tallies else ""
        print(f"  look around in {folder}/{status}")  # noqa: T201
    return int(Exit.DONE if outcome.adds_up else Exit.DEAD)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """What came of the jobs; `missing` says why users were not counted, if a part of Millstream is not there."""

    tallies: Sequence[Tally]
    users: UsersDemo | None
    missing: str
    claims: Sequence[tuple[str, bool]]
    adds_up: bool

    def as_dict(self) -> dict[str, object]:
        """All of it as a document."""
        return {
            "pipelines": [tally.as_dict() for tally in self.tallies],
            "users": self.users.as_dict() if self.users is not None else None,
            "checks": dict(self.claims),
            "adds_up": self.adds_up,
        }

    def show(self) -> None:
        """Draw the tables of the jobs."""
        if self.tallies:
            draw_summary(self.tallies, console=stdout_console())
        if self.tallies and self.users is not None:
            stdout_console().print()
        if self.users is not None:
            self.users.show()


def _work(pipeline: str, *, is_quiet: bool) -> _Outcome:
    """Do the jobs, in the working folder."""
    tallies: Sequence[Tally] = ()
    users, missing, has_worked = None, "", True
    if pipeline != "users":
        config = read_toml(Path("mill.toml"), environment={}, overrides={})
        with progress(config, is_quiet=is_quiet) as listeners:
            report = run(config, listeners=listeners, is_quiet=is_quiet)
        tallies, has_worked = report.tallies, report.exit is Exit.DONE
    if pipeline in {"users", "all"} and has_worked:
        try:
            users = count_users()
        except MissingExtraError as error:
            if pipeline == "users":
                raise
            missing = str(error)
    claims = [claim for tally in tallies for claim in _check(tally)] + list(users.claims if users is not None else ())
    adds_up = has_worked and all(holds for _, holds in claims)
    return _Outcome(tallies=tallies, users=users, missing=missing, claims=claims, adds_up=adds_up)


def _prepare(folder: Path, pipeline: str) -> None:
    """A fresh folder with the settings, the handler and the files; an earlier demo's is replaced."""
    try:
        if folder.exists() and not (folder / MARK).exists() and any(folder.iterdir()):
            found = f"{str(folder)!r} with other things in it"
            raise ConfigurationError([f"dir: expected a new folder or one of an earlier demo, found {found}"])
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "loaded").mkdir(parents=True)
        (folder / MARK).touch()
    except OSError as error:
        problem = f"dir: expected a folder that can be written, found {str(folder)!r}: {error.strerror}"
        raise ConfigurationError([problem]) from None
    if pipeline == "users":
        return
    tables = {"streaming": [STREAMING], "files": [FILES_TABLE], "all": [STREAMING, FILES_TABLE]}[pipeline]
    (folder / "mill.toml").write_text("speed = 300\n\n" + "\n".join(tables), encoding="utf-8")
    (folder / "handlers.py").write_text(HANDLERS, encoding="utf-8")
    if pipeline != "streaming":
        write_files(folder / "incoming", count=FILES, mean_bytes=MEAN_BYTES, seed=SEED)


def _check(tally: Tally) -> list[tuple[str, bool]]:
    """What the output proves, counted independently of the engine."""
    if tally.name == "streaming":
        rows = [json.loads(path.read_bytes()) for path in Path("loaded").glob("*.json")]
        messages = sum(row["messages"] for row in rows)
        text = f"{tally.accepted} messages accepted, {messages} in {len(rows)} minibatches, each loaded once"
        return [(text, messages == tally.accepted and len(rows) == tally.ok)]
    manifests = [json.loads(path.read_bytes()) for path in Path("lake").glob("*.manifest.json")]
    merged = {file["name"]: file["sha256"] for manifest in manifests for file in manifest["files"]}
    sources = {path.name: _sha256(path) for path in Path("incoming").iterdir()}
    size = sum(path.stat().st_size for path in Path("incoming").iterdir())
    text = f"{len(sources)} files, {format_size(size)}, are in {len(manifests)} merged files, every checksum right"
    return [(text, merged == sources and len(manifests) == tally.ok)]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
