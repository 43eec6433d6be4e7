"""Where the results of a count of files or of standard input go, and the copies of what it does not count.

Theory of operation: the places follow from the settings alone, so they are checked before anything is opened. A file is
cut to where a checkpoint was; standard output and a topic cannot be cut, so there what came after it comes again.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from millstream.adapters.framefile import StoredFile
from millstream.config import CountConfig
from millstream.core.address import TopicAddress, is_kafka, parse_address
from millstream.counting.files.checkpoint import Checkpoint
from millstream.counting.files.output import FileSink, LineSink
from millstream.counting.model import Result
from millstream.errors import ConfigurationError, InvalidValueError, OutputError

_STANDARD_OUTPUT = "-"
_OFF = "off"
_LETTERS = "millstream-rejects.jsonl"
"""Copies that have no output in a file to stand beside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where results go (None: standard output) and copies (None: nowhere)."""

    results: Path | TopicAddress | None
    letters: Path | None

    def as_text(self) -> dict[str, str]:
        """By the names of their settings, to be compared with those of an earlier run."""
        results = str(self.results) if isinstance(self.results, TopicAddress) else _absolute(self.results)
        return {"output": results, "rejects": _absolute(self.letters)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What takes results, and copies; None keeps none."""

    results: LineSink
    letters: LineSink | None

    @classmethod
    def open(cls, places: Places, *, standard_output: LineSink, before: Checkpoint | None = None) -> "Outputs":
        """Open both, to go on behind a checkpoint if there is one.

        Raises ConfigurationError when a file cannot be written, BrokerError when no broker answers.
        """
        lengths = (before.output_bytes, before.letters_bytes) if before else (0, 0)
        try:
            match places.results:
                case None:
                    results = standard_output
                case TopicAddress() as address:
                    results = _topic_lines(address)
                case path:
                    results = FileSink(path, length=lengths[0])
            letters = places.letters
            return cls(
                results=results,
                letters=None if letters is None else FileSink(letters, length=lengths[1], is_lazy=True),
            )
        except OutputError as error:  # nothing has begun
            raise ConfigurationError([str(error)]) from None

    def close(self) -> None:
        """Let go of both."""
        self.results.close()
        if self.letters is not None:
            self.letters.close()


def problems_of_places(config: CountConfig) -> list[str]:
    """What is wrong with the places that the settings name, a line each."""
    problems = []
    if config.output is not None and is_kafka(config.output):
        try:
            parse_address(config.output, name="output")
        except InvalidValueError as error:
            problems.append(str(error))
    if config.rejects is not None and is_kafka(config.rejects):
        problems.append(f"rejects: expected a file or off, as the source is no topic, found {config.rejects!r}")
    return problems


def places_of(config: CountConfig) -> Places:
    """The places that the settings name. Raises InvalidValueError."""
    results: Path | TopicAddress | None = None
    if config.output is not None and is_kafka(config.output):
        results = parse_address(config.output, name="output")
    elif config.output not in {None, _STANDARD_OUTPUT}:
        results = Path(str(config.output))
    if config.rejects == _OFF:
        return Places(results=results, letters=None)
    if config.rejects is not None:
        return Places(results=results, letters=Path(config.rejects))
    beside = results.with_name(f"{results.stem}.rejects.jsonl") if isinstance(results, Path) else Path(_LETTERS)
    return Places(results=results, letters=beside)


def keep_apart(places: Places, inputs: Sequence[StoredFile]) -> None:
    """Raise ConfigurationError when a file would be written that is read, or both into one."""
    problems = []
    written = {"output": places.results, "rejects": places.letters}
    files = {name: path for name, path in written.items() if isinstance(path, Path)}
    for name, path in files.items():
        same = [file.path for file in inputs if path.exists() and file.is_at(path)]
        problems += [f"{name}: expected a file that is not counted, found {file}" for file in same]
    if len({_absolute(path) for path in files.values()}) < len(files):
        problems.append(f"rejects: expected another file than the output, found {places.letters}")
    if problems:
        raise ConfigurationError(problems)


def _topic_lines(address: TopicAddress) -> LineSink:
    from millstream.adapters.kafka.linesink import TopicLines  # noqa: PLC0415 - an optional extra

    decode = msgspec.json.Decoder(Result).decode
    return TopicLines(address, key=lambda line: decode(line).key)


def _absolute(path: Path | None) -> str:
    return _STANDARD_OUTPUT if path is None else os.path.abspath(path)  # noqa: PTH100 - links are not to be followed
