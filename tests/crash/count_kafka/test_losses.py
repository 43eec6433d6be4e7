"""Frames that are not counted where they belong: each is told in the summary, and a copy is kept with its reason."""

import json
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("confluent_kafka")

from confluent_kafka import Message

from crash.count_kafka.site import Site
from crash.count_kafka.traffic import START_S, frame
from crash.killing import wait_until
from servers.kafka import Kafka

pytestmark = pytest.mark.slow

MALFORMED = [b'{"uid":"a","ts":', b"", b'{"uid":"a"}', b'{"uid":"a","ts":1468244340000}', b"\xff\xfe"]
FLIPPED = frame("a", START_S | 1 << 31)
"""Beyond today: given up at once."""
AHEAD = frame("a", START_S + 10 * 86_400)
"""Might be believed if others followed: given up ten thousand frames later, in the next block."""
OLD = frame("a", START_S + 30)
"""Late after a minute and a half, dropped after more than two."""
FRAMES = 14_000


def mixed() -> list[bytes]:
    """Ordered frames, a hundred for a second, with a few of each kind in between."""
    values = [frame(f"u{number % 100}", START_S + number // 100) for number in range(FRAMES)]
    values[13_500:13_500] = [OLD, *MALFORMED, OLD]
    values[9_000:9_000] = [OLD] * 3
    values[1_500:1_500] = [AHEAD, FLIPPED, FLIPPED]
    return values


def kind_of(message: Message) -> tuple[str, bytes | None]:
    """The word of the reason, and the bytes."""
    return headers_of(message)["reason"].partition(":")[0], message.value()


def headers_of(message: Message) -> dict[str, str]:
    return {name: value.decode() for name, value in message.headers() or []}


def count(site: Site, *words: str, frames: int) -> dict:
    """Count until so many frames are committed, and end; returns the summary."""
    with site.start("--summary", "summary.json", "--idle", "2s", *words, plain=True) as counting:
        wait_until(lambda: site.committed() == frames, timeout_s=60, what="all frames")
        assert counting.stop() == 0
    return json.loads((site.folder / "summary.json").read_text())


def test_every_frame_that_is_left_out_has_a_copy(kafka: Kafka, tmp_path: Path) -> None:
    """Raw bytes, reason, topic, partition and offset; those that waited for the clock, too."""
    values = mixed()
    with Site(tmp_path, kafka, partitions=1) as site:
        site.send({0: values})
        summary = count(site, frames=len(values))
        letters = kafka.read(f"{site.group}-rejects")

    by_kind = Counter(kind_of(letter) for letter in letters)
    for letter in letters:
        headers = headers_of(letter)
        assert (headers["topic"], headers["partition"]) == (site.topic, "0")
        assert letter.value() == values[int(headers["offset"])]
    assert by_kind[("quarantined", FLIPPED)] == 2
    assert by_kind[("quarantined", AHEAD)] == 1
    assert by_kind[("dropped", OLD)] == 2
    assert sum(number for (_, value), number in by_kind.items() if value in MALFORMED) == len(MALFORMED)
    assert len(letters) == 2 + 1 + 2 + len(MALFORMED)
    lost = {"rejected": len(MALFORMED), "quarantined": 3, "dropped": 2}
    assert {name: summary[name] for name in lost} == lost
    assert summary["frames"] == len(values)
    assert summary["late"] == 3
    assert summary["error_rate"] == pytest.approx(sum(lost.values()) / len(values))


def test_copies_can_be_switched_off(kafka: Kafka, tmp_path: Path) -> None:
    """The counts are the same; the topic holds nothing."""
    values = [*[frame("a", START_S + number) for number in range(100)], *MALFORMED, FLIPPED]
    with Site(tmp_path, kafka, partitions=1) as site:
        site.send({0: values})
        summary = count(site, "--rejects", "off", frames=len(values))
        topics = kafka.admin().list_topics(timeout=10).topics
        letters = kafka.read(f"{site.group}-rejects") if f"{site.group}-rejects" in topics else []

    assert (summary["rejected"], summary["quarantined"]) == (len(MALFORMED), 1)
    assert letters == []
