"""Run one attempt and say how it ended; touches no storage of the engine.

Theory of operation: the border behind which user code runs. Whatever a handler does, returns or raises becomes an
`AttemptResult`. The files of a bucket are compared with what was listed before the handler sees them, and again
after it is done with them, together with their SHA-256: a file that is not what it was is never worked in silence.
"""

import hashlib
import inspect
import logging
import math
import re
import stat
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

from millstream.core.model import AttemptResult, Discard, Done, Eviction, FileRef, Job, Outcome, Retry
from millstream.core.tasks import Spoiled
from millstream.errors import (
    HandlerImportError,
    InvalidValueError,
    MillstreamError,
    SinkRefusedError,
    SinkUnavailableError,
    StoreUnavailableError,
)
from millstream.runtime.batch import Batch, Context, Handler, MakeHandler, ReadSpool
from millstream.runtime.fetching import Fetched

Look = Callable[[FileRef], FileRef | None]
"""What is there now in place of a listed file."""

Settle = Callable[[Awaitable[object]], Awaitable[object]]
"""How to wait for what an async handler returned."""

STOPPED = AttemptResult(outcome=Retry(error="the workers were stopped"), charged=False, lost=True)
"""The result of an attempt whose pool was stopped."""

_UNAVAILABLE = (SinkUnavailableError, StoreUnavailableError)
"""What is down outside is no fault of the batch: it waits, however long that takes."""

_LONGEST_TEXT = 500
_SHA256 = re.compile("[0-9a-f]{64}")
_LOG = logging.getLogger(__name__)


class _FileSpoiledError(Exception):
    """A file is not what it was when its bucket was begun."""


def build_handler(make: MakeHandler, *, pipeline: str) -> Handler:
    """Build a pipeline's handler; raises HandlerImportError whatever goes wrong in the user's code."""
    try:
        return make()
    except HandlerImportError:
        raise
    except BaseException as error:  # user code may raise anything, SystemExit included
        raise HandlerImportError(handler=pipeline, reason=_describe(error)) from error


async def run_attempt(
    job: Job, *, handler: Handler, context: Context, read: ReadSpool | None, settle: Settle
) -> AttemptResult:
    """Run `handler` once on the batch of `job` and return how that ended; raises nothing.

    Awaits only `settle`, and only when the handler returned an awaitable. With evictions the handler is not called.
    """
    started = time.perf_counter()
    outcome: Outcome
    evictions: tuple[Eviction, ...] = ()
    checksums: dict[str, str] = {}
    failure: BaseException | None = None
    look = handler.look if isinstance(handler, Fetched) else _look
    try:
        evictions = _find_evictions(job.files, look=look)
        if evictions:
            outcome = Retry(error=_describe_evictions(evictions))
        else:
            value = handler(Batch(job, read=read), context)
            outcome = _judge(await settle(value) if inspect.isawaitable(value) else value)
            if isinstance(outcome, Done):
                checksums = {
                    file.path: _seal(file, given=context.checksums.get(file.path), look=look) for file in job.files
                }
    except _FileSpoiledError as error:
        outcome = Retry(error=_one_line(str(error)))
    except BaseException as error:  # noqa: BLE001 - the border: SystemExit and the like end an attempt, not its host
        # Where it failed is said once; further attempts most likely fail in the same place. Our own errors say it all.
        if not isinstance(error, MillstreamError):
            _LOG.warning("%s: attempt %d failed", job.id, job.attempt, exc_info=error if job.attempt == 1 else None)
        failure = error
        outcome = Retry(error=_describe(error))
    return AttemptResult(
        outcome=outcome,
        seconds=time.perf_counter() - started,
        charged=not evictions and not isinstance(failure, _UNAVAILABLE),
        hopeless=isinstance(failure, SinkRefusedError),
        checksums=checksums,
        evictions=evictions,
        report=context.report if isinstance(outcome, Done) or isinstance(context.report, Spoiled) else None,
    )


def _judge(value: object) -> Outcome:
    """What a handler returned, checked: it is user code, and what it says goes on to other processes."""
    match value:
        case None:
            return Done()
        case Done(detail=str() as detail):
            return Done(detail=_one_line(detail))
        case Discard(reason=str() as reason):
            return Discard(reason=_one_line(reason))
        case Retry(after_s=None, error=str() as text):
            return Retry(error=_one_line(text))
        case Retry(after_s=int() | float() as after_s, error=str() as text) if 0 <= after_s < math.inf:
            return Retry(after_s=float(after_s), error=_one_line(text))
        case _:
            return Retry(
                error=_one_line(
                    f"the handler returned {value!r} ({type(value).__name__}); expected Done(detail), "
                    "Retry(after_s=seconds, error=text), Discard(reason) or None"
                )
            )


# --- files ----------------------------------------------------------------------------------------------------


def _find_evictions(files: Sequence[FileRef], *, look: Look) -> tuple[Eviction, ...]:
    found = ((file, look(file)) for file in files)
    return tuple(Eviction(listed=file, current=current) for file, current in found if current != file)


def _look(file: FileRef) -> FileRef | None:
    """The version that is there now; None when there is no regular file any more."""
    try:
        found = Path(file.path).lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return replace(file, size_bytes=found.st_size, mtime_ns=found.st_mtime_ns, inode=found.st_ino)


def _seal(file: FileRef, *, given: str | None, look: Look) -> str:
    """The SHA-256 of a file that is still what was listed; raises _FileSpoiledError when it is not."""
    if given is not None and not _SHA256.fullmatch(given):
        raise InvalidValueError(
            name=f"context.checksums[{file.path!r}]", expected="a SHA-256 in 64 hex digits", found=given
        )
    digest = given or _sha256(file.path)
    current = look(file)  # after reading, so that the digest is of this version
    if current != file:
        raise _FileSpoiledError(_complain(file, current=current, when="while it was worked"))
    return digest


def _sha256(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""  # whoever asks looks at the file anyway


def _describe_evictions(evictions: Sequence[Eviction]) -> str:
    first = evictions[0]
    more = f", and {len(evictions) - 1} more like it" if len(evictions) > 1 else ""
    return _one_line(_complain(first.listed, current=first.current, when="since it was listed") + more)


def _complain(listed: FileRef, *, current: FileRef | None, when: str) -> str:
    if current is None:
        return f"{listed.path} disappeared {when}"
    if current.size_bytes != listed.size_bytes:
        how = f"size {listed.size_bytes} -> {current.size_bytes}"
    elif current.inode != listed.inode:
        how = "another file of the same size"
    else:
        how = "same size, modified"
    return f"{listed.path} changed {when} ({how})"


# --- words ----------------------------------------------------------------------------------------------------


def _describe(error: BaseException) -> str:
    if isinstance(error, (*_UNAVAILABLE, SinkRefusedError)):  # what it is called inside helps nobody
        return _one_line(str(error))
    return _one_line("".join(traceback.format_exception_only(error)))


def _one_line(text: str) -> str:
    """Fit for an error column and for UTF-8, whatever a user's code put together."""
    line = " ".join(text.split()).encode("utf-8", "backslashreplace").decode()
    return line if len(line) <= _LONGEST_TEXT else line[: _LONGEST_TEXT - 3] + "..."
