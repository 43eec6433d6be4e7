"""The verb `reset`: set where a consumer group reads on.

Theory of operation: for any group, positions in the input are all there is. A group of `millstream count` also keeps
what it counted so far, in topics and positions of its own; `--all` deletes these first and moves the input last, so a
reset that was cut short is finished by another one.
"""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from millstream.cli.arguments import Verbs, add_verb, argument
from millstream.cli.output import make_table, print_json, say, stderr_console, stdout_console, wants_json
from millstream.core.address import TopicAddress, is_kafka, parse_address, parse_brokers, parse_topic
from millstream.core.exits import Exit
from millstream.core.moment import parse_start
from millstream.errors import InvalidValueError

if TYPE_CHECKING:
    from millstream.adapters.kafka.admin import Cluster
    from millstream.adapters.kafka.connection import Connection

_GROUP = "millstream-count"
_BROKER = "localhost:9092"


def add_parser(verbs: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Register `reset`."""
    parser = add_verb(
        verbs,
        name="reset",
        example="millstream reset kafka://localhost:9092/user-tracker --to earliest --all\n"
        "  millstream reset --group loaders --topic clicks --to 2025-07-20T12:00:00Z --broker localhost:9092\n\n"
        "a group of `millstream count` also keeps the windows that it counted so far. To count again from elsewhere,\n"
        "reset it with --all, which deletes its topics GROUP-deltas and GROUP-state. Results and dead letters that\n"
        "were written stay; `millstream topics delete` deletes them.",
        parents=parents,
    )
    add = parser.add_argument
    add(
        "address",
        metavar="kafka://HOST:PORT/TOPIC",
        nargs="?",
        type=argument(parse_address),
        help="or --topic and --broker",
    )
    add("--topic", metavar="T", help="the topic, if no address is given")
    add("--broker", metavar="HOST:PORT", type=argument(parse_brokers), help=f"default: {_BROKER}")
    add("--group", metavar="G", default=_GROUP, help="default: %(default)s")
    add(
        "--to",
        metavar="earliest|latest|TIME",
        required=True,
        type=argument(parse_start),
        help="the first record, the end, or the first one written at that time or later, such as 2025-07-20T12:00:00Z",
    )
    add("--all", action="store_true", help="forget what `millstream count` counted under that group, too")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from millstream.adapters.kafka.admin import Cluster  # noqa: PLC0415 - an optional extra
    from millstream.adapters.kafka.connection import Connection  # noqa: PLC0415

    address = _address(args)
    connection = Connection(brokers=address.brokers, topic=address.topic, group=args.group)
    cluster = Cluster(address.brokers)
    topic = cluster.topic(address.topic)
    for group in (connection.group, connection.lead) if args.all else (connection.group,):
        cluster.check_idle(group)
    offsets = cluster.offsets({topic.name: topic.partitions}, args.to)[topic.name]
    deleted = _forget(cluster, connection) if args.all else []
    cluster.reset(connection.group, topic.name, offsets)
    _report(connection, offsets, deleted=deleted, keeps=_kept(cluster, connection), args=args)
    return Exit.DONE


def _address(args: argparse.Namespace) -> TopicAddress:
    """The topic, from whichever of the options name it."""
    if args.address is not None:
        if args.topic is not None or args.broker is not None:
            raise InvalidValueError(
                name="topic", expected="an address or --topic and --broker, not both", found=args.topic
            )
        return args.address  # type: ignore[no-any-return]
    if args.topic is None:
        raise InvalidValueError(name="topic", expected="kafka://HOST:PORT/TOPIC, or --topic T", found=None)
    if is_kafka(args.topic):
        return parse_address(args.topic, name="topic")
    return TopicAddress(brokers=args.broker or _BROKER, topic=parse_topic(args.topic))


def _own_topics(connection: "Connection") -> list[str]:
    return [connection.deltas, connection.state]


def _kept(cluster: "Cluster", connection: "Connection") -> list[str]:
    """The topics of the group that are there."""
    there = cluster.topics()
    return [name for name in _own_topics(connection) if name in there]


def _forget(cluster: "Cluster", connection: "Connection") -> list[str]:
    """Delete what the group counted so far."""
    names = _kept(cluster, connection)
    if names:
        cluster.delete(names)
    cluster.forget(connection.merger)
    return names


def _report(
    connection: "Connection",
    offsets: dict[int, int],
    *,
    deleted: Sequence[str],
    keeps: Sequence[str],
    args: argparse.Namespace,
) -> None:
    if wants_json(args):
        places = [{"partition": partition, "offset": offset} for partition, offset in sorted(offsets.items())]
        document = {"group": connection.group, "topic": connection.topic, "positions": places, "deleted": list(deleted)}
        print_json(document)
    elif not args.quiet:
        console = stdout_console()
        table = make_table("partition", "offset", numbers=("partition", "offset"))
        for partition, offset in sorted(offsets.items()):
            table.add_row(f"{partition:,}", f"{offset:,}")
        console.print(table)
        gone = f"; deleted {' and '.join(deleted)}" if deleted else ""
        say(console, f"{connection.group} reads {connection.topic} from there on{gone}")
    if keeps and not args.quiet:
        advice = (
            f"it keeps {' and '.join(keeps)}: windows that it closed stay closed, and frames that it reads again count "
            "again; with --all it starts from nothing"
        )
        say(stderr_console(), advice, style="yellow")
