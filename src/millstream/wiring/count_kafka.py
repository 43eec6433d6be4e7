"""Counting live from Kafka: the processes of both stages on this machine, and what each of them does.

Theory of operation: every worker and the merger is a process of its own, so that each has a core to itself and none can
take another one down. A supervisor starts them, hears how far they are, and starts again who died. Whoever comes back
under the same transactional id ends what its predecessor left open. The state folder keeps the id of this machine's
workers, under a lock, because two that used one id would fence each other for ever.
"""

import gc
import os
import signal
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from millstream.adapters.lock import StateLock
from millstream.counting.frames.choosing import choose_scanner, make_scanner
from millstream.counting.frames.scanner import FrameScanner
from millstream.counting.live.faultpoints import Faults, no_faults
from millstream.counting.live.merger import Merger, MergerSettings
from millstream.counting.live.worker import Progress, StageOne, StageOneSettings
from millstream.counting.model import Totals
from millstream.counting.windows.calendar import Calendar
from millstream.errors import ConfigurationError
from millstream.runtime.supervisor import Link, MemberSpec, Supervisor
from millstream.wiring.explain_count import note_last_count
from millstream.wiring.kafka_count import KafkaCount

STEP_S = 0.2
NEWS_EVERY_S = 0.5
MERGER = "merger"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerNews:
    """How far a worker is; totals are of this process, `aborts` transactions that had to be repeated."""

    scanner: str
    totals: Totals
    aborts: int
    progress: tuple[Progress, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MergerNews:
    """How far the merger is: `totals` of the whole count since it began, `closed` windows that became final."""

    active: bool
    replayed: bool
    watermark: int | None
    totals: Totals
    refused: int
    closed: int


News = Callable[[str, int, WorkerNews | MergerNews], None]


def count_kafka(count: KafkaCount, *, news: News, tell: Callable[[str], None], idle: Callable[[], None]) -> None:
    """Count until SIGTERM or SIGINT, then commit what was read and end; blocks, installs signal handlers.

    Raises MemberFailedError when a process says that it cannot work: no broker, no topic, other settings than before.
    """
    folder = _folder(count)
    lock = StateLock(folder)
    try:
        if count.workers:
            choice = choose_scanner(count.scanner)
            if choice.remark is not None:
                tell(f"millstream: {choice.remark}")
            count = replace(count, scanner=choice.name)
        note_last_count(Path(count.state), source=count.connection.url, group=count.group)
        members = [
            MemberSpec(name=f"worker {slot}", work=work, arguments=(count, f"{_state_id(folder)}-{slot}"))
            for slot in range(count.workers)
        ]
        if count.merges:
            members.append(MemberSpec(name=MERGER, work=merge, arguments=(count, f"{_state_id(folder)}-merger")))
        supervisor = Supervisor(members, news=news, tell=tell)  # type: ignore[arg-type]  # news are what members send
        with _Stopping(supervisor):
            supervisor.run(idle=idle)
    finally:
        lock.release()


def work(link: Link, start: int, count: KafkaCount, member_id: str) -> None:
    """A worker process: stage 1."""
    from millstream.adapters.kafka.framelog import KafkaFrameLog  # noqa: PLC0415 - the client starts threads

    faults = _faults(count, start)
    log = KafkaFrameLog(
        count.connection,
        transactional_id=f"{count.group}-{member_id}",
        start=count.start,
        dead_letters=count.rejects,
        instance=f"{count.group}-{member_id}",
        tell=link.tell,
        fault=None if faults is no_faults else faults,
    )
    link.on_stop = log.give_up
    settings = StageOneSettings(
        clock=count.clock, grace_s=count.grace_s, fields=count.fields, idle_s=count.idle_s, dead_letters=count.copies
    )
    scanner = make_scanner(count.scanner, uid=count.uid, ts=count.ts)
    stage = StageOne(
        log,
        scanner,
        settings=settings,
        calendar=Calendar(count.zone),
        now=time.time,
        faults=faults,
    )
    _collect_rarely()
    told_s = 0.0
    while not link.stopping:
        stage.step(STEP_S)
        if time.monotonic() - told_s > NEWS_EVERY_S:
            told_s = time.monotonic()
            link.news(_worker_news(stage, scanner))
    stage.close()
    link.news(_worker_news(stage, scanner))


def merge(link: Link, start: int, count: KafkaCount, member_id: str) -> None:
    """A merger process: stage 2."""
    from millstream.adapters.kafka.deltalog import KafkaDeltaLog  # noqa: PLC0415 - the client starts threads

    faults = _faults(count, start)
    log = KafkaDeltaLog(
        count.connection,
        results=count.results,
        instance=f"{count.group}-{member_id}",
        tell=link.tell,
        fault=None if faults is no_faults else faults,
    )
    link.on_stop = log.give_up
    settings = MergerSettings(
        group=count.group,
        input=count.connection.url,
        sizes=count.sizes,
        emit=count.emit,
        exact=count.exact,
        lateness_s=count.lateness_s,
        grace_s=count.grace_s,
        fields=count.fields,
    )
    merger = Merger(log, settings=settings, calendar=Calendar(count.zone), now=time.time, faults=faults)
    told_s = 0.0
    while not link.stopping:
        merger.step(STEP_S)
        if time.monotonic() - told_s > NEWS_EVERY_S:
            told_s = time.monotonic()
            link.news(_merger_news(merger))
    link.news(_merger_news(merger))
    merger.close()


def _collect_rarely() -> None:
    """Messages and frames are many, live shortly and hold no cycles: looking for those costs a quarter of the speed."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(500_000, 20, 20)


def _worker_news(stage: StageOne, scanner: FrameScanner) -> WorkerNews:
    return WorkerNews(scanner=scanner.name, totals=stage.totals, aborts=stage.aborts, progress=tuple(stage.progress()))


def _merger_news(merger: Merger) -> MergerNews:
    return MergerNews(
        active=merger.active,
        replayed=merger.replayed,
        watermark=merger.watermark,
        totals=merger.totals,
        refused=merger.refused,
        closed=merger.closed,
    )


def _faults(count: KafkaCount, start: int) -> Faults:
    """What kills this process where a test wants it; once, or it would never get on."""
    if count.fault is None or start > 0:
        return no_faults
    point, _, number = count.fault.rpartition(":")
    left = int(number)

    def fault(reached: str) -> None:
        nonlocal left
        left -= reached == point
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return fault


def _folder(count: KafkaCount) -> Path:
    """The part of the state folder that belongs to this group."""
    folder = Path(count.state) / "live" / count.group
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"state: expected a folder that can be written, found {str(folder)!r}: {error.strerror}"
        raise ConfigurationError([problem]) from None
    return folder


def _state_id(folder: Path) -> str:
    """The name of this state folder among all machines of the group, made once."""
    path = folder / "id"
    if not path.exists():
        new = path.with_suffix(".new")
        new.write_text(uuid.uuid4().hex[:12], encoding="ascii")
        new.replace(path)
    return path.read_text(encoding="ascii")


class _Stopping:
    """The first signal asks, the second one ends at once."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._asked = False

    def __enter__(self) -> None:
        self._before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGTERM, signal.SIGINT)}

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, _number: int, _frame: object) -> None:
        if self._asked:
            self._supervisor.kill()
            raise KeyboardInterrupt
        self._asked = True
        self._supervisor.stop()
