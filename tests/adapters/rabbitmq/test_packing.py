"""Records become the same messages on every attempt, whole and in order."""

from hypothesis import given
from hypothesis import strategies as st

from millstream.adapters.rabbitmq.packing import Packed, Packer

Block = tuple[bytes, list[int]]


def packed(blocks: list[Block], *, target_bytes: int) -> list[Packed]:
    """All messages of blocks of records."""
    packer = Packer(target_bytes=target_bytes)
    return [*(each for lines, numbers in blocks for each in packer.add(lines, numbers=numbers)), *packer.finish()]


@st.composite
def records(draw: st.DrawFn) -> list[tuple[bytes, int]]:
    """Records with rising numbers."""
    bodies = draw(st.lists(st.integers(0, 60).map(lambda size: b"x" * size), max_size=40))
    steps = draw(st.lists(st.integers(1, 3), min_size=len(bodies), max_size=len(bodies)))
    numbers = [sum(steps[: place + 1]) for place in range(len(steps))]
    return list(zip(bodies, numbers, strict=True))


@st.composite
def cut(draw: st.DrawFn, some: list[tuple[bytes, int]]) -> list[Block]:
    """The same records in blocks."""
    places = sorted(draw(st.lists(st.integers(0, len(some)), max_size=5)))
    groups = [some[start:end] for start, end in zip([0, *places], [*places, len(some)], strict=True)]
    return [(b"".join(body + b"\n" for body, _ in group), [number for _, number in group]) for group in groups]


@given(st.data(), records(), st.integers(1, 100))
def test_messages_depend_on_the_records_alone(
    data: st.DataObject, some: list[tuple[bytes, int]], target_bytes: int
) -> None:
    """However the records come in blocks, the messages are the same; put together they are the records."""
    one = packed(data.draw(cut(some)), target_bytes=target_bytes)
    other = packed(data.draw(cut(some)), target_bytes=target_bytes)

    assert one == other
    assert b"".join(each.body for each in one) == b"".join(body + b"\n" for body, _ in some)
    assert sum(each.records for each in one) == len(some)


@given(st.data(), records(), st.integers(1, 100))
def test_messages_are_full_and_say_their_numbers(
    data: st.DataObject, some: list[tuple[bytes, int]], target_bytes: int
) -> None:
    """A message is within the target unless it is one record, and the next record would not have fitted in."""
    messages = packed(data.draw(cut(some)), target_bytes=target_bytes)
    numbers, place = [number for _, number in some], 0

    for message in messages:
        assert len(message.body) <= target_bytes or message.records == 1
        assert (message.first, message.last) == (numbers[place], numbers[place + message.records - 1])
        place += message.records
        if place < len(some):
            assert len(message.body) + len(some[place][0]) + 1 > target_bytes


@given(st.data(), records())
def test_one_record_per_message_has_no_newline(data: st.DataObject, some: list[tuple[bytes, int]]) -> None:
    """Each record is a message of its own, as it is."""
    messages = packed(data.draw(cut(some)), target_bytes=0)

    assert [(each.body, each.first, each.last) for each in messages] == [
        (body, number, number) for body, number in some
    ]
