"""What keeps a count of unique users from going on."""

from millstream.errors.root import MillstreamError


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


class ReadingError(MillstreamError):
    """What a reading process could not do, in its own words."""


class NoCountError(MillstreamError):
    """A window is asked for where nothing was counted."""

    def __init__(self, *, state: str) -> None:
        super().__init__(
            f"expected a count with its state in {state}, found none; name the topic that is counted, as in "
            "`millstream explain window minute:1468244340 kafka://localhost:9092/clicks`, or the folder with --state"
        )


class NativeScannerError(MillstreamError):
    """The compiled frame scanner cannot be used; `is_installed` when there is one that does not fit."""

    def __init__(self, *, found: str, expected: str = "native to be installed", is_installed: bool) -> None:
        self.found, self.is_installed = found, is_installed
        super().__init__(
            f"scanner: expected {expected}, found {found}; "
            f"{'build it again' if is_installed else 'build it'} with `make native`, or count with --scanner python"
        )
