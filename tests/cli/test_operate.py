"""The verbs with which an operator steps in: what they change, what they refuse, and that the engine hears of it."""

import asyncio
import json
from collections.abc import Callable

import pytest

from millstream.adapters.lock import StateLock
from millstream.adapters.sqlite import SqliteLedger
from millstream.core.lifecycle import State
from millstream.core.model import Retry
from millstream.core.queries import ReadBatches, ReadEvents, ReadMeta
from millstream.core.rows import BatchRow
from millstream.errors import NotAllowedError, UnknownBatchError

Run = Callable[..., int]
Capture = pytest.CaptureFixture[str]


def printed(capsys: Capture) -> dict[str, object]:
    """The one JSON document on standard output."""
    document = json.loads(capsys.readouterr().out)
    assert isinstance(document, dict)
    return document


def batch(mill, batch_id: str) -> BatchRow:
    """The batch as the ledger sees it now."""
    (row,) = mill.read(ReadBatches(batch_id=batch_id))
    return row


def bury(mill, batch_id: str) -> None:
    """Make a bucket of one file that is dead."""
    mill.plan(batch_id, f"/in/{batch_id}")
    mill.finish(mill.claim("nightly", minute=1), minute=2, outcome=Retry(error="ValueError: x"), bury=True)


# --- dead, retry ------------------------------------------------------------------------------------------------------


def test_dead_lists_dead_batches_with_their_errors(mill, run: Run, capsys: Capture) -> None:
    """Only the dead ones, as `status` shows them."""
    bury(mill, "nightly-a")
    mill.plan("nightly-b", "/in/b")

    code = run("dead")

    (row,) = printed(capsys)["batches"]
    assert code == 0
    assert (row["id"], row["state"], row["error"], row["attempts"]) == ("nightly-a", "dead", "ValueError: x", 1)


def test_retry_makes_a_dead_batch_ready_again(mill, run: Run, capsys: Capture) -> None:
    """It has fresh retries, and its events say who did it and when."""
    bury(mill, "nightly-a")

    code = run("retry", "nightly-a")

    (event,) = mill.read(ReadEvents(batch_id="nightly-a"))
    assert code == 0
    assert printed(capsys) == {"changed": 1, "batch": "nightly-a"}
    assert (batch(mill, "nightly-a").state, batch(mill, "nightly-a").failures) == (State.READY, 0)
    assert event.what == "revived"
    assert mill.at(5) <= event.at < mill.at(6)


def test_retry_dead_makes_all_of_them_ready(mill, run: Run, capsys: Capture) -> None:
    """With --dead every dead batch is tried again, and nothing else is touched."""
    bury(mill, "nightly-a")
    bury(mill, "nightly-b")
    mill.open("clicks-1", minute=4)

    run("retry", "--dead")

    assert printed(capsys) == {"changed": 2, "batch": None}
    assert batch(mill, "nightly-a").state is batch(mill, "nightly-b").state is State.READY
    assert batch(mill, "clicks-1").state is State.OPEN


# --- pause, resume ----------------------------------------------------------------------------------------------------


def test_a_paused_batch_is_held_back_until_resume(mill, run: Run, capsys: Capture) -> None:
    """Pausing twice changes nothing the second time."""
    mill.plan("nightly-a", "/in/a")

    changes = []
    for verb in ("pause", "pause", "resume", "resume"):
        run(verb, "nightly-a")
        changes.append((verb, printed(capsys)["changed"], batch(mill, "nightly-a").paused))

    assert changes == [("pause", 1, True), ("pause", 0, True), ("resume", 1, False), ("resume", 0, False)]


def test_all_work_is_held_back_without_a_batch(mill, run: Run, capsys: Capture) -> None:
    """The switch for everything is apart from the batches' own."""
    run("pause")
    paused = mill.read(ReadMeta(key="paused"))
    run("resume")

    assert (paused, mill.read(ReadMeta(key="paused"))) == ("1", "0")


# --- cancel -----------------------------------------------------------------------------------------------------------


def test_cancel_gives_up_a_batch(mill, run: Run, capsys: Capture) -> None:
    """A batch that is ready is discarded at once, an open one when it closes."""
    mill.plan("nightly-a", "/in/a")
    mill.open("clicks-1", minute=4)

    run("cancel", "nightly-a")
    run("cancel", "clicks-1")

    assert batch(mill, "nightly-a").state is State.DISCARDED
    assert (batch(mill, "clicks-1").state, batch(mill, "clicks-1").cancelled) == (State.OPEN, True)


def test_cancel_all_leaves_the_dead(mill, run: Run, capsys: Capture) -> None:
    """With --all everything that is not at its end is given up."""
    bury(mill, "nightly-a")
    mill.plan("nightly-b", "/in/b")
    mill.open("clicks-1", minute=4)

    run("cancel", "--all")

    assert printed(capsys) == {"changed": 2, "batch": None}
    assert batch(mill, "nightly-a").state is State.DEAD
    assert batch(mill, "nightly-b").state is State.DISCARDED


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "expected"),
    [
        ("retry", "cannot retry a batch that is done; expected one that is dead"),
        ("pause", "cannot pause a batch that is done; expected one that is open or ready or running or waiting"),
        (
            "cancel",
            "cannot cancel a batch that is done; expected one that is open or ready or running or waiting or dead",
        ),
    ],
)
def test_what_the_state_does_not_allow_is_refused(mill, run: Run, verb: str, expected: str) -> None:
    """The error names the batch, its state and the states in which it would have been possible."""
    mill.plan("nightly-a", "/in/a")
    mill.finish(mill.claim("nightly", minute=1), minute=2)

    with pytest.raises(NotAllowedError) as refused:
        run(verb, "nightly-a")
    assert str(refused.value) == f"nightly-a: {expected}"
    assert batch(mill, "nightly-a").state is State.DONE


@pytest.mark.parametrize("verb", ["retry", "pause", "resume", "cancel"])
def test_an_unknown_batch_is_refused(mill, run: Run, verb: str) -> None:
    """A name that no batch has changes nothing."""
    with pytest.raises(UnknownBatchError):
        run(verb, "nightly-a")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["cancel"], "one of the arguments BATCH|MESSAGE_ID --all is required"),
        (["retry"], "one of the arguments BATCH|MESSAGE_ID --dead is required"),
        (["cancel", "nightly-a", "--all"], "argument --all: not allowed with argument BATCH|MESSAGE_ID"),
    ],
)
def test_one_or_all_must_be_said(run: Run, capsys: Capture, words: list[str], problem: str) -> None:
    """Wrong usage names both ways to say which batches are meant."""
    with pytest.raises(SystemExit) as exit_info:
        run(*words)

    assert exit_info.value.code == 2
    assert problem in capsys.readouterr().err


# --- the engine and people --------------------------------------------------------------------------------------------


def test_a_running_engine_hears_the_ring(mill, run: Run) -> None:
    """After a change the ledger's listener in the engine is called, so nobody has to poll."""
    mill.plan("nightly-a", "/in/a")

    async def engine() -> None:
        ledger = SqliteLedger(mill.folder / "ledger.db", synchronous="OFF")
        rung = asyncio.Event()
        stop = ledger.listen(rung.set)
        await asyncio.to_thread(run, "pause", "nightly-a")
        await asyncio.wait_for(rung.wait(), timeout=10)
        stop()
        await ledger.close()

    asyncio.run(engine())


def test_a_terminal_gets_a_line(mill, run_in_terminal: Run, capsys: Capture) -> None:
    """A person is told what is so now, and whether an engine is there to act on it."""
    mill.plan("nightly-a", "/in/a")
    hint = "no engine is running on this state folder; it counts when one is started"

    run_in_terminal("pause", "nightly-a")
    assert capsys.readouterr().out.splitlines() == ["nightly-a: paused", hint]

    lock = StateLock(mill.folder)
    run_in_terminal("pause", "nightly-a")
    assert capsys.readouterr().out.splitlines() == ["nightly-a: paused already"]

    run_in_terminal("pause")
    run_in_terminal("cancel", "--all")
    run_in_terminal("resume", "nightly-a", quiet=True)
    lock.release()
    assert capsys.readouterr().out.splitlines() == ["all work: paused", "1 batch: cancelled"]


def test_a_terminal_gets_a_table_of_the_dead(mill, run_in_terminal: Run, capsys: Capture) -> None:
    """With what can be done about them; or that there are none."""
    run_in_terminal("dead")
    assert capsys.readouterr().out == "no dead batches\n"

    bury(mill, "nightly-a")
    run_in_terminal("dead")
    _, row, advice = capsys.readouterr().out.splitlines()
    assert row.split() == ["nightly-a", "dead", "1", "1", "kB", "ended", "12:02:00", "1", "ValueError:", "x"]
    assert advice == "`millstream explain BATCH` says more, `millstream retry BATCH` tries again"
