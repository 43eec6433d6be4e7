"""Stage 2: when windows close, what is written, and what a successor makes of it."""

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from counting.live.stages import CALENDAR, MINUTE, NOW_S, Now
from millstream.counting.live.identity import frames_identity
from millstream.counting.live.merger import Merger, MergerSettings
from millstream.counting.live.partial import Report, pack
from millstream.counting.live.status import CONTROL_KEY, read_status
from millstream.counting.model import ALL_SIZES, Delta, Result, Size, Totals
from millstream.counting.windows.windows import Emit
from millstream.errors import (
    CountStateError,
    DeltaRecordError,
    DeltasLostError,
    FencedError,
    IdentityError,
)
from millstream.testing.framelog_broker import MemoryBroker
from millstream.testing.framelog_memory import MemoryDeltaLog

RULES = frames_identity(calendar=CALENDAR, lateness_s=5, grace_s=60)


class Stage:
    """A merger on a log in memory, and the workers' side of its topics."""

    def __init__(self, *, partitions: int = 1, **settings) -> None:
        self.broker = MemoryBroker(partitions=partitions)
        self.now = Now()
        self.settings = settings
        self.merger = self.successor()

    def successor(self, **settings) -> Merger:
        """Another merger, with the same settings unless others are named; the one before is thought dead."""
        self.broker.expire_merger()
        self.merger = Merger(
            MemoryDeltaLog(self.broker),
            settings=MergerSettings(group="g", input="in", **{"emit": Emit.ONTIME, **self.settings, **settings}),
            calendar=CALENDAR,
            now=self.now,
        )
        return self.merger

    def report(
        self,
        watermark: int | None,
        *deltas: Delta,
        partition: int = 0,
        idle_s: float | None = None,
        frames: int = 0,
        identity: str = RULES,
    ) -> None:
        """A worker reports; `watermark` counts from MINUTE."""
        report = Report(
            partition=partition,
            first=0,
            to=10,
            end=10,
            watermark=None if watermark is None else MINUTE + watermark,
            caught_up=True,
            idle_until_s=None if idle_s is None else self.now.s + idle_s,
            silent_since_s=self.now.s,
            at_s=self.now.s,
            totals=(frames, 0, 0, 0, 0),
        )
        for payload in pack(report, deltas=deltas, identity=identity):
            self.broker.deltas[partition].append(payload)

    def step(self, seconds: float = 1.0) -> list[str]:
        """Let time pass and take a step; returns what was put out, as `minute+0 ontime 2`."""
        before = len(self.broker.committed_results())
        self.now.s += seconds
        self.merger.step(0)
        return [told(value) for _, value in self.broker.committed_results()[before:]]


def users(minute: int, *names: int, counted: int = ALL_SIZES, late: int = 0) -> Delta:
    """A delta of the minute that starts so many seconds after MINUTE."""
    array = np.array(names, dtype=np.uint64)
    return Delta(minute=MINUTE + minute, users=array, frames=len(names), counted=counted, late=late)


def told(value: bytes) -> str:
    result = msgspec.json.decode(value, type=Result)
    return f"{result.by}{result.start - MINUTE:+} {result.status} {result.users}"


def minutes(results: Sequence[str]) -> list[str]:
    return [result for result in results if result.startswith("minute")]


# --- when windows close ---------------------------------------------------------------------------------------------


def test_a_minute_is_put_out_when_the_watermark_passes_its_end():
    """First as ontime, with each change after that, and as final when its grace is over."""
    stage = Stage()
    stage.report(30, users(0, 1, 2))
    open_still = stage.step()
    stage.report(60)
    ended = stage.step()
    stage.report(70, users(0, 2, 3, late=Size.MINUTE.bit))
    changed = stage.step()
    stage.report(120)
    final = stage.step()

    assert (open_still, ended) == ([], ["minute+0 ontime 2"])
    assert (changed, final) == (["minute+0 update 3"], ["minute+0 final 3"])


def test_the_slowest_partition_decides():
    """The watermark is the lowest of all."""
    stage = Stage(partitions=2)
    stage.report(90, users(0, 1))
    stage.report(30, users(0, 2), partition=1)
    waiting = stage.step()
    stage.report(60, partition=1)

    assert waiting == []
    assert stage.step() == ["minute+0 ontime 2"]
    assert stage.merger.watermark == MINUTE + 60


def test_a_partition_that_never_reported_holds_everything():
    """Nothing is known of its frames."""
    stage = Stage(partitions=2)
    stage.report(90, users(0, 1))

    assert stage.step() == []
    assert stage.merger.watermark is None


def test_a_partition_that_was_added_a_moment_ago_holds_everything():
    """The frames that would end a minute may have been written after it was added, and beside others of that minute."""
    stage = Stage()
    stage.report(30, users(0, 1))
    stage.step()
    stage.broker.add_partition()
    stage.report(400)
    waiting = stage.step()
    stage.report(400, users(0, 2), partition=1)

    assert waiting == []
    assert minutes(stage.step()) == ["minute+0 final 2"]


def test_a_partition_that_is_added_while_all_others_are_silent_holds_everything():
    """Silence ends what is open only where nobody may still have something to tell."""
    stage = Stage()
    stage.report(30, users(0, 1))
    stage.step()
    stage.broker.add_partition()
    stage.report(30, idle_s=15)
    waiting = stage.step()
    stage.report(30, users(0, 2), partition=1, idle_s=15)

    assert waiting == []
    assert minutes(stage.step()) == ["minute+0 ontime 2"]


def test_nothing_ends_while_nobody_says_how_many_partitions_there_are():
    """It waits, and goes on when there is an answer."""
    stage = Stage()
    stage.report(30, users(0, 1))
    stage.step()
    log = stage.merger._log
    look, log.look = log.look, lambda: False
    stage.report(60)
    waiting = stage.step()
    log.look = look

    assert waiting == []
    assert stage.step() == ["minute+0 ontime 1"]


def test_a_partition_without_a_clock_holds_everything():
    """It has reported, but too few frames."""
    stage = Stage(partitions=2)
    stage.report(90, users(0, 1))
    stage.report(None, partition=1)

    assert stage.step() == []


def test_an_idle_partition_holds_nothing_while_it_promises():
    """When the promise ends without being renewed, the partition counts again."""
    stage = Stage(partitions=2)
    stage.report(30, users(0, 1))
    stage.report(None, partition=1, idle_s=15)
    stage.report(60)
    promised = stage.step()
    stage.now.s += 15
    stage.report(120, users(60, 1))
    broken = stage.step()
    stage.report(None, partition=1, idle_s=15)

    assert promised == ["minute+0 ontime 1"]
    assert broken == []
    assert minutes(stage.step()) == ["minute+0 final 1", "minute+60 ontime 1"]


def test_the_watermark_of_a_partition_that_comes_back_moves_nothing_back():
    """Its frames are counted while their minute is not final, and refused after."""
    stage = Stage(partitions=2)
    stage.report(130, users(0, 1), users(60, 1))
    stage.report(None, partition=1, idle_s=15)
    stage.step()
    stage.report(65, users(0, 7), users(60, 8), partition=1)

    assert stage.step() == ["minute+60 update 2"]
    assert stage.merger.watermark == MINUTE + 130
    assert stage.merger.refused == 1


def test_silence_puts_out_what_is_open_and_closes_nothing():
    """When all partitions are idle, the open windows are told once, and stay open."""
    stage = Stage(partitions=2)
    stage.report(30, users(0, 1), idle_s=15)
    stage.report(None, partition=1, idle_s=15)
    silent = stage.step()
    again = stage.step()
    stage.report(40, users(0, 2))
    stage.report(60)

    assert minutes(silent) == ["minute+0 ontime 1"]
    assert len(silent) == 6
    assert again == []
    assert minutes(stage.step()) == ["minute+0 update 2"]


def test_a_partition_that_is_added_holds_the_watermark_at_once():
    """It has to report before anything closes."""
    stage = Stage()
    stage.report(30, users(0, 1))
    stage.step()
    stage.broker.add_partition()
    stage.report(60)
    waiting = stage.step()
    stage.report(None, partition=1, idle_s=15)

    assert waiting == []
    assert stage.step() == ["minute+0 ontime 1"]


# --- when something is written --------------------------------------------------------------------------------------


def test_results_wait_for_no_more_than_a_moment():
    """A window that ended is put out at once, other news now and then."""
    stage = Stage(commit_every_s=0.25, urgent_every_s=0.05)
    stage.report(30, users(0, 1))
    stage.step()
    commits = stage.broker.state.end
    stage.report(40, users(0, 2))
    stage.step(0.1)
    nothing = stage.broker.state.end == commits
    stage.report(60)

    assert nothing
    assert stage.step(0.1) == ["minute+0 ontime 2"]


def test_nothing_is_written_when_nothing_came():
    """No transaction while there is nothing to say."""
    stage = Stage()
    stage.report(30, users(0, 1))
    stage.step()
    end = stage.broker.state.end
    for _ in range(5):
        stage.step()

    assert stage.broker.state.end == end


def test_early_results_are_for_frames_of_now():
    """A replay of history puts out none; frames of the last hour do."""
    history, live = Stage(emit=Emit.EARLY), Stage(emit=Emit.EARLY)
    history.report(30, users(0, 1))
    live.now.s = MINUTE + 40.0
    live.report(30, users(0, 1))

    assert history.step() == []
    assert minutes(live.step()) == ["minute+0 early 1"]


def test_reading_starts_again_at_the_first_delta_of_a_minute_that_may_change():
    """Until that minute is final."""
    stage = Stage()
    for watermark, delta in ((30, users(0, 1)), (60, users(60, 1)), (70, users(60, 2))):
        stage.report(watermark, delta)
    stage.step()
    first = dict(stage.broker.merged)
    stage.report(120)
    stage.step()

    assert first == {0: 0}
    assert stage.broker.merged == {0: 1}


def test_totals_are_those_of_all_partitions():
    """Since the count began, also after a restart."""
    stage = Stage(partitions=2)
    stage.report(30, users(0, 1), frames=5)
    stage.report(30, users(0, 1), frames=7, partition=1)
    stage.step()
    stage.successor()
    stage.report(40, frames=1)
    stage.step()

    assert stage.merger.totals == Totals(frames=13)


# --- a successor ----------------------------------------------------------------------------------------------------


def test_a_successor_goes_on_as_if_nothing_had_happened():
    """Users of open minutes come from the deltas, everything else from the state; revisions go on."""
    stage = Stage()
    stage.report(30, users(0, 1, 2))
    stage.report(65, users(60, 3))
    stage.step()
    stage.successor()
    stage.report(70, users(0, 2, 9, late=Size.MINUTE.bit))
    changed = stage.step()
    stage.report(120)

    assert changed == ["minute+0 update 3"]
    assert stage.step() == ["minute+0 final 3", "minute+60 ontime 1"]
    results = [msgspec.json.decode(value, type=Result) for _, value in stage.broker.committed_results()]
    assert [(result.revision, result.frames, result.late) for result in results if result.start == MINUTE] == [
        (1, 2, 0),
        (2, 4, 2),
        (3, 4, 2),
    ]


def test_nothing_closes_before_the_replay_is_over():
    """A new watermark of one partition waits for what another one has to replay."""
    stage = Stage(partitions=2)
    stage.report(30, users(0, 1))
    stage.report(50, users(0, 2), partition=1)
    stage.step()
    stage.successor()
    stage.report(60)
    stage.report(60, partition=1)
    of_one_partition_after_the_other = iter([2, 0, 0, 2])
    stage.merger._log._batch = lambda available: min(available, next(of_one_partition_after_the_other))
    waiting, replayed = stage.step(), stage.merger.replayed

    assert (waiting, replayed) == ([], False)
    assert stage.step() == ["minute+0 ontime 2"]


def test_a_successor_waits_while_another_is_at_work():
    """It does nothing, and takes over when the other is closed."""
    stage = Stage()
    stage.report(30, users(0, 1))
    stage.step()
    standby = Merger(
        MemoryDeltaLog(stage.broker),
        settings=MergerSettings(group="g", input="in", emit=Emit.ONTIME),
        calendar=CALENDAR,
        now=stage.now,
    )
    waiting = standby.step(0)
    stage.merger.close()

    assert (waiting, standby.active) == (False, False)
    assert standby.step(0)
    assert standby.active


def test_a_merger_that_was_superseded_ends():
    """It writes nothing more."""
    stage = Stage()
    stage.report(30, users(0, 1))
    old = stage.merger
    stage.step()
    stage.successor().step(0)
    stage.report(60)
    stage.now.s += 1

    with pytest.raises(FencedError):
        old.step(0)

    assert stage.step() == ["minute+0 ontime 1"]


def test_after_an_abort_it_starts_again():
    """From what is committed, and says nothing twice."""
    stage = Stage()
    stage.report(30, users(0, 1))
    stage.step()
    stage.report(60, users(0, 2))
    stage.broker.refuse = 1
    refused = stage.step()

    assert (refused, stage.merger.active, stage.merger.aborts) == ([], False, 1)
    assert stage.step() == ["minute+0 ontime 2"]


def test_aborts_in_a_row_are_borne():
    """Each time it starts again, and none of them reaches the caller."""
    stage = Stage()
    stage.report(60, users(0, 1))
    stage.broker.refuse = 3
    refused = [stage.step() for _ in range(3)]

    assert refused == [[], [], []]
    assert stage.step() == ["minute+0 ontime 1"]
    assert stage.merger.aborts == 3


# --- what cannot go on ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"grace_s": 30}, "grace 60 s before"),
        ({"lateness_s": 9}, "lateness 5 s"),
        ({"sizes": Size.MINUTE.bit}, "by was"),
        ({"exact": True}, "exact was no, is yes"),
    ],
)
def test_state_of_other_settings_is_refused(setting: dict, said: str):
    """Sets that were made by other rules are never joined; the message says what differs."""
    stage = Stage()
    stage.report(65, users(0, 1))
    stage.step()
    stage.successor(**setting)

    with pytest.raises(IdentityError, match=said):
        stage.step()


def test_a_delta_of_other_settings_is_refused():
    """A worker with another grace does not spoil the count."""
    stage = Stage()
    stage.report(30, users(0, 1), identity="hash of another kind")

    with pytest.raises(IdentityError, match="hash of another kind there"):
        stage.step()

    assert stage.broker.committed_results() == []


def test_a_damaged_delta_is_refused():
    """The message names its place."""
    stage = Stage()
    stage.broker.deltas[0].append(b"?")

    with pytest.raises(DeltaRecordError, match="partition 0, offset 0"):
        stage.step()


def test_deltas_that_retention_took_are_missed():
    """A merger that was away too long says so instead of counting less."""
    stage = Stage()
    stage.report(30, users(0, 1))
    stage.report(40, users(0, 2))
    stage.step()
    stage.successor()
    stage.broker.deltas[0].trim(1)
    stage.report(50, users(0, 3))

    with pytest.raises(DeltasLostError, match="offset 0, the first that is left is 1"):
        stage.step()


def test_state_that_is_gone_is_missed():
    """Positions without state are no fresh start."""
    stage = Stage()
    stage.report(130, users(0, 1))
    stage.step()
    stage.broker.state.trim(stage.broker.state.end)
    stage.successor()

    with pytest.raises(CountStateError, match="nothing, though deltas were counted already"):
        stage.step()


@pytest.mark.parametrize("value", [b"", b"{}", b'{"version":99}'])
def test_a_damaged_record_of_the_merger_is_refused(value: bytes):
    """So is one of another version."""
    stage = Stage()
    stage.report(30, users(0, 1))
    stage.step()
    stage.broker.state.append(value, key=CONTROL_KEY)
    stage.successor()

    with pytest.raises(CountStateError, match="a merger of version 1"):
        stage.step()


# --- what can be asked from outside ---------------------------------------------------------------------------------


def test_the_state_tells_how_the_count_stands():
    """Partitions, watermark, open windows, the last final ones, totals: all of one commit."""
    stage = Stage(partitions=2)
    stage.report(125, users(0, 1), users(60, 1, 2), users(120, 5), frames=4)
    stage.report(122, partition=1)
    stage.step()

    state = {entry.key: entry.value for entry in stage.broker.state.committed() if entry.value is not None}
    status = read_status(state, now_s=stage.now.s)

    assert status is not None
    assert status.control.watermark == MINUTE + 122
    assert status.held_by == 1
    assert list(status.closed) == [f"minute:{MINUTE}"]
    assert [one.window.start - MINUTE for one in status.open if one.window.by is Size.MINUTE] == [60, 120]
    assert status.totals == Totals(frames=4)
    assert status.control.at_s > NOW_S


def test_nothing_stands_before_the_first_commit():
    """There is no status yet."""
    assert read_status({}, now_s=NOW_S) is None
