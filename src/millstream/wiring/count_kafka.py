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

from millstream.adapters.kafka.connection import Connection
from millstream.adapters.lock import StateLock
from millstream.config import CountConfig
from millstream.core.address import TopicAddress, is_kafka, parse_address, parse_topic
from millstream.core.moment import Start, parse_start
from millstream.counting.admission.clock import ClockSettings
from millstream.counting.frames.choosing import choose_scanner, make_scanner
from millstream.counting.frames.scanner import FrameScanner
from millstream.counting.live.faultpoints import Faults, no_faults
from millstream.counting.live.merger import Merger, MergerSettings
from millstream.counting.live.worker import Progress, StageOne, StageOneSettings
from millstream.counting.model import ALL_SIZES, Size, Totals
from millstream.counting.windows.calendar import Calendar
from millstream.counting.windows.windows import Emit
from millstream.errors import ConfigurationError, InvalidValueError, NativeScannerError
from millstream.runtime.supervisor import Link, MemberSpec, Supervisor
from millstream.wiring.explain_count import note_last_count

STEP_S = 0.2
NEWS_EVERY_S = 0.5
MERGER = "merger"
_OFF = "off"
_STANDARD_OUTPUT = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaCount:
    """A live count of unique users, as its processes are told of it.

    `results` and `rejects` are topics of the same brokers; `rejects` None switches copies off. `fault` is
    `POINT:NUMBER` for tests: the process that reaches that point for that time kills itself, on its first start only.
    """

    brokers: str
    topic: str
    group: str = "millstream-count"
    results: str = "user-data"
    rejects: str | None = None
    copies: bool = True
    start: Start | None = None
    uid: str = "uid"
    ts: str = "ts"
    sizes: int = ALL_SIZES
    lateness_s: int = 5
    grace_s: int = 60
    emit: Emit = Emit.EARLY
    idle_s: float = 10.0
    exact: bool = False
    zone: str = "UTC"
    scanner: str = "auto"
    workers: int = 1
    merges: bool = True
    state: str = ".millstream"
    fault: str | None = None

    @property
    def connection(self) -> Connection:
        """Where it reads and writes."""
        return Connection(brokers=self.brokers, topic=self.topic, group=self.group)

    @property
    def results_address(self) -> TopicAddress:
        """Where its results go."""
        return TopicAddress(brokers=self.brokers, topic=self.results)

    @property
    def fields(self) -> str:
        """Which keys of a frame are read, as part of the rules that must not change."""
        return f"uid {self.uid}, ts {self.ts}"

    @property
    def clock(self) -> ClockSettings:
        """How far times are believed."""
        return ClockSettings(lateness_s=self.lateness_s)


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


def kafka_count_of(config: CountConfig, *, state: str, fault: str | None = None) -> KafkaCount:
    """What the settings ask for. Raises ConfigurationError with all problems."""
    problems: list[str] = []
    if len(config.sources) > 1:
        problems.append(f"sources: expected one topic alone, found {len(config.sources)} sources")
    if config.allow_loss:
        problems.append("allow_loss: a live count never stops for losses, it only raises an alarm; leave it out")
    role = config.role or "both"
    if role == "merger" and config.workers is not None:
        problems.append("workers: expected none with the role merger, which is one process")
    problems += _problems_of_scanner(config)
    values: dict[str, object] = {}
    try:
        source = parse_address(config.sources[0], name="sources")
        values |= {"brokers": source.brokers, "topic": source.topic}
        output = None if config.output == _STANDARD_OUTPUT else config.output  # which shows what is in the topic
        values["results"] = _topic_beside(source, output, name="output", default="user-data")
        if config.rejects not in {None, _OFF}:
            values["rejects"] = _topic_beside(source, config.rejects, name="rejects", default="")
        if config.group is not None:
            values["group"] = parse_topic(config.group, name="group")
        if config.from_ not in {None, "committed"}:
            values["start"] = parse_start(str(config.from_), name="from")
    except InvalidValueError as error:
        problems.append(str(error))
    if problems:
        raise ConfigurationError(problems)
    count = KafkaCount(
        brokers="",
        topic="",
        copies=config.rejects != _OFF,
        uid=config.uid,
        ts=config.ts,
        sizes=sum(Size(size).bit for size in config.by),
        lateness_s=config.lateness,
        grace_s=config.grace,
        emit=Emit(config.emit or Emit.EARLY),
        idle_s=config.idle,
        exact=config.exact,
        zone=config.zone,
        scanner=config.scanner,
        workers=0 if role == "merger" else config.workers or 1,
        merges=role != "worker",
        state=state,
        fault=fault,
    )
    return replace(count, **values)  # type: ignore[arg-type]  # read one by one above


def _problems_of_scanner(config: CountConfig) -> list[str]:
    try:
        if config.role != "merger":
            choose_scanner(config.scanner)
    except NativeScannerError as error:
        return [str(error)]
    return []


def _topic_beside(source: TopicAddress, text: str | None, *, name: str, default: str) -> str:
    """A topic of the same brokers, named alone or with them."""
    if text is None:
        return default
    if not is_kafka(text):
        if name == "output":
            raise InvalidValueError(
                name=name,
                expected=f"a topic such as {source.beside('user-data')} (exactly once), or - to see results here, too",
                found=text,
            )
        return parse_topic(text, name=name)
    found = parse_address(text, name=name)
    if found.brokers != source.brokers:
        raise InvalidValueError(
            name=name, expected=f"a topic of {source.brokers}, as one transaction goes no further", found=text
        )
    return found.topic
