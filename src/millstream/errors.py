"""One small tree of errors that write their own message: what was expected, what was found, what to do."""


class MillstreamError(Exception):
    """Root of everything Millstream raises on purpose; its text is one line made for a person."""


class ConfigurationError(MillstreamError):
    """One or more settings are wrong; nothing was started.

    `problems` holds one line for each, all of them together.
    """

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class InvalidValueError(MillstreamError, ValueError):
    """A value cannot be read as what it should be."""

    def __init__(self, *, name: str, expected: str, found: object) -> None:
        self.name, self.expected, self.found = name, expected, found
        super().__init__(f"{name}: expected {expected}, found {found!r}")


class HandlerImportError(MillstreamError):
    """The function (a handler, or a packing strategy) named in the configuration cannot be loaded."""

    def __init__(self, *, handler: str, reason: str, setting: str = "handler") -> None:
        self.handler, self.reason = handler, reason
        super().__init__(
            f"{setting}: cannot load {handler!r}: {reason}; expected package.module:function, importable from here"
        )


class StrategyFailedError(MillstreamError):
    """A packing strategy of the user's own raised an exception."""

    def __init__(self, *, strategy: str, reason: str) -> None:
        self.strategy, self.reason = strategy, reason
        super().__init__(
            f"strategy: expected {strategy} to return a bucket number for each size, found that it raised {reason}; "
            "mend it, or name one that is built in, such as ffd"
        )


class StateLockedError(MillstreamError):
    """Another engine works on the same state folder."""

    def __init__(self, *, state: str, pid: int) -> None:
        self.state, self.pid = state, pid
        super().__init__(
            f"state: {state} is in use by the engine with process id {pid}; "
            "stop it first, or give this one a folder of its own with --state"
        )


class LedgerVersionError(MillstreamError):
    """The ledger was written by a newer Millstream."""

    def __init__(self, *, path: str, found: int, known: int) -> None:
        self.path, self.found, self.known = path, found, known
        super().__init__(
            f"state: {path} has schema version {found}, this Millstream knows up to {known}; "
            "install the newer version again, or use another --state"
        )


class LedgerUnusableError(MillstreamError):
    """The ledger's file cannot be opened, or is no ledger."""

    def __init__(self, *, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(
            f"state: {path} cannot be used as a ledger: {reason}; "
            "make room or mend its permissions, restore it from a copy, or use another --state"
        )


class SpoolDamagedError(MillstreamError):
    """The spool does not hold what the ledger says it accepted."""

    def __init__(self, *, path: str, expected: str, found: str) -> None:
        self.path, self.expected, self.found = path, expected, found
        super().__init__(
            f"spool: {path}: expected {expected}, found {found}; "
            "the disk or somebody changed it: restore the folder from a copy, or retry the batch from its source"
        )


class SourceError(MillstreamError):
    """A source cannot be read."""

    def __init__(self, *, source: str, reason: str, hint: str = "") -> None:
        self.source, self.reason = source, reason
        super().__init__(f"source: {source}: {reason}" + (f"; {hint}" if hint else ""))


class RecordTooLongError(SourceError):
    """A record is longer than the engine may hold in memory."""

    def __init__(self, *, source: str, limit_bytes: int, at: int) -> None:
        super().__init__(
            source=source,
            reason=f"the record that starts at byte {at} is longer than {limit_bytes} bytes",
            hint="raise --max-record, or end records with a newline",
        )


class UnknownBatchError(MillstreamError):
    """No batch, ingestion or file of that name is in the ledger."""

    def __init__(self, *, name: str, state: str) -> None:
        self.name = name
        super().__init__(f"{name!r} is no batch, ingestion or file of {state}; `millstream status` lists what there is")


class NotAllowedError(MillstreamError):
    """A batch, or what `noun` says, cannot take that step from the state it is in."""

    def __init__(self, *, name: str, step: str, state: str, hint: str, noun: str = "a batch") -> None:
        super().__init__(f"{name}: cannot {step} {noun} that is {state}; {hint}")


class HostLostError(MillstreamError):
    """The process that starts workers is gone, so no attempt can run any more."""


class MissingExtraError(MillstreamError):
    """An optional part is asked for whose dependencies are not installed."""

    def __init__(self, *, extra: str, feature: str) -> None:
        super().__init__(f"{feature} needs an optional part: pip install 'millstream[{extra}]'")


class TransactionAbortedError(MillstreamError):
    """A transaction of a log did not take place, and never will; its writer goes on from what is committed."""


class FencedError(MillstreamError):
    """A successor took over the work of this process, or the outcome of a transaction cannot be known."""

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"this process no longer owns its work: {reason}; start it again")


class DeltaRecordError(MillstreamError):
    """A record of the deltas topic cannot be read."""

    def __init__(self, *, partition: int, offset: int, reason: str) -> None:
        super().__init__(
            f"deltas: partition {partition}, offset {offset}: expected a record of this version of millstream count, "
            f"found another: {reason}; let only its workers write there, and run workers and merger of one version"
        )


class DeltasLostError(MillstreamError):
    """Deltas of windows that are still open are gone from the log."""

    def __init__(self, *, partition: int, expected: int, found: int) -> None:
        super().__init__(
            f"deltas: partition {partition}: expected the record at offset {expected}, the first that is left is "
            f"{found}: the topic's retention is shorter than the merger was away; "
            "count again under another --group with --from earliest or a time"
        )


class IdentityError(MillstreamError):
    """What was counted so far was counted by other rules."""

    def __init__(self, *, what: str, differences: str) -> None:
        super().__init__(
            f"{what} was made with other settings: {differences}; "
            "go on with the settings of before, or count under another --group"
        )


class NoteRefusedError(MillstreamError):
    """The note of an event clock was written by another version, or under other settings."""

    def __init__(self, *, expected: str, found: str) -> None:
        self.expected, self.found = expected, found
        super().__init__(
            f"event clock: expected a note of {expected}, found {found}; go on with the settings it was written with, "
            "or start afresh with another --group or --state"
        )


class BrokerError(MillstreamError):
    """A Kafka cluster cannot do what it is asked for; `code` is Kafka's name for that, if it is Kafka's error."""

    def __init__(self, *, brokers: str, reason: str, hint: str = "", code: str = "") -> None:
        self.brokers, self.reason, self.code = brokers, reason, code
        super().__init__(f"kafka: {brokers}: {reason}" + (f"; {hint}" if hint else ""))


class UnknownTopicError(BrokerError):
    """A topic is asked for that is not there."""

    def __init__(self, *, brokers: str, topic: str) -> None:
        self.topic = topic
        super().__init__(
            brokers=brokers,
            reason=f"expected a topic {topic!r}, found none of that name",
            hint=f"make it with `millstream topics create kafka://{brokers}/{topic}`, or check the name",
        )


class TopicExistsError(BrokerError):
    """A topic is to be made that is there already."""

    def __init__(self, *, brokers: str, topic: str) -> None:
        self.topic = topic
        super().__init__(
            brokers=brokers,
            reason=f"expected no topic {topic!r} yet, found one",
            hint="use it as it is, choose another name, or delete it first",
        )


class GroupActiveError(BrokerError):
    """A consumer group has members, so its positions are theirs."""

    def __init__(self, *, brokers: str, group: str, members: int) -> None:
        super().__init__(
            brokers=brokers,
            reason=f"expected group {group!r} to be idle, found {members} of its members at work",
            hint="stop them first (after a crash they are forgotten within the session time-out)",
        )


class CountStateError(MillstreamError):
    """What a count saved of its windows is incomplete or damaged."""

    def __init__(self, *, key: str, expected: str, found: str) -> None:
        self.key, self.expected, self.found = key, expected, found
        super().__init__(
            f"saved windows: {key}: expected {expected}, found {found}; "
            "something else wrote or deleted there: count afresh under another --group or --state"
        )


class CheckpointError(MillstreamError):
    """What a count of files should go on from cannot be used."""

    def __init__(
        self, *, path: str, reason: str, hint: str = "make room or mend it, or count afresh with another --state"
    ) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"state: {path}: {reason}; {hint}")


class ReaderLostError(MillstreamError):
    """A process that reads ahead was ended from outside."""

    def __init__(self, *, pid: int, ended: str) -> None:
        self.pid = pid
        super().__init__(
            f"count: the reading process {pid} {ended} before it was done; "
            "look whether memory ran out, and run the command again (with --state it goes on where it was)"
        )


class MemberFailedError(MillstreamError):
    """A process that was started to help says that it cannot work; its own words."""


class ReadingError(MillstreamError):
    """What a reading process could not do, in its own words."""


class OutputError(MillstreamError):
    """An output cannot be written."""

    def __init__(self, *, path: str, reason: str, hint: str = "make room, or name another file") -> None:
        self.path, self.reason = path, reason
        super().__init__(f"output: {path}: {reason}; {hint}")


class UnreadableFileError(MillstreamError):
    """A file as a whole cannot be read as what it should be; no record of it was published."""

    def __init__(self, *, expected: str, found: str, hint: str) -> None:
        self.expected, self.found = expected, found
        super().__init__(f"file: expected {expected}, found {found}; {hint}")


class NoCountError(MillstreamError):
    """A window is asked for where nothing was counted."""

    def __init__(self, *, state: str) -> None:
        super().__init__(
            f"expected a count with its state in {state}, found none; name the topic that is counted, as in "
            "`millstream explain window minute:1468244340 kafka://localhost:9092/clicks`, or the folder with --state"
        )


class LedgerUnreachableError(MillstreamError):
    """The database of the ledger did not answer for as long as calls wait for it."""

    def __init__(self, *, address: str, waited_s: float, reason: str, in_doubt: bool = False) -> None:
        self.address, self.reason, self.in_doubt = address, reason, in_doubt
        doubt = "; whether the last change took effect is unknown, the ledger will tell" if in_doubt else ""
        super().__init__(
            f"ledger: {address}: expected an answer within {waited_s:g} s, found: {reason}{doubt}; "
            "start the database or mend its address, then start this again"
        )


class NativeScannerError(MillstreamError):
    """The compiled frame scanner cannot be used; `is_installed` when there is one that does not fit."""

    def __init__(self, *, found: str, expected: str = "native to be installed", is_installed: bool) -> None:
        self.found, self.is_installed = found, is_installed
        super().__init__(
            f"scanner: expected {expected}, found {found}; "
            f"{'build it again' if is_installed else 'build it'} with `make native`, or count with --scanner python"
        )


class ObjectMissingError(MillstreamError):
    """There is no such file in the container."""

    def __init__(self, *, name: str, container: str) -> None:
        self.name, self.container = name, container
        super().__init__(f"file: expected {name!r} in {container}, found nothing; is the name right?")


class ObjectRefusedError(MillstreamError):
    """The name of a file is none, or leads out of its container."""

    def __init__(self, *, name: str, reason: str) -> None:
        self.name, self.reason = name, reason
        super().__init__(f"file: expected the name of a file inside of its container, found {name!r}: {reason}")


class ObjectChangedError(MillstreamError):
    """A file is not the version any more that was begun."""

    def __init__(self, *, name: str, expected: str, found: str) -> None:
        self.name, self.expected, self.found = name, expected, found
        super().__init__(f"file: {name!r} changed while it was read: expected version {expected}, found {found}")


class StoreUnavailableError(MillstreamError):
    """A store does not answer, or does not let us in; it is tried again."""

    def __init__(self, *, address: str, reason: str) -> None:
        self.address, self.reason = address, reason
        super().__init__(f"store: {address} cannot be reached: {reason}; is it up, and are its credentials right?")


class SinkUnavailableError(MillstreamError):
    """A sink does not answer; it is tried again."""

    def __init__(self, *, address: str, reason: str, hint: str = "is it up, and are its credentials right?") -> None:
        self.address, self.reason = address, reason
        super().__init__(f"sink: {address} cannot be used: {reason}; {hint}")


class SinkRefusedError(MillstreamError):
    """A sink will never take these records as they are."""

    def __init__(self, *, address: str, reason: str) -> None:
        self.address, self.reason = address, reason
        super().__init__(f"sink: {address} does not take the records: {reason}")


class BellUnavailableError(MillstreamError):
    """What wakes the workers does not answer; it is tried again."""

    def __init__(self, *, address: str, reason: str) -> None:
        self.address, self.reason = address, reason
        super().__init__(f"dispatcher: {address} cannot be reached: {reason}; is it up, and are its credentials right?")


class DamagedFileError(UnreadableFileError):
    """A compressed file is cut off or damaged, so that not all of it can be unpacked."""


class UnpackedTooLargeError(UnreadableFileError):
    """A compressed file unpacks to more than is allowed."""


class CredentialsError(MillstreamError):
    """A file of credentials cannot be used."""

    def __init__(self, *, path: str, expected: str, found: str) -> None:
        self.path, self.expected, self.found = path, expected, found
        super().__init__(f"credentials: {path}: expected {expected}, found {found}")


class OutputDamagedError(MillstreamError):
    """A file that records were written to is not there any more as it was written."""

    def __init__(self, *, path: str, expected: str, found: str) -> None:
        self.path, self.expected, self.found = path, expected, found
        super().__init__(
            f"output: {path}: expected {expected}, found {found}; the disk or somebody changed it: "
            "put it back from a copy, or ingest the file again"
        )


class ListenError(MillstreamError):
    """A server cannot listen where it should."""

    def __init__(self, *, address: str, reason: str) -> None:
        self.address, self.reason = address, reason
        super().__init__(f"listen: {address}: {reason}; stop what listens there, or choose another with --listen")


class ServerError(MillstreamError):
    """A Millstream server does not answer, or refuses a request."""

    def __init__(self, *, server: str, reason: str, status: int = 0, after_s: float | None = None) -> None:
        self.server, self.reason, self.status, self.after_s = server, reason, status, after_s
        super().__init__(f"server: {server}: {reason}")
