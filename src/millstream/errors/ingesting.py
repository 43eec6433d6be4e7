"""What keeps files from being read and their records from being published."""

from millstream.errors.root import MillstreamError


class UnreadableFileError(MillstreamError):
    """A file as a whole cannot be read as what it should be; no record of it was published."""

    def __init__(self, *, expected: str, found: str, hint: str) -> None:
        self.expected, self.found = expected, found
        super().__init__(f"file: expected {expected}, found {found}; {hint}")


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

    def __init__(self, *, address: str, reason: str, hint: str = "is it up, and are its credentials right?") -> None:
        self.address, self.reason = address, reason
        super().__init__(f"store: {address} cannot be reached: {reason}; {hint}")


class SinkUnavailableError(MillstreamError):
    """A sink does not answer; it is tried again."""

    def __init__(self, *, address: str, reason: str, hint: str = "is it up, and are its credentials right?") -> None:
        self.address, self.reason = address, reason
        super().__init__(f"sink: {address} cannot be used: {reason}; {hint}")


class SinkMissingError(SinkUnavailableError):
    """There is no such queue or topic, or not yet; it is tried again."""


class SinkRefusedError(MillstreamError):
    """A sink will never take these records as they are."""

    def __init__(self, *, address: str, reason: str) -> None:
        self.address, self.reason = address, reason
        super().__init__(f"sink: {address} does not take the records: {reason}")


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

    hint = "put it back from a copy, or ingest the file again"

    def __init__(self, *, path: str, expected: str, found: str) -> None:
        self.path, self.expected, self.found = path, expected, found
        super().__init__(
            f"output: {path}: expected {expected}, found {found}; the disk or somebody changed it: {self.hint}"
        )


class PartDamagedError(OutputDamagedError):
    """What one chunk left for the file of its ingestion is not there as it was written; it can be made again."""

    hint = "the chunk is done again"


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
