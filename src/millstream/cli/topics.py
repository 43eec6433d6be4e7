"""The verb `topics`: make, list and delete Kafka topics."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from millstream.cli.arguments import Verbs, add_command, add_verb, argument
from millstream.cli.output import counted, make_table, print_json, say, stderr_console, stdout_console, wants_json
from millstream.core.address import parse_address, parse_cluster
from millstream.core.exits import Exit
from millstream.core.moment import Edge
from millstream.core.units import parse_count
from millstream.errors import InvalidValueError, UnknownTopicError

if TYPE_CHECKING:
    from millstream.adapters.kafka.admin import Cluster, Topic

_TOPIC = "kafka://HOST:PORT/TOPIC"


def add_parser(verbs: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Register `topics create|list|delete`; `parents` hold the options that all commands have."""
    parser = add_verb(
        verbs,
        name="topics",
        example="millstream topics create kafka://localhost:9092/user-tracker --partitions 4",
    )
    steps = parser.add_subparsers(title="what to do", metavar="create|list|delete", required=True)
    _add_create(steps, parents=parents)
    _add_list(steps, parents=parents)
    _add_delete(steps, parents=parents)


def _add_create(steps: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    parser = add_command(
        steps,
        name="create",
        summary="Make a topic; what is not given is as the cluster has it by default.",
        example="millstream topics create kafka://localhost:9092/clicks --partitions 4 --config retention.ms=86400000",
        parents=parents,
    )
    add = parser.add_argument
    add("address", metavar=_TOPIC, type=argument(parse_address))
    add("--partitions", metavar="N", type=argument(parse_count), help="how many can read it side by side")
    add("--replication-factor", metavar="N", type=argument(parse_count), help="on how many brokers each record is kept")
    add(
        "--config",
        metavar="KEY=VALUE",
        type=argument(_setting),
        action="append",
        default=[],
        help="a setting of the topic in Kafka's own words, such as retention.ms=86400000; may be repeated",
    )
    add("--if-missing", action="store_true", help="no error if there is one already, which is left as it is")
    parser.set_defaults(run=_create)


def _add_list(steps: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    parser = add_command(
        steps,
        name="list",
        summary="List topics with their partitions and records.",
        example="millstream topics list kafka://localhost:9092",
        parents=parents,
    )
    parser.add_argument(
        "address",
        metavar="kafka://HOST:PORT[/TOPIC]",
        type=argument(parse_cluster),
        help="one topic, or all; records are offsets in use: marks of transactions count, and compacted records too",
    )
    parser.add_argument("--all", action="store_true", help="those of Kafka's own, too")
    parser.set_defaults(run=_list)


def _add_delete(steps: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    parser = add_command(
        steps,
        name="delete",
        summary="Delete topics with all of their records, without asking.",
        example="millstream topics delete kafka://localhost:9092/user-tracker",
        parents=parents,
    )
    parser.add_argument("addresses", metavar=_TOPIC, nargs="+", type=argument(parse_address))
    parser.set_defaults(run=_delete)


def _setting(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise InvalidValueError(name="config", expected="KEY=VALUE such as retention.ms=86400000", found=text)
    return key.strip(), value.strip()


def _cluster(brokers: str) -> "Cluster":
    from millstream.adapters.kafka.admin import Cluster  # noqa: PLC0415 - an optional extra

    return Cluster(brokers)


def _create(args: argparse.Namespace) -> int:
    topic = _cluster(args.address.brokers).create(
        args.address.topic,
        partitions=args.partitions,
        replication_factor=args.replication_factor,
        config=dict(args.config),
        may_exist=args.if_missing,
    )
    if wants_json(args):
        print_json(_document(topic))
    elif not args.quiet:
        say(stdout_console(), f"{args.address} has {counted(topic.partitions, 'partition')}")
    return Exit.DONE


def _list(args: argparse.Namespace) -> int:
    brokers, wanted = args.address
    cluster = _cluster(brokers)
    topics = cluster.topics()
    if wanted is not None and wanted not in topics:
        raise UnknownTopicError(brokers=brokers, topic=wanted)
    shown = [topic for topic in topics.values() if topic.name == wanted or (not wanted and _is_shown(topic, args))]
    records = _records(cluster, shown)
    if wants_json(args):
        for topic in shown:
            print_json({**_document(topic), "records": records[topic.name]})
        return Exit.DONE
    if not shown:
        say(stderr_console(), f"kafka://{brokers} has no topics yet")
        return Exit.DONE
    table = make_table("partitions", "replicas", "records", "topic", numbers=("partitions", "replicas", "records"))
    for topic in shown:
        table.add_row(f"{topic.partitions:,}", f"{topic.replication_factor:,}", f"{records[topic.name]:,}", topic.name)
    stdout_console().print(table)
    return Exit.DONE


def _is_shown(topic: "Topic", args: argparse.Namespace) -> bool:
    return args.all or not topic.internal


def _records(cluster: "Cluster", topics: Sequence["Topic"]) -> dict[str, int]:
    """How many offsets lie between the begin and the end of each topic."""
    counts = {topic.name: topic.partitions for topic in topics}
    first, end = cluster.offsets(counts, Edge.EARLIEST), cluster.offsets(counts, Edge.LATEST)
    return {name: sum(end[name].values()) - sum(first[name].values()) for name in counts}


def _document(topic: "Topic") -> dict[str, object]:
    return {
        "topic": topic.name,
        "partitions": topic.partitions,
        "replication_factor": topic.replication_factor,
    }


def _delete(args: argparse.Namespace) -> int:
    brokers = {address.brokers for address in args.addresses}
    if len(brokers) > 1:
        raise InvalidValueError(name="address", expected="topics of one cluster", found=", ".join(sorted(brokers)))
    cluster = _cluster(*brokers)
    names = list(dict.fromkeys(address.topic for address in args.addresses))
    cluster.delete(names)
    if wants_json(args):
        for name in names:
            print_json({"topic": name, "deleted": True})
    elif not args.quiet:
        say(stdout_console(), f"deleted {', '.join(names)}")
    return Exit.DONE
