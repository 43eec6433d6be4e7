"""What every sink must do, as pytest tests: a sink of yours is right when a subclass of `SinkSuite` passes.

    class TestMySink(SinkSuite):
        promises = Promises(whole=True, once=True)

        @contextmanager
        def outlet(self):
            with my_table() as table:
                yield table                              # an `Outlet`

What is promised differs: a queue shows records before the chunk is committed, and may show them again. The suite needs
pytest. For asserts that show their values, call `pytest.register_assert_rewrite("millstream.testing.sink_suite")` in a
`conftest.py`.
"""

# ruff: noqa: S101 - a suite asserts

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import pytest

from millstream.errors import FencedError
from millstream.ports.sink import ChunkWriter, Publication, Published, Sink

MESSAGE_ID = "0123-abc"
RECORDS = 1_200
BLOCK = 500


class Outlet(Protocol):
    """One file, queue or topic, new and empty."""

    def sink(self) -> Sink:
        """A sink on it, as a new process would make it; the suite closes it."""
        ...

    def seen(self, committed: Sequence[Published]) -> list[bytes]:
        """The records, without newlines, that consumers see just now; `committed` are what the ledger knows of."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Promises:
    """`whole`: nothing of a chunk is seen unless it was committed. `once`: it is seen once, whatever a zombie does."""

    whole: bool
    once: bool


def publication(seq: int = 0, *, attempt: int = 1, records: int = RECORDS) -> Publication:
    """An attempt on chunk `seq`, which has so many records."""
    return Publication(
        batch_id=f"{MESSAGE_ID}-{seq:06d}",
        message_id=MESSAGE_ID,
        seq=seq,
        fence=attempt,
        attempt=attempt,
        first_record=seq * records,
    )


def record_id(number: int) -> str:
    """The id of a record."""
    return f"{MESSAGE_ID}:{number}"


def blocks(numbers: Sequence[int], *, size: int = BLOCK) -> Iterator[tuple[bytes, list[int]]]:
    """Records with these numbers, of different lengths, `size` at a time."""
    for start in range(0, len(numbers), size):
        some = list(numbers[start : start + size])
        lines = [json.dumps({"_id": record_id(each), "text": 'a "b"\n' * (each % 50)}) + "\n" for each in some]
        yield "".join(lines).encode(), some


def numbers_of(chunk: Publication, *, records: int = RECORDS) -> list[int]:
    """The numbers of its records; every tenth one was rejected."""
    return [each for each in range(chunk.first_record, chunk.first_record + records) if each % 10]


def write(writer: ChunkWriter, chunk: Publication, *, records: int = RECORDS) -> None:
    """Write all records of a chunk."""
    for lines, numbers in blocks(numbers_of(chunk, records=records)):
        writer.write(lines, numbers=numbers)


def publish(sink: Sink, chunk: Publication, *, records: int = RECORDS) -> Published:
    """Publish a chunk as a worker does."""
    writer = sink.open(chunk)
    if isinstance(writer, Published):
        return writer
    write(writer, chunk, records=records)
    return writer.commit()


def begun(sink: Sink, chunk: Publication) -> ChunkWriter:
    """A writer that has written all records of a chunk, and not committed them."""
    writer = sink.open(chunk)
    assert not isinstance(writer, Published)
    write(writer, chunk)
    return writer


def expected(*chunks: Publication, records: int = RECORDS) -> list[str]:
    """The ids of all records of chunks, sorted."""
    return sorted(record_id(each) for chunk in chunks for each in numbers_of(chunk, records=records))


def ids(seen: Sequence[bytes]) -> list[str]:
    """The ids of records, sorted; each must be JSON."""
    return sorted(json.loads(record)["_id"] for record in seen)


class SinkSuite:
    """The conformance suite of ports.Sink; override `promises` and `outlet`."""

    promises: Promises

    def outlet(self) -> AbstractContextManager[Outlet]:
        """A new outlet."""
        raise NotImplementedError

    @pytest.fixture
    def place(self) -> Iterator[Outlet]:
        """The outlet of one test."""
        with self.outlet() as place:
            yield place

    @pytest.fixture
    def sink(self, place: Outlet) -> Iterator[Sink]:
        """A sink on it."""
        sink = place.sink()
        yield sink
        sink.close()

    @pytest.fixture
    def other(self, place: Outlet) -> Iterator[Sink]:
        """A sink of another process on it."""
        sink = place.sink()
        yield sink
        sink.close()

    def test_a_chunk_that_was_committed_is_seen_whole(self, place: Outlet, sink: Sink) -> None:
        """Each record is there once, as the bytes that were written."""
        chunk = publication()
        lines = b"".join(data for data, _ in blocks(numbers_of(chunk))).splitlines()

        done = publish(sink, chunk)

        assert sorted(place.seen([done])) == sorted(lines)
        assert done.out_bytes >= sum(map(len, lines))

    def test_chunks_of_one_ingestion_are_apart(self, place: Outlet, sink: Sink) -> None:
        """What is promised of one chunk holds beside others, in whatever order they are published."""
        chunks = [publication(seq) for seq in (2, 0, 1)]

        done = {chunk.seq: publish(sink, chunk) for chunk in chunks}

        assert ids(place.seen([done[seq] for seq in sorted(done)])) == expected(*chunks)

    def test_a_chunk_without_records_can_be_committed(self, place: Outlet, sink: Sink) -> None:
        """All of its records may have been rejected."""
        writer = sink.open(publication())
        assert not isinstance(writer, Published)

        done = writer.commit()

        assert place.seen([done]) == []
        assert done.out_bytes == 0

    def test_several_threads_share_a_sink(self, place: Outlet, sink: Sink) -> None:
        """The threads of a worker host publish at the same time."""
        chunks = [publication(seq) for seq in range(4)]
        done: dict[int, Published] = {}

        def work(chunk: Publication) -> None:
            done[chunk.seq] = publish(sink, chunk)

        threads = [threading.Thread(target=work, args=(chunk,)) for chunk in chunks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert ids(place.seen([done[seq] for seq in sorted(done)])) == expected(*chunks)

    def test_nothing_is_seen_before_the_commit(self, place: Outlet, sink: Sink) -> None:
        """A chunk appears as a whole, where that is promised; elsewhere nothing but its own records does."""
        chunk = publication()
        writer = begun(sink, chunk)

        seen = ids(place.seen([]))
        assert set(seen) <= set(expected(chunk))
        assert seen == [] or not self.promises.whole
        writer.abort()

    def test_what_was_aborted_is_not_seen(self, place: Outlet, sink: Sink) -> None:
        """Nothing of an attempt that was given up stays, where that is promised; the next attempt can publish it."""
        chunk = publication()
        begun(sink, chunk).abort()
        if self.promises.whole:
            assert place.seen([]) == []

        done = publish(sink, publication(attempt=2))

        seen = ids(place.seen([done]))
        assert sorted(set(seen)) == expected(chunk)
        assert seen == expected(chunk) or not self.promises.once

    def test_aborting_does_nothing_after_the_commit(self, place: Outlet, sink: Sink) -> None:
        """Nor when it was aborted before."""
        chunk = publication()
        given_up = begun(sink, chunk)
        given_up.abort()
        given_up.abort()
        writer = begun(sink, publication(attempt=2))
        done = writer.commit()
        writer.abort()

        assert set(ids(place.seen([done]))) == set(expected(chunk))

    def test_an_attempt_that_nobody_heard_of_is_found_again(self, place: Outlet, sink: Sink, other: Sink) -> None:
        """When a worker dies after its commit, the next one publishes the same ids: none is lost, none new."""
        chunk = publication()
        publish(sink, chunk)

        done = publish(other, publication(attempt=2))

        seen = ids(place.seen([done]))
        assert sorted(set(seen)) == expected(chunk)
        assert seen == expected(chunk) or not self.promises.once

    def test_an_attempt_that_never_ended_is_taken_over(self, place: Outlet, sink: Sink, other: Sink) -> None:
        """When a worker dies in the middle, its successor does not wait for it."""
        chunk = publication()
        begun(sink, chunk)

        done = publish(other, publication(attempt=2))

        seen = ids(place.seen([done]))
        assert sorted(set(seen)) == expected(chunk)
        assert seen == expected(chunk) or not self.promises.once

    def test_a_zombie_publishes_nothing(self, place: Outlet, sink: Sink, other: Sink) -> None:
        """A writer that wakes after its successor has published is refused, where that is promised."""
        chunk = publication()
        zombie = begun(sink, chunk)
        done = publish(other, publication(attempt=2))

        if self.promises.once:
            with pytest.raises(FencedError):
                zombie.commit()
        else:
            zombie.commit()

        seen = ids(place.seen([done]))
        assert sorted(set(seen)) == expected(chunk)
        assert seen == expected(chunk) or not self.promises.once

    def test_a_zombie_publishes_nothing_while_its_successor_works(self, place: Outlet, sink: Sink, other: Sink) -> None:
        """Nor does it harm the successor when it wakes in the middle of that."""
        chunk = publication()
        zombie = begun(sink, chunk)
        successor = begun(other, publication(attempt=2))

        if self.promises.once:
            with pytest.raises(FencedError):
                zombie.commit()
        else:
            zombie.commit()
        done = successor.commit()

        seen = ids(place.seen([done]))
        assert sorted(set(seen)) == expected(chunk)
        assert seen == expected(chunk) or not self.promises.once

    def test_a_long_record_arrives(self, place: Outlet, sink: Sink) -> None:
        """A record that is longer than the others by far is published like them."""
        line = json.dumps({"_id": record_id(0), "text": "x" * 900_000}).encode() + b"\n"
        writer = sink.open(publication())
        assert not isinstance(writer, Published)

        writer.write(line, numbers=range(1))
        done = writer.commit()

        assert place.seen([done]) == [line.rstrip(b"\n")]

    def test_a_sink_says_whether_it_can_be_used(self, sink: Sink) -> None:
        """`check` raises nothing when all is well, and `close` can be called at any time."""
        sink.check()
        sink.close()
        sink.close()

        assert sink.address
