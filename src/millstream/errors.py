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
    """No batch or file of that name is in the ledger."""

    def __init__(self, *, name: str, state: str) -> None:
        self.name = name
        super().__init__(f"{name!r} is no batch or file of {state}; `millstream status` lists what there is")


class NotAllowedError(MillstreamError):
    """A batch cannot take that step from the state it is in."""

    def __init__(self, *, name: str, step: str, state: str, hint: str) -> None:
        super().__init__(f"{name}: cannot {step} a batch that is {state}; {hint}")


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
        super().__init__(f"this process no longer owns its work: {reason}; start it again")
