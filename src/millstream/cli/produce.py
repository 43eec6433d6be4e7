"""The verb `produce`: write the lines of files or standard input to a topic.

Theory of operation: lines are put on their way as fast as the queue takes them, or as slowly as `--rate` says. At the
end, and when asked to stop, it waits until each line is delivered or has failed, and says how many of each.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.live import Live
from rich.text import Text

from millstream.adapters.framefile import FramePipe, StoredFile, look_at
from millstream.adapters.jsonkey import json_key_reader
from millstream.cli.arguments import Verbs, add_verb, argument
from millstream.cli.outgoing import Outgoing, paced, read_lines
from millstream.cli.output import counted, print_json, rough_duration, say, stderr_console, stdout_console, wants_json
from millstream.cli.stopping import Stop
from millstream.core.address import TopicAddress, parse_address
from millstream.core.exits import Exit
from millstream.core.units import format_size, parse_count, parse_rate
from millstream.errors import UnknownTopicError

if TYPE_CHECKING:
    from millstream.adapters.kafka.producer import LineProducer

_STDIN = "-"
_WAIT_S = 0.2
_REFRESHES_PER_S = 5


def add_parser(verbs: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Register `produce`."""
    parser = add_verb(
        verbs,
        name="produce",
        example="millstream produce frames.jsonl.gz kafka://localhost:9092/user-tracker --partitions 4\n"
        "  tail -f app.log | millstream produce - kafka://localhost:9092/logs --key user.id",
        parents=parents,
    )
    add = parser.add_argument
    add(
        "sources",
        metavar="FILE",
        nargs="+",
        help="plain, .gz or .zst, or - (standard input); blank lines are left out",
    )
    add("address", metavar="TOPIC", type=argument(parse_address), help="kafka://HOST:PORT[,HOST:PORT...]/TOPIC")
    add("--rate", type=argument(parse_rate), help="at most so many lines, such as 1000/s; default: as fast as it goes")
    add(
        "--key",
        metavar="FIELD",
        help="field of a JSON line, such as user.id; lines with one value of it go to one partition, in their order; "
        "default: no key, and all partitions in turn",
    )
    add("--partitions", metavar="N", type=argument(parse_count), help="make the topic with so many if it is missing")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from millstream.adapters.kafka.producer import LineProducer  # noqa: PLC0415 - an optional extra

    address: TopicAddress = args.address
    keys = json_key_reader(args.key) if args.key else None
    outgoing, started_s = Outgoing(), time.monotonic()
    with Stop() as stop:
        sources = [_source(name, stop) for name in args.sources]
        producer = LineProducer(address, partitions=_partitions(address, args=args))
        with _progress(producer, is_quiet=args.quiet):
            try:
                for lines in paced(read_lines(sources, outgoing, stop=stop), rate_per_s=args.rate, stop=stop):
                    producer.send(lines, keys=keys(lines) if keys else None)
                    outgoing.count(lines)
            finally:
                while producer.wait(_WAIT_S):
                    pass
        _report(producer, outgoing, seconds=time.monotonic() - started_s, stopped=stop.asked, args=args)
        if producer.failed or outgoing.damage:
            return Exit.DEAD
        return Exit.KEPT if stop.asked else Exit.DONE


def _source(name: str, stop: Stop) -> StoredFile | FramePipe:
    return FramePipe(wake=stop.descriptor) if name == _STDIN else look_at(name)


def _partitions(address: TopicAddress, *, args: argparse.Namespace) -> int:
    """How many partitions the topic has, made if that was asked for."""
    from millstream.adapters.kafka.admin import Cluster  # noqa: PLC0415 - an optional extra

    cluster = Cluster(address.brokers)
    topic = cluster.topics().get(address.topic)
    if topic is None and args.partitions is None:
        raise UnknownTopicError(brokers=address.brokers, topic=address.topic)
    if topic is None:
        topic = cluster.create(address.topic, partitions=args.partitions, may_exist=True)
    if args.partitions not in {None, topic.partitions} and not args.quiet:
        reminder = f"{address.topic} is there already, with {counted(topic.partitions, 'partition')}"
        say(stderr_console(), reminder, style="yellow")
    return topic.partitions


@contextmanager
def _progress(producer: "LineProducer", *, is_quiet: bool) -> Iterator[None]:
    """A line in a terminal that tells how far it is, gone at the end."""
    console = stderr_console()
    if is_quiet or not console.is_terminal:
        yield
        return
    meter = _Meter(producer)
    with Live(
        console=console,
        get_renderable=meter.render,
        refresh_per_second=_REFRESHES_PER_S,
        transient=True,
        redirect_stdout=False,
    ):
        yield


class _Meter:
    """How fast it goes, over the time since the last few looks."""

    def __init__(self, producer: "LineProducer") -> None:
        self._producer = producer
        self._looks = [(time.monotonic(), 0)]

    def render(self) -> Text:
        """Take a look."""
        producer, now_s = self._producer, time.monotonic()
        delivered = producer.delivered
        self._looks = [*self._looks[-_REFRESHES_PER_S:], (now_s, delivered)]
        then_s, before = self._looks[0]
        rate = (delivered - before) / max(now_s - then_s, 1 / _REFRESHES_PER_S)
        parts = [f"{counted(delivered, 'line')} delivered", f"{rate:,.0f}/s", f"{producer.waiting:,} on their way"]
        if producer.failed:
            parts.append(f"{producer.failed:,} failed")
        if producer.trouble and producer.waiting and not rate:
            parts.append(f"the broker does not answer ({producer.trouble})")
        return Text(", ".join(parts), no_wrap=True, overflow="ellipsis")


def _report(
    producer: "LineProducer", outgoing: Outgoing, *, seconds: float, stopped: bool, args: argparse.Namespace
) -> None:
    """Say what became of the lines, as JSON or to a person."""
    errors = stderr_console()
    if not args.quiet:
        for damage in outgoing.damage:
            say(errors, f"{damage}; what comes before that was sent", style="red")
        if producer.failed:
            say(errors, f"{counted(producer.failed, 'line')} failed: {producer.failure}", style="red")
        if stopped:
            say(errors, "stopped before the end", style="yellow")
    rate = producer.delivered / seconds if seconds else 0.0
    if wants_json(args):
        counts = {"lines": outgoing.lines, "delivered": producer.delivered, "failed": producer.failed}
        figures = {"bytes": outgoing.size_bytes, "seconds": round(seconds, 3), "frames_per_s": round(rate)}
        print_json({"topic": str(args.address), **counts, **figures})
    elif not args.quiet:
        size, time_taken = format_size(outgoing.size_bytes), rough_duration(seconds)
        text = f"{counted(producer.delivered, 'line')} delivered, {size} in {time_taken}, {rate:,.0f}/s"
        say(stdout_console(), text)
