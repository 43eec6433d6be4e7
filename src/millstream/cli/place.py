"""Which ledger a command means: that of a state folder, or one that many machines share.

Theory of operation: the nearest word counts. `--ledger` and `--config` name a ledger; a `--state` alone names a folder;
then comes the environment, MILLSTREAM_LEDGER before MILLSTREAM_STATE; then the folder that engines use by default. The
file of `--config` is read as its processes read it, so there MILLSTREAM_LEDGER goes first, too; but only for where the
ledger is: a broker that nobody told this machine of is no reason not to look.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from millstream.config import ENVIRONMENT_PREFIX, EngineConfig, Reader
from millstream.config.dispatching import LEDGER_FILE, check_dispatching, is_postgres, read_dispatching, read_ledger
from millstream.core.queueaddress import without_password
from millstream.errors import ConfigurationError, InvalidValueError

STATE_VARIABLE = ENVIRONMENT_PREFIX + "STATE"
LEDGER_VARIABLE = ENVIRONMENT_PREFIX + "LEDGER"
SQLITE = "sqlite:"
PROBLEM = "ledger:"
"""How those of all problems begin that keep a command from its ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a ledger is: in the state folder `folder`, or, with an `address`, in a database that machines share."""

    folder: str = ""
    address: str | None = field(default=None, repr=False)

    @property
    def is_shared(self) -> bool:
        """Whether many processes on many machines may work with it."""
        return self.address is not None

    @property
    def shown(self) -> str:
        """What people may see of it: the folder, or the address without user, password and options."""
        if self.address is None:
            return self.folder
        parts = urlsplit(self.address)
        return f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def ledger(self) -> str:
        """The same, as an address of a ledger."""
        return self.shown if self.is_shared else f"{SQLITE}{Path(self.folder, LEDGER_FILE)}"


def add_place(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a ledger; `place_of` reads them."""
    group = parser.add_argument_group("which ledger (default: that of the state folder)")
    which = group.add_mutually_exclusive_group()
    which.add_argument(
        "--config", metavar="FILE.toml", help="the ledger of this file, which run, serve and worker read as well"
    )
    which.add_argument(
        "--ledger",
        metavar="ADDRESS",
        help="postgresql://USER@HOST/DATABASE; one with a password is better put into MILLSTREAM_LEDGER",
    )
    parser.set_defaults(state_is_in_file=True)


def place_of(args: argparse.Namespace, *, environment: Mapping[str, str]) -> Place:
    """The ledger that the command line, a file or the environment names; raises MillstreamError."""
    if args.config is not None:
        return _place_of_file(Path(args.config), state=args.state, environment=environment)
    if args.ledger is not None:
        if args.state is not None:
            raise ConfigurationError(["--ledger: expected without --state, which names a ledger, too, found both"])
        return _place_of_address(args.ledger, name="--ledger")
    if args.state is None and LEDGER_VARIABLE in environment:
        return _place_of_address(environment[LEDGER_VARIABLE], name=LEDGER_VARIABLE)
    return Place(folder=args.state or environment.get(STATE_VARIABLE) or EngineConfig.state)


def _place_of_address(text: str, *, name: str) -> Place:
    expected = f"postgresql://USER@HOST/DATABASE or {SQLITE}STATE/{LEDGER_FILE}"
    try:
        address = read_ledger(text, name)
    except ValueError:  # a host in brackets that are not closed
        raise InvalidValueError(name=name, expected=expected, found=without_password(text)) from None
    if is_postgres(address):
        return Place(address=address)
    path = Path(address.removeprefix(SQLITE))
    if path.name != LEDGER_FILE:
        raise InvalidValueError(name=name, expected=expected, found=text)
    return Place(folder=str(path.parent))


def _place_of_file(path: Path, *, state: str | None, environment: Mapping[str, str]) -> Place:
    from millstream.config.serving import read_document  # noqa: PLC0415 - few commands are given a file

    document, where, reader = read_document(path), f"{path}: ", Reader(environment)
    try:
        dispatch = read_dispatching(document, reader, where=where)
    except ValueError:  # as above
        raise ConfigurationError([f"{where}{PROBLEM} expected postgresql://USER@HOST/DATABASE"]) from None
    own = {name: value for name, value in document.items() if name == "state"}
    folder = state or reader.read(EngineConfig, own, where=where).state
    if not reader.problems:
        problems = check_dispatching(dispatch, state=folder)
        reader.problems += [f"{where}{problem}" for problem in problems if problem.startswith(PROBLEM)]
    reader.raise_problems()
    return Place(folder=folder) if dispatch.is_embedded else Place(address=dispatch.ledger)
