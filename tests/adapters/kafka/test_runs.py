"""Messages become runs."""

from collections.abc import Sequence

from confluent_kafka import KafkaError, Message
from hypothesis import given
from hypothesis import strategies as st

from millstream.adapters.kafka.runs import follow, runs, without_events

Place = tuple[int, int]


def messages(places: Sequence[Place]) -> list[Message]:
    return [Message(topic="t", partition=p, offset=o, value=b"%d:%d" % (p, o), timestamp=(1, o)) for p, o in places]


def end_of(partition: int, offset: int, code: int = KafkaError._PARTITION_EOF) -> Message:
    return Message(topic="t", partition=partition, offset=offset, error=KafkaError(code))


@st.composite
def arrivals(draw: st.DrawFn) -> list[Place]:
    """Partitions in stretches, offsets that rise, sometimes with holes."""
    at: dict[int, int] = {}
    found: list[Place] = []
    for partition, length in draw(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5)), max_size=12)):
        for step in draw(st.lists(st.sampled_from([1, 1, 1, 1, 3]), min_size=length, max_size=length)):
            at[partition] = at.get(partition, -1) + step
            found.append((partition, at[partition]))
    return found


@given(arrivals(), st.dictionaries(st.integers(0, 3), st.integers(0, 10)))
def test_every_record_of_an_expected_partition_is_in_one_run_in_order(
    places: list[Place], expected: dict[int, int]
) -> None:
    """From the offset that is expected on; and that is moved behind it."""
    wanted = {p: [o for q, o in places if q == p and o >= expected[p]] for p in expected}
    after = dict(expected)

    found = {run.partition: run for run in runs(messages(places), expected=after, end=lambda _: 7)}

    assert {p: list(run.offsets) for p, run in found.items()} == {p: o for p, o in wanted.items() if o}
    assert all(list(run.values) == [b"%d:%d" % (p, o) for o in run.offsets] for p, run in found.items())
    assert all(run.end == max(7, run.offsets[-1] + 1) for run in found.values())
    assert after == {p: wanted[p][-1] + 1 if wanted[p] else expected[p] for p in expected}


def test_offsets_without_a_hole_are_a_range() -> None:
    """Nothing is asked of single messages then."""
    (dense,) = runs(messages([(0, 4), (0, 5), (0, 6)]), expected={0: 0}, end=lambda _: 0)
    (holed,) = runs(messages([(0, 4), (0, 6)]), expected={0: 0}, end=lambda _: 0)

    assert (dense.offsets, holed.offsets) == (range(4, 7), [4, 6])
    assert dense.stamped_s == 0.006


def test_an_end_counts_only_behind_the_last_record() -> None:
    """A partition that went on after its end has not ended."""
    mixed = [*messages([(0, 1)]), end_of(0, 2), end_of(1, 9), *messages([(0, 2)])]

    records, ended = without_events(mixed, trouble=lambda *_: None)

    assert [each.offset() for each in records] == [1, 2]
    assert ended == {1: 9}


def test_other_errors_are_told() -> None:
    """They carry no record."""
    told: list[int] = []

    records, ended = without_events(
        [end_of(0, 2, KafkaError._ALL_BROKERS_DOWN)], trouble=lambda error, _: told.append(error.code())
    )

    assert (records, ended, told) == ([], {}, [KafkaError._ALL_BROKERS_DOWN])


def test_records_that_jump_or_step_back_do_not_follow() -> None:
    """Those of a partition that nobody expects do not matter where they begin."""
    assert follow(messages([(0, 3), (1, 8), (0, 4)]), expected={0: 3})
    assert not follow(messages([(0, 4)]), expected={0: 3})
    assert not follow(messages([(0, 3), (0, 3)]), expected={0: 3})
