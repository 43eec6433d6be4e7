"""Chunks become one file: in order, complete, without a repeat or a torn line, whatever happens to the joiner."""

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.child import hear, start
from ingest.joinery import Workshop, join_for_ever, lines_of
from millstream.adapters.partfile import JoinedFolder
from millstream.core.ingestion import Act, Action, OnChange, Spoiled, Status
from millstream.ingest.joining import TRY_AGAIN_S
from millstream.testing.ledger_suite.driver import NOON
from millstream.testing.ledger_suite.ingestion_driver import bury, report

PATIENCE_S = 60.0


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    """A ledger and a folder."""
    shop = Workshop(tmp_path)
    yield shop
    shop.close()


def whole(*seqs: int, message_id: str = "m") -> bytes:
    """The file of these chunks."""
    return b"".join(lines_of(seq, message_id=message_id) for seq in seqs)


def test_the_file_appears_when_it_is_whole(shop: Workshop) -> None:
    """Before that it grows under another name, and only by what stands next."""
    jobs = shop.start(chunks=3)
    with shop.joining() as joiner:
        shop.publish(jobs[2], jobs[0])
        shop.settle(joiner)
        assert shop.names() == ["m.jsonl.part"]
        assert (shop.out / "m.jsonl.part").read_bytes() == whole(0)
        shop.publish(jobs[1])
        shop.settle(joiner)

    assert shop.names() == ["m.jsonl"]
    assert (shop.out / "m.jsonl").read_bytes() == whole(0, 1, 2)
    assert shop.unfinished() == []
    assert (shop.files.row().status, shop.files.row().out_bytes) == (Status.SUCCEEDED, len(whole(0, 1, 2)))


def test_a_version_that_was_replaced_leaves_no_file(shop: Workshop) -> None:
    """What was joined of a file that changed is given up for the next version's; so nobody takes it for the whole."""
    jobs = shop.start(chunks=3, on_change=OnChange.RESTART)
    with shop.joining() as joiner:
        shop.publish(jobs[0])
        shop.settle(joiner)
        assert shop.names() == ["m.jsonl.part"]
        shop.publish(jobs[1])
        shop.driver.do(report(jobs[2], Spoiled(reason="the file changed", changed=True)))
        assert shop.files.row().ended_at is None  # a chunk of it is not joined yet
        shop.settle(joiner)

    assert (shop.files.row().status, shop.files.row().successor) == (Status.PARTIAL, "m-v2")
    assert shop.names() == []
    assert shop.unfinished() == []
    assert shop.told == []


def test_a_file_without_chunks_is_an_empty_file(shop: Workshop) -> None:
    """It appears all the same, also if nobody joined when it ended."""
    shop.start("early", chunks=0)
    with shop.joining() as joiner:
        shop.settle(joiner)
        assert shop.names() == ["early.jsonl"]
    shop.start("late", chunks=0)
    (shop.folder / "mark").unlink()
    shop.join()

    assert shop.names() == ["early.jsonl", "late.jsonl"]
    assert (shop.out / "late.jsonl").read_bytes() == b""


def test_what_is_taken_away_does_not_come_back(shop: Workshop) -> None:
    """A file that its owner removed is not made again by the next joiner."""
    shop.publish(*shop.start(chunks=1))
    shop.join()
    (shop.out / "m.jsonl").unlink()

    shop.join()

    assert shop.names() == []
    assert shop.told == []


def test_several_files_grow_side_by_side(shop: Workshop) -> None:
    """Each gets its own chunks."""
    jobs = {name: shop.start(name, chunks=2) for name in ("a", "b")}
    shop.publish(jobs["b"][0], jobs["a"][1], jobs["b"][1], jobs["a"][0])

    shop.join()

    for name in ("a", "b"):
        assert (shop.out / f"{name}.jsonl").read_bytes() == whole(0, 1, message_id=name)


def test_what_the_ledger_does_not_know_is_cut_off(shop: Workshop) -> None:
    """A joiner that died while it wrote, or before it told the ledger, leaves no torn line and no repeat."""
    jobs = shop.start(chunks=3)
    shop.publish(jobs[0])
    shop.join()
    done = shop.publish(jobs[1])
    dying = JoinedFolder(shop.out)
    dying.append("m", receipts=[done[0].receipt], at=len(whole(0)))
    dying.close()
    with (shop.out / "m.jsonl.part").open("ab") as file:
        file.write(b'{"_id":"m:2.')
    shop.publish(jobs[2])

    shop.join()

    assert (shop.out / "m.jsonl").read_bytes() == whole(0, 1, 2)


def test_a_name_that_was_not_given_is_given_by_the_next_one(shop: Workshop) -> None:
    """A joiner may die when the ledger knows that all is joined, and the file has not got its name yet."""
    shop.publish(*shop.start(chunks=1))
    shop.join()
    (shop.out / "m.jsonl").rename(shop.out / "m.jsonl.part")
    (shop.folder / "mark").unlink()

    shop.join()

    assert shop.names() == ["m.jsonl"]


@pytest.mark.parametrize("damage", ["missing", "short", "flipped"])
def test_a_damaged_part_is_told_and_made_again(shop: Workshop, damage: str) -> None:
    """What stands before it is joined, other files are not held up, and its chunk is worked once more."""
    jobs, others = shop.start(chunks=3), shop.start("other", chunks=1)
    parts = shop.publish(*jobs)
    shop.publish(*others)
    part = shop.part(parts[1].receipt)
    good = part.read_bytes()
    with shop.joining() as joiner:
        if damage == "missing":
            part.unlink()
        else:
            part.write_bytes(good[:-1] if damage == "short" else good[:-2] + b"X\n")
        shop.settle(joiner)

        assert shop.names() == ["m.jsonl.part", "other.jsonl"]
        assert (shop.out / "m.jsonl.part").read_bytes() == whole(0)
        reason = shop.files.row().waits_for
        assert reason.startswith(f"output: {part}: expected")
        assert len(shop.told) == 1
        assert shop.rung == 1
        (again,) = shop.reclaim()
        assert (again.id, again.attempt) == (jobs[1].id, 2)
        shop.publish(again)
        shop.clock.advance(TRY_AGAIN_S)
        shop.settle(joiner)

    assert (shop.out / "m.jsonl").read_bytes() == whole(0, 1, 2)
    assert shop.files.row().waits_for == ""


def test_a_file_that_lost_bytes_is_told(shop: Workshop) -> None:
    """Nothing is appended to what is not what the ledger knows."""
    jobs = shop.start(chunks=2)
    shop.publish(jobs[0])
    shop.join()
    (shop.out / "m.jsonl.part").write_bytes(b"")
    shop.publish(jobs[1])

    shop.join()

    assert f"expected {len(whole(0))} bytes, found 0 bytes" in shop.files.row().waits_for
    assert (shop.out / "m.jsonl.part").read_bytes() == b""


def test_a_partial_file_is_whole_and_grows_on_after_a_retry(shop: Workshop) -> None:
    """Its name is taken back while it grows, and what comes later stands at the end."""
    jobs = shop.start(chunks=3)
    shop.publish(jobs[0], jobs[2])
    shop.driver.do(bury(jobs[1]))
    with shop.joining() as joiner:
        shop.settle(joiner)
        assert shop.files.row().status is Status.PARTIAL
        assert shop.names() == ["m.jsonl"]
        assert (shop.out / "m.jsonl").read_bytes() == whole(0, 2)
        shop.driver.do(Act(message_id="m", action=Action.RETRY, at=NOON))
        shop.settle(joiner)
        assert shop.names() == ["m.jsonl.part"]
        shop.publish(*shop.reclaim())
        shop.settle(joiner)

    assert shop.names() == ["m.jsonl"]
    assert (shop.out / "m.jsonl").read_bytes() == whole(0, 2, 1)
    assert shop.files.row().status is Status.SUCCEEDED


def test_an_ingestion_that_failed_leaves_nothing(shop: Workshop) -> None:
    """No record of it was published, so there is no file."""
    jobs = shop.start(chunks=2)
    for job in jobs:
        (shop.out / ".parts" / "m").mkdir(parents=True, exist_ok=True)
        (shop.out / ".parts" / "m" / f"{job.id[-6:]}.1").write_bytes(b"torn")
        shop.driver.do(bury(job))

    shop.join()

    assert shop.files.row().status is Status.FAILED
    assert shop.names() == shop.unfinished() == []


def test_an_ingestion_that_was_cancelled_keeps_what_was_joined(shop: Workshop) -> None:
    """Under the name that says that it is not whole."""
    jobs = shop.start(chunks=3)
    with shop.joining() as joiner:
        shop.publish(jobs[0])
        shop.settle(joiner)
        shop.driver.do(Act(message_id="m", action=Action.CANCEL, at=NOON))
        shop.settle(joiner)

    assert shop.files.row().status is Status.CANCELLED
    assert shop.names() == ["m.jsonl.part"]
    assert (shop.out / "m.jsonl.part").read_bytes() == whole(0)
    assert shop.unfinished() == []


def test_parts_of_dead_attempts_go_with_the_rest(shop: Workshop) -> None:
    """A zombie's part is in nobody's way."""
    jobs = shop.start(chunks=1)
    shop.publish(*jobs)
    (shop.out / ".parts" / "m" / "000000.0").write_bytes(b"of a zombie")

    shop.join()

    assert (shop.out / "m.jsonl").read_bytes() == whole(0)
    assert shop.unfinished() == []


def test_a_folder_has_one_joiner(shop: Workshop) -> None:
    """Another one leaves it alone, says so once, and takes over when the first one is gone."""
    jobs = shop.start(chunks=2)
    first = JoinedFolder(shop.out)
    with shop.joining() as second:
        shop.publish(*jobs)
        shop.settle(second)
        shop.clock.advance(TRY_AGAIN_S)
        shop.settle(second)
        assert shop.names() == []
        assert len(shop.told) == 1
        assert shop.files.row().waits_for == ""
        first.close()
        shop.clock.advance(TRY_AGAIN_S)
        shop.settle(second)

    assert (shop.out / "m.jsonl").read_bytes() == whole(0, 1)


def test_other_sinks_need_no_joiner(shop: Workshop) -> None:
    """A queue's or topic's chunks are where they belong as soon as they are done."""
    jobs = shop.files.start(chunks=1, sink="kafka://localhost:9092/t")
    shop.files.finish(*jobs)

    shop.join()

    assert shop.files.row().status is Status.SUCCEEDED
    assert not shop.out.exists()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_a_joiner_that_is_killed_again_and_again(shop: Workshop, seed: int) -> None:
    """Killed at any moment: in the end the file has every chunk once, in order."""
    chance, chunks = random.Random(seed), 60
    jobs = shop.start(chunks=chunks)
    joiner = None
    kills = 0
    try:
        for job in jobs:
            shop.publish(job, size=2000)
            if joiner is None and chance.random() < 0.5:
                joiner = start(join_for_ever, folder=shop.folder)
                assert hear(joiner) == "joining"
            elif joiner is not None and chance.random() < 0.3:
                time.sleep(chance.random() * 0.02)  # any moment will do
                joiner.send_signal(signal.SIGKILL)
                joiner.communicate()
                joiner, kills = None, kills + 1
        joiner = joiner or start(join_for_ever, folder=shop.folder)
        until = time.monotonic() + PATIENCE_S
        while shop.names() != ["m.jsonl"]:
            assert time.monotonic() < until
            time.sleep(0.05)
    finally:
        if joiner is not None:
            joiner.kill()
            joiner.communicate()

    assert kills > 3
    assert (shop.out / "m.jsonl").read_bytes() == b"".join(lines_of(seq, size=2000) for seq in range(chunks))
    assert shop.files.row().status is Status.SUCCEEDED
