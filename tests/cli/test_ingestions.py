"""The verbs on ingestions and their chunks, in the ledger of a state folder and in a shared one."""

import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from millstream.adapters.postgres import PostgresLedger
from millstream.adapters.sqlite import SqliteLedger
from millstream.cli import main
from millstream.core.ingestion import Explain, PlanReport, Spoiled, Status
from millstream.core.lifecycle import State
from millstream.core.model import Job, Kind, Retry
from millstream.core.operations import DeclarePipeline, SetPaused
from millstream.testing.ledger_suite.driver import NOON, Driver
from millstream.testing.ledger_suite.ingestion_driver import (
    FOUND,
    PIPELINE,
    Ingestions,
    a_chunk,
    accept,
    bury,
    claim_ours,
    planned,
    report,
)
from wiring.grown import new_database

Capture = pytest.CaptureFixture[str]
MESSAGE_ID = "0198a4f2-m"


class Site(Ingestions):
    """A ledger with ingestions, and the command line on it."""

    def __init__(self, ledger: Driver, words: Sequence[str], capsys: Capture) -> None:
        super().__init__(ledger)
        ledger.do(DeclarePipeline(name=PIPELINE, kind=Kind.CHUNK, at=NOON))
        self._words = words
        self._capsys = capsys

    def run(self, *words: str) -> dict[str, Any]:
        """Run a verb; the document that it prints."""
        assert main([*words, *self._words, "--json"]) == 0
        document = json.loads(self._capsys.readouterr().out)
        assert isinstance(document, dict)
        return document

    def refused(self, *words: str) -> str:
        """Run a verb that is refused; the one line that says why."""
        assert main([*words, *self._words]) == 2
        (line,) = self._capsys.readouterr().err.splitlines()
        return line

    def because(self, name: str) -> list[str]:
        """The sentences of `explain`, without times."""
        sentences = self.run("explain", name)["because"]
        return [re.sub(r"(\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d", "T", sentence) for sentence in sentences]

    def draw(self, *words: str) -> list[str]:
        """Run a verb in a terminal; its lines."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {"COLUMNS": "200", "LINES": "50", "TERM": "dumb"}.items():
                patch.setenv(name, value)
            patch.setattr(sys.stdout, "isatty", lambda: True)
            assert main([*words, *self._words]) == 0
        return self._capsys.readouterr().out.splitlines()

    def state(self, batch_id: str) -> State:
        """That of one chunk."""
        return next(row.state for row in self.chunks(MESSAGE_ID) if row.batch_id == batch_id)


@pytest.fixture(params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest, tmp_path: Path, capsys: Capture) -> Iterator[Site]:
    """The same ledger at two places."""
    make: Callable[[], Any]
    if request.param == "sqlite":
        words = ["--state", str(tmp_path)]
        path = tmp_path / "ledger.db"
        make = lambda: SqliteLedger(path, synchronous="OFF")  # noqa: E731 - as the driver takes it
    else:
        url = new_database(request.getfixturevalue("postgres"))
        words = ["--ledger", url]
        make = lambda: PostgresLedger(url)  # noqa: E731 - as above
    driver = Driver(make)
    yield Site(driver, words, capsys)
    driver.close()


def start(site: Site, *, chunks: int = 3, is_last: bool = True) -> list[Job]:
    """An ingestion whose chunks are claimed."""
    return site.start(MESSAGE_ID, chunks=chunks, is_last=is_last, name="people.csv")


# --- looking ----------------------------------------------------------------------------------------------------------


def test_ingestions_are_listed(site: Site) -> None:
    """With their file, their counts and what went wrong; ready chunks are left to them, dead ones are listed."""
    first, second, _ = start(site)
    site.finish(first)
    site.ledger.do(bury(second))
    site.ledger.do(accept("queued", name="later.csv"))

    document = site.run("status")
    screen = site.draw("status")

    (row, queued) = document["ingestions"]
    assert (row["message_id"], row["status"], row["file_name"]) == (MESSAGE_ID, "running", "people.csv")
    assert row["chunks"] == {"planned": 0, "running": 1, "done": 1, "failed": 1}
    assert row["error"] == "chunk 1: it broke"
    assert queued["status"] == "queued"
    assert document["ledger"].startswith(("sqlite:", "postgresql://127.0.0.1"))
    assert "mill" not in document["ledger"].removeprefix("postgresql://").partition("/")[0]
    (line,) = [line for line in screen if line.startswith(f"{MESSAGE_ID} ")]
    assert all(word in line for word in ("running", "1 of 3, 1 failed", "in/people.csv", "chunk 1: it broke"))
    assert any(line.startswith(f"{MESSAGE_ID}-000001 in/people.csv") and "it broke" in line for line in screen)
    assert any(line.startswith("ingest: chunks and plan steps: 1 ready") for line in screen)
    assert not any(line.startswith("queued-plan") for line in screen)


def test_bytes_that_are_done_come_to_the_size_of_the_file(site: Site) -> None:
    """What stands before the first record, such as the names of columns, is done when the first chunk is."""
    site.ledger.do(accept(MESSAGE_ID))
    (step,) = site.ledger.do(claim_ours())
    found = replace(FOUND, size_bytes=14, head=replace(FOUND.head, start=4))
    chunk = replace(a_chunk(0), start=4, end=14)
    site.ledger.do(report(step, PlanReport(found=found, chunks=(chunk,), at=chunk.after, is_last=True)))
    before = site.run("status", MESSAGE_ID)
    site.finish(*site.ledger.do(claim_ours()))
    after = site.run("status", MESSAGE_ID)

    assert (before["bytes_done"], before["size_bytes"]) == (0, 14)
    assert (after["bytes_done"], after["size_bytes"]) == (14, 14)


def test_an_ingestion_is_shown_with_its_chunks(site: Site) -> None:
    """All of them as JSON, those that are not done in a terminal."""
    first, second, _ = start(site)
    site.finish(first)
    site.ledger.do(bury(second))

    document = site.run("status", MESSAGE_ID)
    screen = site.draw("status", MESSAGE_ID)

    assert [(each["chunk"], each["state"], each["start"]) for each in document["chunk_log"]] == [
        (0, "done", 0),
        (1, "dead", 10),
        (2, "running", 20),
    ]
    assert [event["what"] for event in document["events"]][-2:] == ["chunk", "chunk"]
    assert any(line.split()[:5] == ["1", "dead", "10", "to", "20"] for line in screen)
    assert not any(line.split()[1:2] == ["done"] for line in screen)


def test_a_chunk_is_shown_with_its_file_and_range(site: Site) -> None:
    """So that whoever looks at a batch need not look for its ingestion."""
    _, second, _ = start(site)

    document = site.run("status", second.id)
    screen = site.draw("status", second.id)

    assert document["file"] == "in/people.csv"
    assert (document["chunk"]["start"], document["chunk"]["end"], document["chunk"]["first_record"]) == (10, 20, 2)
    assert any(line.startswith(f"{second.id} in/people.csv") for line in screen)
    assert any("10 to 20" in line for line in screen)


# --- explaining -------------------------------------------------------------------------------------------------------


def test_a_running_ingestion_is_explained(site: Site) -> None:
    """How far it is, what it waits for, which chunk failed and when it is tried again, and what it does."""
    first, second, third = start(site, is_last=False)
    site.finish(first)
    site.ledger.do(bury(second))
    site.ledger.do(report(third, None, outcome=Retry(error="no route")))
    site.ledger.do(Explain(message_id=MESSAGE_ID, reason="out: the disk is full", at=NOON))

    progress, waits, absence, retry, dead, hint, what = site.because(MESSAGE_ID)

    assert progress == (
        "running since T: 1 of 3 chunks done, 1 failed; 2 records published; planned up to byte 30 of 1,000"
    )
    assert waits == "waits for: out: the disk is full"
    assert absence.startswith("no ")
    assert absence.endswith("the next one that works files goes on with it")
    assert retry == f"{third.id} failed in attempt 1: no route; next attempt as soon as it can be claimed"
    assert dead == f"{second.id} is dead: it broke"
    assert hint == f"`millstream retry {MESSAGE_ID}` works again what is dead"
    assert what == "it reads in/people.csv, 1 kB, and publishes to out"


def test_the_statuses_of_ingestions_are_explained(site: Site) -> None:
    """Accepted, queued, joining, succeeded, paused, replaced: each has words of its own."""
    site.ledger.do(accept("a", is_queued=False))
    site.ledger.do(accept("q"))
    assert site.because("a")[0] == "accepted at T; its request is on its way to a worker"
    assert site.because("q")[0] == "accepted at T; the first look at its file waits for a worker"
    site.run("cancel", "q")

    site.finish(*start(site))
    assert site.because(MESSAGE_ID)[0] == (
        "running since T: all chunks are worked; their records are being joined into one file, which has 0 B so far"
    )
    site.join(message_id=MESSAGE_ID, at=NOON + 2)
    assert site.because(MESSAGE_ID)[:1] == ["succeeded at T, after 2s: 3 of 3 chunks done; 6 records published"]

    site.start("p")
    site.run("pause", "p")
    paused = site.because("p")
    assert paused[0].startswith("paused: 0 of 3 chunks done, 3 being worked")
    assert paused[0].endswith("; `millstream resume p` lets it go")


def test_an_ingestion_that_failed_is_explained(site: Site) -> None:
    """A file that cannot be read says why, and names its plan step."""
    site.ledger.do(accept(MESSAGE_ID))
    (step,) = site.ledger.do(claim_ours())
    site.ledger.do(report(step, Spoiled(reason="no such file")))

    failed, reason, *_, what = site.because(MESSAGE_ID)

    assert failed.startswith("failed at T")
    assert "no such file" in reason
    assert what == "it reads in/data.csv, and publishes to out"


def test_a_chunk_is_explained(site: Site) -> None:
    """Its attempt, as that of any batch, then its file, its bytes and its records."""
    first, second, _ = start(site)
    site.finish(first)
    site.ledger.do(bury(second))

    done, dead = site.because(first.id), site.because(second.id)

    assert done[0] == "done at T by attempt 1, which took 500ms; 2 records"
    assert done[1:] == [
        "that was 0s after it was planned",
        f"chunk 0 of in/people.csv: bytes 0 to 10, records 0 to 1, for ingestion {MESSAGE_ID}, which is running",
        "2 records of it were published",
    ]
    assert dead[:2] == [
        "dead since T after 1 attempt: it broke; 2 records",
        f"`millstream retry {second.id}` makes it ready again, `millstream cancel {second.id}` gives it up",
    ]
    assert dead[-1].startswith("chunk 1 of in/people.csv: bytes 10 to 20, records 2 to 3")


def test_a_plan_step_is_explained(site: Site) -> None:
    """It looks for chunks, from where the last one ended."""
    site.ledger.do(accept(MESSAGE_ID))
    (step,) = site.ledger.do(claim_ours())
    site.ledger.do(report(step, planned(2, is_last=False)))

    because = site.because(f"{MESSAGE_ID}-plan-000002")

    assert because[0].startswith("planned at T, a plan step")
    assert because[-1] == (
        f"it looks for chunks in in/data.csv from byte 20 on, for ingestion {MESSAGE_ID}, which is running"
    )


# --- acting -----------------------------------------------------------------------------------------------------------


def test_dead_chunks_are_listed_with_their_file(site: Site) -> None:
    """Which is what a person knows of them."""
    _, second, _ = start(site)
    site.ledger.do(bury(second))

    (row,) = site.run("dead")["batches"]
    screen = site.draw("dead")

    assert (row["id"], row["file"], row["error"]) == (second.id, "in/people.csv", "it broke")
    assert screen[1].startswith(f"{second.id} in/people.csv")


def test_an_ingestion_is_worked_again(site: Site) -> None:
    """All that is dead of it, and nothing when nothing is."""
    first, second, third = start(site)
    site.finish(first)
    site.ledger.do(bury(second))
    site.ledger.do(bury(third))

    document = site.run("retry", MESSAGE_ID)

    assert document == {"changed": 1, "ingestion": MESSAGE_ID, "status": "running"}
    assert site.states(MESSAGE_ID) == [State.DONE, State.READY, State.READY]
    assert "cannot retry an ingestion that is running; nothing of it is dead" in site.refused("retry", MESSAGE_ID)


def test_an_ingestion_is_held_back_and_let_go(site: Site) -> None:
    """With all of its batches; what is so already is told as that."""
    site.ledger.do(accept(MESSAGE_ID))

    answers = [site.run(verb, MESSAGE_ID) for verb in ("pause", "pause", "resume", "resume")]

    assert [(answer["changed"], answer["status"]) for answer in answers] == [
        (1, "paused"),
        (0, "paused"),
        (1, "queued"),
        (0, "queued"),
    ]
    assert site.draw("pause", MESSAGE_ID)[0] == f"{MESSAGE_ID}: paused"
    assert site.draw("pause", MESSAGE_ID)[0] == f"{MESSAGE_ID}: paused already"


def test_an_ingestion_is_given_up(site: Site) -> None:
    """Cancelled again it stays cancelled; it cannot be worked again, nor a dead chunk of it, nor paused."""
    _, second, _ = start(site)
    site.ledger.do(bury(second))

    assert site.run("cancel", MESSAGE_ID) == {"changed": 1, "ingestion": MESSAGE_ID, "status": "cancelled"}
    assert site.run("cancel", MESSAGE_ID)["changed"] == 0
    assert site.row(MESSAGE_ID).status is Status.CANCELLED
    assert "cannot pause an ingestion that is cancelled; expected one that is accepted" in site.refused(
        "pause", MESSAGE_ID
    )
    assert "cannot retry an ingestion that is cancelled" in site.refused("retry", MESSAGE_ID)
    if site.state(second.id) is State.DEAD:
        assert f"its ingestion {MESSAGE_ID} was cancelled or begun anew" in site.refused("retry", second.id)


def test_a_single_chunk_is_acted_on(site: Site) -> None:
    """As any batch; its ingestion goes on with it."""
    _, second, _ = start(site)
    site.ledger.do(bury(second))

    assert site.run("retry", second.id) == {"changed": 1, "batch": second.id}
    assert site.state(second.id) is State.READY
    assert site.run("pause", second.id)["changed"] == 1
    assert site.run("resume", second.id)["changed"] == 1
    assert site.run("cancel", second.id)["changed"] == 1
    assert site.state(second.id) is State.DISCARDED


def test_all_work_that_is_held_back_is_told(site: Site) -> None:
    """Of an ingestion as of a batch."""
    site.ledger.do(accept(MESSAGE_ID))
    site.ledger.do(SetPaused(batch_id=None, paused=True, at=NOON))

    assert "held back: all work was paused by an operator; `millstream resume` lets it go" in site.because(MESSAGE_ID)


def test_an_unknown_name_is_told_with_the_ledger(site: Site) -> None:
    """Neither batch nor ingestion; where was looked is told without a user."""
    line = site.refused("cancel", "nothing-like-it")

    assert "'nothing-like-it' is no batch, ingestion or file of " in line
    assert "@" not in line
