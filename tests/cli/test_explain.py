"""The verb `explain`: reads the case from the ledger and tells it."""

import json
from collections.abc import Callable

import pytest

from millstream.adapters.lock import StateLock
from millstream.core.model import AttemptResult, CutReason, Eviction, FileRef, Retry
from millstream.core.operations import Evict, Finish, SetMeta, SetPaused, TakeOver
from millstream.core.terms import TERMS, Terms, dump_terms
from millstream.errors import UnknownBatchError

Run = Callable[..., int]
Capture = pytest.CaptureFixture[str]


def explained(capsys: Capture) -> tuple[str, str, list[str]]:
    """Name, state and reasons of the document on standard output."""
    document = json.loads(capsys.readouterr().out)
    assert list(document) == ["id", "state", "because"]
    return document["id"], document["state"], document["because"]


def test_an_open_minibatch_is_explained(mill, run: Run, capsys: Capture) -> None:
    """The sentence of the documentation, and that no engine is there to close it."""
    mill.open("clicks-1", minute=4, records=3)

    code = run("explain", "clicks-1")

    assert code == 0
    assert explained(capsys) == (
        "clicks-1",
        "open",
        [
            "open since 12:04:00, closes at 12:09:00 by time; 3 records",
            "no engine is running on this state folder; its deadline stays what it is",
        ],
    )


def test_the_queue_is_counted_in_the_order_of_claims(mill, run: Run, capsys: Capture) -> None:
    """Costlier buckets come first, then older ones; paused ones and those of other pipelines do not count."""
    for name, cost_s in (("older", 1.0), ("own", 1.0), ("newer", 1.0), ("costly", 2.0), ("cheap", 0.5), ("held", 9.0)):
        mill.plan(name, f"/in/{name}", cost_s=cost_s)
    mill.apply(SetPaused(batch_id="held", paused=True, at=mill.at(0)))
    mill.open("clicks-1", minute=0)
    mill.close("clicks-1", minute=1, cut=CutReason.COUNT)
    mill.apply(SetMeta(key=TERMS, value=dump_terms({"nightly": Terms(workers=1, retries=5)})))
    lock = StateLock(mill.folder)

    run("explain", "own")
    lock.release()

    assert explained(capsys)[2] == [
        "planned at 12:00:00, 1 file; waits for a worker",
        "before it in the queue: 2 ready batches of nightly",
    ]
    assert [mill.claim("nightly", minute=2).id for _ in range(3)] == ["costly", "older", "own"]


def test_a_pipeline_that_the_engine_does_not_have_is_told(mill, run: Run, capsys: Capture) -> None:
    """An engine that runs other pipelines does not help this batch."""
    mill.open("clicks-1", minute=4)
    mill.apply(SetMeta(key=TERMS, value=dump_terms({"nightly": Terms(workers=10, retries=5)})))
    lock = StateLock(mill.folder)

    run("explain", "clicks-1")
    lock.release()

    assert explained(capsys)[2][1] == (
        "the engine that is running does not work on pipeline clicks; its deadline stays what it is"
    )


def test_what_a_dead_engine_left_is_explained(mill, run: Run, capsys: Capture) -> None:
    """After a take-over the lost attempt is told beside the state."""
    mill.plan("nightly-a", "/in/a")
    mill.claim("nightly", minute=1)
    mill.apply(TakeOver(at=mill.at(2)))

    run("explain", "nightly-a")

    assert explained(capsys)[1:] == (
        "ready",
        [
            "planned at 12:00:00, 1 file",
            "no engine is running on this state folder; the next one to run nightly works it",
            "attempt 1 was lost at 12:02:00: the engine ended while it was worked",
        ],
    )


def test_a_paused_state_folder_is_explained(mill, run: Run, capsys: Capture) -> None:
    """That all work is held back is told of each batch, with the time."""
    mill.open("clicks-1", minute=4)
    mill.apply(SetPaused(batch_id=None, paused=True, at=mill.at(3)))

    run("explain", "clicks-1")

    held = "held back: all work was paused by an operator at 12:03:00; `millstream resume` lets it go"
    assert held in explained(capsys)[2]


def test_a_worked_file_is_explained(mill, run: Run, capsys: Capture) -> None:
    """What became of the file, and then the story of its bucket."""
    mill.plan("nightly-a", "/in/a", "/in/b")
    mill.finish(mill.claim("nightly", minute=1), minute=2, checksums={"/in/a": "ab" * 32})

    run("explain", "/in/a")

    assert explained(capsys) == (
        "/in/a",
        "done",
        [
            f"nightly: the version seen at 12:00:00 (1 kB) was worked in bucket nightly-a, SHA-256 {'ab' * 32}",
            "nightly-a: done at 12:02:00 by attempt 1, which took 2s; 2 files",
            "nightly-a: that was 2m after it was planned",
        ],
    )


def test_a_changed_file_is_explained(mill, run: Run, capsys: Capture) -> None:
    """Both versions are told, and the bucket of the newer one."""
    mill.plan("nightly-a", "/in/a", "/in/b")
    job = mill.claim("nightly", minute=1)
    listed = job.files[0]
    current = FileRef(path=listed.path, size_bytes=2_000, mtime_ns=2, inode=listed.inode)
    eviction = Eviction(listed=listed, current=current)
    mill.apply(Evict(batch_id=job.id, fence=job.fence, evictions=(eviction,), at=mill.at(2), not_before=mill.at(60)))

    run("explain", "/in/a")

    name, state, because = explained(capsys)
    assert (name, state) == ("/in/a", "planned")
    assert because[0].endswith("(1 kB) had changed before it was worked, and a newer version took its place")
    assert "the version seen at 12:02:00 (2 kB) is in bucket nightly-" in because[1]
    assert because[2].endswith(": its file had changed and is given time to settle; first attempt at 13:00:00")
    assert because[-1].endswith("at 12:02:00: /in/a changed before it was worked (1000-1-0 -> 2000-2-0)")


@pytest.mark.parametrize("name", ["clicks-2", "/in/missing"])
def test_an_unknown_name_is_refused(mill, run: Run, name: str) -> None:
    """What is neither a batch nor a file cannot be explained."""
    with pytest.raises(UnknownBatchError):
        run("explain", name)


def test_a_terminal_gets_lines(mill, run_in_terminal: Run, capsys: Capture) -> None:
    """A person gets the name with the state and a line for each reason, nothing of which can harm a terminal."""
    mill.open("clicks-1", minute=0)
    mill.close("clicks-1", minute=5)
    job = mill.claim("clicks", minute=5)
    result = AttemptResult(outcome=Retry(error="bad \x1b[31m\nthing"))
    mill.apply(Finish(batch_id=job.id, fence=job.fence, at=mill.at(5), result=result, bury=True))

    run_in_terminal("explain", "clicks-1")

    assert capsys.readouterr().out.splitlines() == [
        "clicks-1: dead",
        r"  dead since 12:05:00 after 1 attempt: bad \x1b[31m\nthing; 3 records",
        "  `millstream retry clicks-1` makes it ready again, `millstream cancel clicks-1` gives it up",
        r"  attempt 1 failed at 12:05:00: bad \x1b[31m\nthing",
    ]
