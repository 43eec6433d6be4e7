"""Sinks by the address that an ingestion has for its records.

Theory of operation: the address in the ledger is the one that may be shown; `Sinks` knows the credentials of those that
were given to it. A sink is a queue (`amqp://`), a topic (`kafka://`), a folder that gets a file for each ingestion, or
one file (`file:PATH`, see `wiring.onefile`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from millstream.adapters.partfile import JoinedFolder, PartFolder
from millstream.core.address import is_kafka, parse_address
from millstream.core.container import is_text
from millstream.core.queueaddress import is_amqp, parse_queue, without_password
from millstream.errors import InvalidValueError
from millstream.ingest.outputfolder import OutputFolder
from millstream.ports.sink import Sink
from millstream.wiring.onefile import FILE, OneFile, parts_folder

ONE_PER_MESSAGE = "#one-per-message"
"""Behind the address of a queue: every record is a message of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkAddress:
    """Where records go: `shown` is what the ledger keeps, `full` has the credentials as well."""

    shown: str
    full: str

    @property
    def is_folder(self) -> bool:
        """Whether records end up in files on this machine."""
        return not _is_broker(self.shown)

    @property
    def file(self) -> Path | None:
        """The one file that records go to, None for other sinks."""
        return Path(self.shown.removeprefix(FILE)) if self.shown.startswith(FILE) else None


def read_sink(text: str, *, one_per_message: bool = False, is_file: bool = False, name: str = "to") -> SinkAddress:
    """Read what a user wrote; a path is a file with `is_file`, else a folder. Raises InvalidValueError."""
    ending = ONE_PER_MESSAGE if one_per_message else ""
    if is_amqp(text):
        return SinkAddress(shown=f"{parse_queue(text, name=name)}{ending}", full=f"{text}{ending}")
    if one_per_message:
        raise InvalidValueError(
            name="one_per_message", expected="a queue, amqp://HOST/QUEUE, to go with it", found=text
        )
    if is_kafka(text):
        address = str(parse_address(text, name=name))
        return SinkAddress(shown=address, full=address)
    if "://" in text or "\0" in text or not text:
        raise InvalidValueError(
            name=name, expected="a path, amqp://HOST/QUEUE or kafka://HOST:PORT/TOPIC", found=without_password(text)
        )
    if text == "-":
        raise InvalidValueError(name=name, expected="a path (./- for a file of that name)", found=text)
    path = Path(text).absolute()
    resolved = path.parent.resolve() / path.name if is_file else path.resolve()
    if not is_text(str(resolved)):
        raise InvalidValueError(name=name, expected="a path in UTF-8", found=str(resolved))
    shown = f"{FILE}{resolved}" if is_file else str(resolved)
    return SinkAddress(shown=shown, full=shown)


class Sinks:
    """Opens sinks by the address that the ledger keeps."""

    def __init__(self, known: Iterable[SinkAddress]) -> None:
        self._full = {address.shown: address.full for address in known}

    def open(self, shown: str) -> Sink:
        """What workers publish to; connects when it is used first. Raises InvalidValueError, MissingExtraError."""
        full = self._full.get(shown, shown)
        if is_amqp(full):
            return _queue(full)
        if is_kafka(full):
            return _topic(full)
        return PartFolder(parts_folder(shown))

    def open_output(self, shown: str) -> OutputFolder | None:
        """Where the joiner puts records together; None for a sink that needs none. Raises SinkUnavailableError."""
        if _is_broker(shown):
            return None
        if shown.startswith(FILE):
            return OneFile(Path(shown.removeprefix(FILE)))
        return JoinedFolder(Path(shown))


def _is_broker(shown: str) -> bool:
    return is_amqp(shown) or is_kafka(shown)


def _queue(full: str) -> Sink:
    from millstream.adapters.rabbitmq import RabbitSink  # noqa: PLC0415 - an optional part

    one_per_message = full.endswith(ONE_PER_MESSAGE)
    return RabbitSink(parse_queue(full.removesuffix(ONE_PER_MESSAGE)), one_per_message=one_per_message)


def _topic(full: str) -> Sink:
    from millstream.adapters.kafka.chunksink import KafkaChunkSink  # noqa: PLC0415 - an optional part

    return KafkaChunkSink(parse_address(full))
