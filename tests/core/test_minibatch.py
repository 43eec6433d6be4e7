"""Cutting a stream: nothing lost, nothing doubled, every limit held, every deadline kept."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from millstream.core.minibatch import Closed, Cutter, Grown, Limits, Opened, OpenMinibatch, Step
from millstream.core.model import CutReason


@dataclass
class Cut:
    """A minibatch as an observer of the steps sees it."""

    key: str | None
    opened_at: float
    closes_at: float | None
    records: list[bytes] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)
    reason: CutReason | None = None
    closed_at: float | None = None


def observe(steps: list[Step], open_ones: dict[str | None, Cut], done: list[Cut]) -> None:
    for step in steps:
        match step:
            case Opened():
                assert step.key not in open_ones
                open_ones[step.key] = Cut(step.key, step.at, step.closes_at)
            case Grown():
                records = step.data.split(b"\n")[:-1]
                assert len(records) == step.records > 0
                open_ones[step.key].records += records
                open_ones[step.key].arrivals += [step.at] * step.records
            case Closed():
                cut = open_ones.pop(step.key)
                cut.reason, cut.closed_at = step.reason, step.at
                done.append(cut)


def block(records: list[bytes]) -> bytes:
    return b"".join(record + b"\n" for record in records)


limits = st.builds(
    Limits,
    window_s=st.none() | st.floats(0.5, 20),
    max_count=st.none() | st.integers(1, 7),
    max_bytes=st.none() | st.integers(1, 40),
    idle_gap_s=st.none() | st.floats(0.5, 5),
    max_keys=st.integers(1, 3),
)
records = st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\n", b"x")), min_size=1, max_size=12)
arrivals = st.lists(st.tuples(st.floats(0, 6), st.sampled_from([None, "a", "b", "c"]), records), max_size=12)


@given(limits, arrivals)
def test_every_record_is_in_exactly_one_minibatch_in_order(limits: Limits, arrivals):
    """Whatever the limits, the minibatches of a key re-join to what arrived for that key."""
    cutter, now = Cutter(limits), 0.0
    open_ones: dict[str | None, Cut] = {}
    done: list[Cut] = []
    sent: dict[str | None, list[bytes]] = {}
    for gap, key, batch in arrivals:
        now += gap
        sent.setdefault(key, []).extend(batch)
        observe(cutter.take(block(batch), count=len(batch), at=now, key=key), open_ones, done)
        assert len(open_ones) == len(cutter) <= limits.max_keys
    observe(cutter.finish(CutReason.END, now=now), open_ones, done)

    assert not open_ones
    for key, expected in sent.items():
        assert [record for cut in done if cut.key == key for record in cut.records] == expected


@given(limits, arrivals)
def test_limits_hold_and_reasons_are_true(limits: Limits, arrivals):
    """No minibatch exceeds a limit, and each reason is the one that really applied."""
    cutter, now = Cutter(limits), 0.0
    open_ones: dict[str | None, Cut] = {}
    done: list[Cut] = []
    for gap, key, batch in arrivals:
        now += gap
        observe(cutter.take(block(batch), count=len(batch), at=now, key=key), open_ones, done)
    observe(cutter.finish(CutReason.DRAIN, now=now), open_ones, done)

    for cut in done:
        size = len(block(cut.records))
        assert cut.records
        assert limits.max_count is None or len(cut.records) <= limits.max_count
        assert limits.max_bytes is None or size <= limits.max_bytes or len(cut.records) == 1
        if limits.window_s is not None:
            assert cut.closes_at == cut.opened_at + limits.window_s
            assert all(cut.opened_at <= at < cut.closes_at for at in cut.arrivals)
        match cut.reason:
            case CutReason.TIME:
                assert cut.closed_at == cut.closes_at
            case CutReason.IDLE:
                assert limits.idle_gap_s is not None
                assert cut.closed_at == cut.arrivals[-1] + limits.idle_gap_s
            case CutReason.COUNT:
                assert len(cut.records) == limits.max_count


@given(limits, arrivals, st.integers(0, 12))
def test_a_restored_minibatch_goes_on_as_if_nothing_had_happened(limits: Limits, arrivals, crash_after):
    """Cutting with a restart in the middle gives the same minibatches as without one."""

    def cut(*, restart_after: int | None) -> list[tuple]:
        cutter, now = Cutter(limits), 0.0
        open_ones: dict[str | None, Cut] = {}
        done: list[Cut] = []
        for number, (gap, key, batch) in enumerate(arrivals):
            if number == restart_after:
                fresh = Cutter(limits)
                for one in open_ones.values():
                    fresh.restore(
                        OpenMinibatch(
                            key=one.key,
                            opened_at=one.opened_at,
                            closes_at=one.closes_at,
                            last_at=one.arrivals[-1],
                            records=len(one.records),
                            size_bytes=len(block(one.records)),
                        )
                    )
                cutter = fresh
            now += gap
            observe(cutter.take(block(batch), count=len(batch), at=now, key=key), open_ones, done)
        observe(cutter.finish(CutReason.END, now=now), open_ones, done)
        return sorted((str(c.key), c.opened_at, c.closed_at, c.reason, c.records) for c in done)

    assert cut(restart_after=crash_after) == cut(restart_after=None)


@given(limits, arrivals)
def test_the_short_way_decides_as_the_long_way(limits: Limits, arrivals):
    """Where `grow` takes records, `take` would have done nothing but grow the same minibatch."""
    long_way, short_way, now = Cutter(limits), Cutter(limits), 0.0
    for gap, key, batch in arrivals:
        now += gap
        data = block(batch)
        expected = long_way.take(data, count=len(batch), at=now, key=key)
        steps = short_way.tick(now)
        if short_way.grow(key, count=len(batch), size_bytes=len(data)):
            steps.append(Grown(key, data, len(batch), now))
        else:
            steps += short_way.take(data, count=len(batch), at=now, key=key)

        assert steps == expected


def test_a_minibatch_closes_at_its_deadline_although_nothing_else_arrives():
    """The first message opens it, five minutes later it is closed by time alone."""
    cutter = Cutter(Limits(window_s=300))
    cutter.take(b"one\n", count=1, at=10.0)

    assert cutter.next_due() == 310.0
    assert cutter.tick(309.999) == []
    assert cutter.tick(400.0) == [Closed(key=None, reason=CutReason.TIME, at=310.0)]
    assert cutter.next_due() is None


def test_a_record_at_the_deadline_opens_the_next_minibatch():
    """The window is half open: what arrives when it is due belongs to the next one."""
    cutter = Cutter(Limits(window_s=5))
    cutter.take(b"one\n", count=1, at=0.0)

    steps = cutter.take(b"two\n", count=1, at=5.0)

    assert [type(step) for step in steps] == [Closed, Opened, Grown]


def test_an_idle_gap_is_measured_from_the_last_record():
    """Records that keep coming keep it open until its window ends."""
    cutter = Cutter(Limits(window_s=10, idle_gap_s=3))
    for at in (0.0, 2.0, 4.0):
        cutter.take(b"x\n", count=1, at=at)

    assert cutter.tick(6.9) == []
    assert cutter.tick(7.0) == [Closed(key=None, reason=CutReason.IDLE, at=7.0)]


def test_too_many_keys_close_the_one_that_was_opened_first():
    """The number of open minibatches is bounded, and the reason says why one was cut early."""
    cutter = Cutter(Limits(max_keys=2))
    cutter.take(b"1\n", count=1, at=0.0, key="a")
    cutter.take(b"2\n", count=1, at=1.0, key="b")
    cutter.take(b"3\n", count=1, at=2.0, key="a")

    steps = cutter.take(b"4\n", count=1, at=3.0, key="c")

    assert steps[0] == Closed(key="a", reason=CutReason.KEYS, at=3.0)


def test_a_record_larger_than_the_byte_limit_is_a_minibatch_of_its_own():
    """It is neither lost nor does it drag its neighbours along."""
    cutter = Cutter(Limits(max_bytes=6))
    data = b"ab\n" + b"far too long\n" + b"cd\n"

    steps = cutter.take(data, count=3, at=0.0)

    assert [step.data for step in steps if isinstance(step, Grown)] == [b"ab\n", b"far too long\n", b"cd\n"]
    assert [step.reason for step in steps if isinstance(step, Closed)] == [CutReason.BYTES] * 2
