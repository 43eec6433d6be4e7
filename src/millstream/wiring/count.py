"""Puts a count of files or of standard input together.

Theory of operation: everything that can be wrong is found before the first file is replaced. With a state folder, that
is locked first, and what an earlier run left there decides where to go on. Reading processes start last.
"""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from millstream.adapters.framefile import FramePipe, StoredFile, look_at
from millstream.adapters.lock import StateLock
from millstream.config import CountConfig
from millstream.counting.calendar import Calendar
from millstream.counting.checkpoint import Checkpoint, Checkpoints, check_same
from millstream.counting.clock import ClockSettings
from millstream.counting.files import FileCount, Resumption, report_of
from millstream.counting.fold import Supply
from millstream.counting.frames import FrameScanner, PythonScanner
from millstream.counting.live import LiveCount
from millstream.counting.model import Size
from millstream.counting.output import FileSink, LineSink, StandardOutput
from millstream.counting.readers import ReadAhead
from millstream.counting.rules import CountReport, CountRules, Watcher
from millstream.counting.supply import OwnSupply
from millstream.counting.windows import Emit
from millstream.errors import ConfigurationError, MillstreamError, OutputError, SourceError

STDIN = "-"
SMALL_BYTES = 192 << 20
"""Inputs of fewer bytes are counted before other processes have started and caught up: measured, half a second."""

_OFF = "off"


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
) -> CountReport:
    """Count what files or standard input hold; blocks. Raises MillstreamError.

    `standard_output` takes the results that go there, in place of standard output itself.
    """
    check_local(config, state=state)
    around = _Surroundings(watcher=watcher, stop=stop, standard_output=standard_output or StandardOutput())
    if config.sources == (STDIN,):
        return _count_pipe(config, around)
    return _count_files(config, state, around)


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


def _count_files(config: CountConfig, state: Path | None, around: _Surroundings) -> CountReport:
    files = _look_at_all(config.sources)
    rules = rules_of(config)
    make_scanner = partial(PythonScanner, uid=rules.uid, ts=rules.ts)
    scanner = make_scanner()
    with ExitStack() as stack:
        resumption = _resumption(config, state, rules, files, stack) if state is not None else None
        before = resumption.before if resumption else None
        if before is not None and before.is_finished:
            return report_of(before, scanner=scanner.name)
        outputs = _Outputs.open(config, before, inputs=files, standard_output=around.standard_output)
        stack.callback(outputs.close)
        supply = _supply(config, files, make_scanner, scanner)
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
    seen: dict[tuple[int, int], str] = {}
    for file in files:
        first = seen.setdefault(file.identity, file.path)
        if first != file.path:
            problems.append(f"source: {file.path}: expected each file once, found the same file as {first}")
    if problems:
        raise ConfigurationError(problems)
    return files


def _resumption(
    config: CountConfig, state: Path, rules: CountRules, files: Sequence[StoredFile], stack: ExitStack
) -> Resumption:
    """Lock the state folder and read what an earlier run left there."""
    try:
        state.mkdir(parents=True, exist_ok=True)
        stack.callback(StateLock(state).release)
    except OSError as error:
        raise MillstreamError(f"state: {state}: expected a folder to write to: {error.strerror}") from None
    output, letters = _places(config)
    settings = rules.as_text() | {"output": _absolute(output), "rejects": _absolute(letters)}
    checkpoints = Checkpoints(state)
    before = checkpoints.read()
    if before is not None:
        inputs = [(file.path, file.size_bytes, file.mtime_ns) for file in files]
        check_same(before, settings=settings, inputs=inputs, folder=state)
    return Resumption(checkpoints=checkpoints, settings=settings, before=before)


def _supply(
    config: CountConfig, files: Sequence[StoredFile], make_scanner: Callable[[], FrameScanner], scanner: FrameScanner
) -> Supply:
    size_bytes = sum(file.size_bytes * (1 if file.is_seekable else _PACKED) for file in files)
    workers = config.workers
    if workers is None:
        workers = 1 if size_bytes < SMALL_BYTES else usable_cores()
    return OwnSupply(scanner) if workers == 1 else ReadAhead(files, scanner=make_scanner, processes=workers)


_PACKED = 5
"""So much smaller compressed frames are, roughly."""


def usable_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


# --- standard input ---------------------------------------------------------------------------------------------------


def _count_pipe(config: CountConfig, around: _Surroundings) -> CountReport:
    rules = rules_of(config)
    outputs = _Outputs.open(config, None, inputs=(), standard_output=around.standard_output)
    try:
        count = LiveCount(
            FramePipe(wake=around.stop.descriptor),
            rules=rules,
            scanner=PythonScanner(uid=rules.uid, ts=rules.ts),
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


# --- outputs ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outputs:
    """Where results and copies go."""

    results: LineSink
    letters: LineSink | None

    @classmethod
    def open(
        cls,
        config: CountConfig,
        before: Checkpoint | None,
        *,
        inputs: Sequence[StoredFile],
        standard_output: LineSink,
    ) -> "_Outputs":
        output, letters = _places(config)
        _keep_apart(output, letters, inputs)
        lengths = (before.output_bytes, before.letters_bytes) if before else (0, 0)
        try:
            return cls(
                results=standard_output if output is None else FileSink(output, length=lengths[0]),
                letters=None if letters is None else FileSink(letters, length=lengths[1], is_lazy=True),
            )
        except OutputError as error:  # nothing has begun
            raise ConfigurationError([str(error)]) from None

    def close(self) -> None:
        """Let go of both."""
        self.results.close()
        if self.letters is not None:
            self.letters.close()


def _places(config: CountConfig) -> tuple[Path | None, Path | None]:
    """The files of results (None: standard output) and of copies (None: nowhere)."""
    output = None if config.output in {None, "-"} else Path(str(config.output))
    if config.rejects == _OFF:
        return output, None
    if config.rejects is not None:
        return output, Path(config.rejects)
    return output, Path("millstream-rejects.jsonl") if output is None else output.with_name(
        f"{output.stem}.rejects.jsonl"
    )


def _keep_apart(output: Path | None, letters: Path | None, inputs: Sequence[StoredFile]) -> None:
    """Raise ConfigurationError when a file would be written that is read."""
    problems = []
    for name, path in (("output", output), ("rejects", letters)):
        same = [file.path for file in inputs if path is not None and path.exists() and file.is_at(path)]
        problems += [f"{name}: expected a file that is not counted, found {file}" for file in same]
    if output is not None and letters is not None and _absolute(output) == _absolute(letters):
        problems.append(f"rejects: expected another file than the output, found {letters}")
    if problems:
        raise ConfigurationError(problems)


def _absolute(path: Path | None) -> str:
    return "-" if path is None else os.path.abspath(path)  # noqa: PTH100 - links are not to be followed
