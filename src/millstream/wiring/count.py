"""Puts a count of files or of standard input together.

Theory of operation: everything that can be wrong is found before the first file is replaced. With a state folder, that
is locked first, and what an earlier run left there decides where to go on. Reading processes start last.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from millstream.adapters.framefile import FramePipe, StoredFile, look_at
from millstream.adapters.lock import StateLock
from millstream.config import CountConfig
from millstream.counting.admission.clock import ClockSettings
from millstream.counting.files.checkpoint import Checkpoints, check_same
from millstream.counting.files.count import FileCount, Resumption, report_of
from millstream.counting.files.fold import Supply
from millstream.counting.files.output import LineSink, StandardOutput
from millstream.counting.files.pipe import LiveCount
from millstream.counting.files.rules import CountReport, CountRules, Watcher
from millstream.counting.files.supply import OwnSupply
from millstream.counting.frames.choosing import Choice, Wanted, choose_scanner
from millstream.counting.frames.scanner import FrameScanner
from millstream.counting.model import Size
from millstream.counting.windows.calendar import Calendar
from millstream.counting.windows.windows import Emit
from millstream.errors import ConfigurationError, MillstreamError, SourceError
from millstream.wiring.count_outputs import Outputs, keep_apart, places_of, problems_of_places
from millstream.wiring.count_readers import STDIN, readers_of

if TYPE_CHECKING:
    from millstream.counting.frames.headstart import HeadStart


class StopRequest(Protocol):
    """Whether somebody asked to stop; `descriptor` becomes readable then."""

    asked: bool
    descriptor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Surroundings:
    """Whom a count tells, whom it obeys, and what its standard output is."""

    watcher: Watcher
    stop: StopRequest
    standard_output: LineSink


def count_local(
    config: CountConfig,
    *,
    state: Path | None,
    watcher: Watcher,
    stop: StopRequest,
    standard_output: LineSink | None = None,
    head_start: "HeadStart | None" = None,
) -> CountReport:
    """Count what files or standard input hold; blocks. Raises MillstreamError.

    `standard_output` takes the results that go there, in place of standard output itself; `head_start` is what
    `begin_early` began.
    """
    check_local(config, state=state)
    choice = choose_scanner(config.scanner)
    if choice.remark is not None:
        watcher.remark(choice.remark)
    around = _Surroundings(watcher=watcher, stop=stop, standard_output=standard_output or StandardOutput())
    if config.sources == (STDIN,):
        return _count_pipe(config, choice, around)
    return _count_files(config, choice, state, around, head_start)


def check_local(config: CountConfig, *, state: Path | None) -> None:
    """Raise ConfigurationError when settings do not go together."""
    problems = [
        f"{name}: goes with kafka:// sources only"
        for name, value in (("role", config.role), ("group", config.group), ("from", config.from_))
        if value is not None
    ]
    if STDIN in config.sources and len(config.sources) > 1:
        problems.append("sources: expected standard input (-) alone, found other sources beside it")
    if STDIN in config.sources and state is not None:
        problems.append("state: standard input cannot be read again after a stop; store it, and count the file")
    places = [path for path in config.sources if config.sources.count(path) > 1]
    problems += [f"sources: expected each file once, found {path!r} again" for path in dict.fromkeys(places)]
    problems += problems_of_places(config)
    if problems:
        raise ConfigurationError(problems)


def rules_of(config: CountConfig) -> CountRules:
    """The rules that settings ask for. Raises InvalidValueError."""
    sizes = 0
    for size in config.by:
        sizes |= Size(size).bit
    return CountRules(
        sizes=sizes,
        uid=config.uid,
        ts=config.ts,
        clock=ClockSettings(lateness_s=config.lateness),
        grace_s=config.grace,
        emit=Emit(config.emit or Emit.FINAL),
        exact=config.exact,
        calendar=Calendar(config.zone),
    )


# --- files ------------------------------------------------------------------------------------------------------------


def _count_files(
    config: CountConfig,
    choice: Choice,
    state: Path | None,
    around: _Surroundings,
    head_start: "HeadStart | None",
) -> CountReport:
    files = _look_at_all(config.sources)
    places = places_of(config)
    keep_apart(places, files)
    rules = rules_of(config)
    if head_start is not None and not head_start.is_of(files[0]):  # it has changed since
        head_start.stop()
        head_start = None
    make = choice.maker(uid=rules.uid, ts=rules.ts, head_start=head_start)
    scanner = make()
    with ExitStack() as stack:
        resumption = _resumption(state, files, rules.as_text() | places.as_text(), stack) if state is not None else None
        before = resumption.before if resumption else None
        if before is not None and before.is_finished:
            return report_of(before, scanner=scanner.name)
        outputs = Outputs.open(places, standard_output=around.standard_output, before=before)
        stack.callback(outputs.close)
        supply = _supply(config, files, scanner, make=make)
        stack.callback(supply.close)
        count = FileCount(
            files,
            rules=rules,
            scanner=scanner,
            supply=supply,
            sink=outputs.results,
            letters_sink=outputs.letters,
            watcher=around.watcher,
            allow_loss=config.allow_loss,
            upper_s=int(time.time()),
            is_stopped=lambda: around.stop.asked,
            resumption=resumption,
        )
        return count.run()


def _look_at_all(paths: Sequence[str]) -> list[StoredFile]:
    files, problems = [], []
    for path in paths:
        try:
            files.append(look_at(path))
        except SourceError as error:
            problems.append(str(error))
    seen: dict[tuple[int, int] | None, str] = {}
    for file in files:
        first = seen.setdefault(file.identity, file.path)
        if first != file.path:
            problems.append(f"source: {file.path}: expected each file once, found the same file as {first}")
    if problems:
        raise ConfigurationError(problems)
    return files


def _resumption(state: Path, files: Sequence[StoredFile], settings: Mapping[str, str], stack: ExitStack) -> Resumption:
    """Lock the state folder and read what an earlier run left there."""
    try:
        state.mkdir(parents=True, exist_ok=True)
        stack.callback(StateLock(state).release)
    except OSError as error:
        raise MillstreamError(f"state: {state}: expected a folder to write to: {error.strerror}") from None
    checkpoints = Checkpoints(state)
    before = checkpoints.read()
    if before is not None:
        inputs = [(file.path, file.size_bytes, file.mtime_ns) for file in files]
        check_same(before, settings=settings, inputs=inputs, folder=state)
    return Resumption(checkpoints=checkpoints, settings=settings, before=before)


def _supply(
    config: CountConfig, files: Sequence[StoredFile], scanner: FrameScanner, *, make: Callable[[], FrameScanner]
) -> Supply:
    """Strides of the files, read by `scanner` or ahead by others like it."""
    size_bytes = sum(file.size_bytes * (1 if file.is_seekable else _PACKED) for file in files)
    is_native = scanner.name == Wanted.NATIVE
    count = readers_of(config, size_bytes=size_bytes, is_native=is_native)
    if count == 1:
        return OwnSupply(scanner)
    return _ahead(files, make, count=count, in_threads=is_native)


def _ahead(files: Sequence[StoredFile], scanner: Callable[[], FrameScanner], *, count: int, in_threads: bool) -> Supply:
    """Reading ahead by so many; what that takes is loaded now, which is a tenth of the start of a small count."""
    from millstream.counting.files.readers import Crew, ReadAhead  # noqa: PLC0415 - see above

    crew: Crew
    if in_threads:
        from millstream.counting.files.threads import ReaderThreads  # noqa: PLC0415 - see above

        crew = ReaderThreads(files, scanner=scanner, count=count)
    else:
        from millstream.counting.files.processes import ReaderProcesses  # noqa: PLC0415 - see above

        crew = ReaderProcesses(files, scanner=scanner, count=count)
    return ReadAhead(files, crew=crew)


_PACKED = 5
"""So much smaller compressed frames are, roughly."""


# --- standard input ---------------------------------------------------------------------------------------------------


def _count_pipe(config: CountConfig, choice: Choice, around: _Surroundings) -> CountReport:
    places = places_of(config)
    keep_apart(places, ())
    rules = rules_of(config)
    outputs = Outputs.open(places, standard_output=around.standard_output)
    try:
        count = LiveCount(
            FramePipe(wake=around.stop.descriptor),
            rules=rules,
            scanner=choice.maker(uid=rules.uid, ts=rules.ts)(),
            sink=outputs.results,
            letters_sink=outputs.letters,
            watcher=around.watcher,
            allow_loss=config.allow_loss,
            idle_s=config.idle,
            is_stopped=lambda: around.stop.asked,
        )
        return count.run()
    finally:
        outputs.close()
