"""What a live count is asked for: one value, which its processes are started with."""

from dataclasses import dataclass

from millstream.adapters.kafka.connection import Connection
from millstream.config import CountConfig
from millstream.core.address import TopicAddress, is_kafka, parse_address, parse_topic
from millstream.core.moment import Start, parse_start
from millstream.counting.admission.clock import ClockSettings
from millstream.counting.frames.choosing import choose_scanner
from millstream.counting.model import ALL_SIZES, Size
from millstream.counting.windows.windows import Emit
from millstream.errors import ConfigurationError, InvalidValueError, NativeScannerError

DEFAULT_GROUP = "millstream-count"
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
    group: str = DEFAULT_GROUP
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
    places: _Places | None = None
    try:
        places = _places_of(config)
    except InvalidValueError as error:
        problems.append(str(error))
    if problems or places is None:
        raise ConfigurationError(problems)
    return KafkaCount(
        brokers=places.source.brokers,
        topic=places.source.topic,
        group=places.group,
        results=places.results,
        rejects=places.rejects,
        start=places.start,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Places:
    """The topics and names of a count, and where it begins."""

    source: TopicAddress
    group: str
    results: str
    rejects: str | None
    start: Start | None


def _places_of(config: CountConfig) -> _Places:
    """Raises InvalidValueError for the first that cannot be read."""
    source = parse_address(config.sources[0], name="sources")
    output = None if config.output == _STANDARD_OUTPUT else config.output  # which shows what is in the topic
    rejects = None if config.rejects == _OFF else config.rejects
    return _Places(
        source=source,
        results=_topic_beside(source, output, name="output", default="user-data"),
        rejects=_topic_beside(source, rejects, name="rejects", default="") or None,
        group=DEFAULT_GROUP if config.group is None else parse_topic(config.group, name="group"),
        start=None if config.from_ in {None, "committed"} else parse_start(str(config.from_), name="from"),
    )


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
