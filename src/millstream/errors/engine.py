"""What keeps an engine, its state folder or its workers from working."""

from millstream.errors.root import MillstreamError


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


class MemberFailedError(MillstreamError):
    """A process that was started to help says that it cannot work; its own words."""


class LedgerUnreachableError(MillstreamError):
    """The database of the ledger did not answer for as long as calls wait for it."""

    def __init__(
        self,
        *,
        address: str,
        waited_s: float,
        reason: str,
        in_doubt: bool = False,
        hint: str = "start the database or mend its address",
    ) -> None:
        self.address, self.reason, self.in_doubt = address, reason, in_doubt
        doubt = "; whether the last change took effect is unknown, the ledger will tell" if in_doubt else ""
        within = f" within {waited_s:g} s" if waited_s else ""
        super().__init__(f"ledger: {address}: expected an answer{within}, found: {reason}{doubt}; {hint}")


class BellUnavailableError(MillstreamError):
    """What wakes the workers does not answer; it is tried again."""

    def __init__(self, *, address: str, reason: str) -> None:
        self.address, self.reason = address, reason
        super().__init__(f"dispatcher: {address} cannot be reached: {reason}; is it up, and are its credentials right?")
