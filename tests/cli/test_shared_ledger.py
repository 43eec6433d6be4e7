"""The verbs on a ledger that many machines share: the same as on a state folder, from anywhere."""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from millstream.adapters.postgres import PostgresLedger
from millstream.cli import main
from millstream.core.ingestion import Status
from millstream.core.lifecycle import State
from millstream.core.model import Kind, Retry
from millstream.core.operations import DeclarePipeline, SetMeta
from millstream.core.terms import TERMS, Terms, dump_terms
from millstream.runtime.sweeper import SWEEPER
from millstream.testing.ledger_suite.driver import NOON, PIPELINE, Driver, a_file, claim, finish, open_batch, plan
from servers.postgres import OwnPostgres, Postgres
from wiring.grown import Site, new_database, rows, serving, spec, until, workers

Capture = pytest.CaptureFixture[str]
Verb = Callable[..., dict[str, Any]]


@pytest.fixture
def url(postgres: Postgres) -> str:
    """The address of a database of the test's own, with a user and a password that nobody asks for."""
    return new_database(postgres).replace("@", ":secret@", 1)


@pytest.fixture
def ledger(url: str) -> Iterator[Driver]:
    """A ledger there, with a pipeline of buckets."""
    driver = Driver(lambda: PostgresLedger(url))
    driver.do(DeclarePipeline(name=PIPELINE, kind=Kind.BUCKET, at=NOON))
    yield driver
    driver.close()


@pytest.fixture
def run(url: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> Verb:
    """Run a verb, which finds the ledger in the environment; the document that it prints."""
    monkeypatch.setenv("MILLSTREAM_LEDGER", url)

    def run_verb(*words: str) -> dict[str, Any]:
        assert main([*words, "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
        assert isinstance(document, dict)
        return document

    return run_verb


def draw(*words: str, capsys: Capture) -> list[str]:
    """Run a verb in a terminal; its lines."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"COLUMNS": "160", "LINES": "50", "TERM": "dumb"}.items():
            patch.setenv(name, value)
        patch.setattr(sys.stdout, "isatty", lambda: True)
        assert main(list(words)) == 0
    return capsys.readouterr().out.splitlines()


def bucket(ledger: Driver) -> str:
    """A bucket of the file /in/a that is ready."""
    operation = plan(a_file("a"))
    ledger.do(operation)
    return operation.batch_id


def dead_bucket(ledger: Driver) -> str:
    """A bucket whose attempts are spent."""
    batch_id = bucket(ledger)
    (job,) = ledger.do(claim())
    ledger.do(finish(job, Retry(error="it broke"), bury=True))
    return batch_id


def on_duty(ledger: Driver, *, until_s: float) -> None:
    """A worker has signed up to look after the ledger."""
    ledger.do(SetMeta(key=SWEEPER, value=json.dumps({"owner": "host:77:ab", "until": until_s})))


# --- looking and acting -----------------------------------------------------------------------------------------------


def test_buckets_are_looked_at_and_acted_on(ledger: Driver, run: Verb) -> None:
    """Listed, explained by the id and by the file, and worked again."""
    batch_id = dead_bucket(ledger)

    (listed,) = run("status")["batches"]
    (dead,) = run("dead")["batches"]
    explained = run("explain", "/in/a")
    retried = run("retry", batch_id)

    assert listed["id"] == dead["id"] == batch_id
    assert (dead["state"], dead["error"]) == ("dead", "it broke")
    assert any("it broke" in sentence for sentence in explained["because"])
    assert retried == {"changed": 1, "batch": batch_id}
    assert run("status", batch_id)["state"] == State.READY


def test_a_minibatch_that_is_open_is_not_said_to_be_left(ledger: Driver, run: Verb) -> None:
    """Whether the engine that closes it runs is known on its own machine alone."""
    ledger.do(DeclarePipeline(name="clicks", kind=Kind.MINIBATCH, at=NOON))
    ledger.do(open_batch("clicks-1", pipeline="clicks"))

    because = run("explain", "clicks-1")["because"]

    assert not any("running" in sentence for sentence in because)


def test_it_is_told_who_looks_after_the_ledger(ledger: Driver, run: Verb, capsys: Capture) -> None:
    """A service or worker that signed up, until its term is over; without one, what is ready waits for one."""
    batch_id = bucket(ledger)
    ledger.do(SetMeta(key=TERMS, value=dump_terms({"other": Terms(workers=1, retries=5)})))
    never = run("explain", batch_id)["because"]
    on_duty(ledger, until_s=time.time() - 60)
    over = run("explain", batch_id)["because"]
    engine_over = run("status")["engine"]
    on_duty(ledger, until_s=time.time() + 600)
    now = run("explain", batch_id)["because"]
    engine = run("status")["engine"]
    screen = draw("status", capsys=capsys)

    assert never[1] == f"no service or worker has looked after this ledger yet; the next one to run {PIPELINE} works it"
    assert over[1].startswith("no service or worker has been running on this ledger since ")
    assert now[0].endswith("waits for a worker")
    assert (engine_over["running"], engine_over["keeper"]) == (False, None)
    assert (engine["running"], engine["pid"], engine["keeper"]) == (True, None, "host:77:ab")
    assert screen[0].startswith("ledger postgresql://127.0.0.1:")
    assert screen[0].endswith(": looked after by host:77:ab")


def test_a_change_names_its_ledger_without_a_password(ledger: Driver, run: Verb, url: str, capsys: Capture) -> None:
    """So that nobody pauses the wrong one unnoticed."""
    batch_id = dead_bucket(ledger)
    run("status")

    first, second, third = draw("retry", batch_id, capsys=capsys)

    assert first == f"{batch_id}: ready again"
    assert second == f"ledger postgresql://{url.rpartition('@')[2]}"
    assert third == "no service or worker is running on this ledger; it counts when one is started"


@pytest.mark.usefixtures("ledger")
def test_who_listens_hears_of_a_change(run: Verb, url: str) -> None:
    """The change itself rings, so that engines and workers look at once."""

    async def listen() -> None:
        own = PostgresLedger(url)
        connected, rung = asyncio.Event(), asyncio.Event()

        def hear() -> None:
            (rung if connected.is_set() else connected).set()

        stop = own.listen(hear)
        await asyncio.wait_for(connected.wait(), 30)
        await asyncio.to_thread(run, "pause")
        await asyncio.wait_for(rung.wait(), 30)
        stop()
        await own.close()

    asyncio.run(listen())


# --- what cannot be looked at -----------------------------------------------------------------------------------------


def refusal(*words: str, capsys: Capture) -> str:
    """The one line of a verb that is refused."""
    assert main(list(words)) == 2
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert captured.out == ""
    assert "secret" not in line
    return line


def test_a_database_without_a_ledger_is_told_and_left_alone(url: str, capsys: Capture) -> None:
    """A wrong address must not make tables in somebody else's database."""
    line = refusal("status", "--ledger", url, capsys=capsys)

    assert "expected a database that a service, engine or worker has used as its ledger, found none" in line
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT 1 FROM information_schema.schemata WHERE schema_name = 'millstream'")
        assert found.fetchall() == []


def test_a_table_that_is_no_ledger_is_told(url: str, capsys: Capture) -> None:
    """One of the same name that another program made."""
    with psycopg.connect(url) as connection:
        connection.execute("CREATE SCHEMA millstream CREATE TABLE schema_version (number INTEGER)")

    assert "cannot be used as a ledger" in refusal("status", "--ledger", url, capsys=capsys)


@pytest.mark.parametrize("verb", [["status"], ["explain", "x"], ["dead"], ["pause"]])
def test_a_database_that_is_not_there_is_told(verb: list[str], url: str, capsys: Capture) -> None:
    """At once, in one line."""
    began = time.monotonic()

    line = refusal(*verb, "--ledger", f"{url}-not", capsys=capsys)

    assert line.startswith("millstream: error: ledger: postgresql://127.0.0.1:")
    assert "does not exist" in line
    assert time.monotonic() - began < 30


@pytest.mark.slow
def test_a_server_that_is_down_or_frozen_is_told(own_postgres: OwnPostgres, capsys: Capture) -> None:
    """Refused or silent: a person waits for seconds, not for minutes."""
    url = own_postgres.url
    own_postgres.freeze()
    began = time.monotonic()
    silent = refusal("status", "--ledger", url, capsys=capsys)
    took_s = time.monotonic() - began
    own_postgres.thaw()
    own_postgres.kill()
    refused = refusal("status", "--ledger", url, capsys=capsys)

    assert silent.startswith("millstream: error: ledger: postgresql://127.0.0.1:")
    assert took_s < 30
    assert "start the database or mend its address" in refused


# --- a service and a worker -------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("dispatcher", ["rabbitmq", "temporal"])
def test_an_operator_holds_back_and_lets_go_on_another_machine(
    dispatcher: str, request: pytest.FixtureRequest, postgres: Postgres, tmp_path: Path, capsys: Capture
) -> None:
    """By the file of the service alone: paused, nothing is worked; let go, a worker works it to the end."""
    address = request.getfixturevalue(dispatcher).address
    dispatch = {"broker": f"amqp://{address}"} if dispatcher == "rabbitmq" else {"temporal": address}
    site = Site(tmp_path, ledger=new_database(postgres), dispatch={"dispatcher": dispatcher, **dispatch})
    content = rows(2000)
    site.write("data.csv", content)

    def run(*words: str) -> dict[str, Any]:
        assert main([*words, "--config", str(site.config), "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
        assert isinstance(document, dict)
        return document

    async def operate() -> list[dict[str, Any]]:
        async with serving(site) as ingest:
            await asyncio.to_thread(run, "pause")
            await ingest.accept(spec(site, "data.csv", message_id="op-1"))
            held = await asyncio.to_thread(run, "explain", "op-1")
            await asyncio.to_thread(run, "pause", "op-1")
            await asyncio.to_thread(run, "resume")
            await until(ingest, "op-1", lambda row: row.status is Status.PAUSED)
            shown = await asyncio.to_thread(run, "status")
            let_go = await asyncio.to_thread(run, "resume", "op-1")
            await until(ingest, "op-1", lambda row: row.status is Status.SUCCEEDED)
            return [held, shown, let_go, await asyncio.to_thread(run, "explain", "op-1")]

    with workers(site, number=1) as started:
        held, shown, let_go, explained = asyncio.run(operate())
        assert started[0].end() == 0

    assert "held back: all work was paused by an operator; `millstream resume` lets it go" in held["because"]
    assert [(row["message_id"], row["status"]) for row in shown["ingestions"]] == [("op-1", "paused")]
    assert shown["engine"]["keeper"] is not None
    assert let_go["changed"] == 1
    assert explained["state"] == "succeeded"
    assert f"{len(content):,} records published" in explained["because"][0]
    site.check("op-1", content)
