"""How a file is taken on."""

# ruff: noqa: S101, PLR2004 - a suite asserts, and its numbers are examples

import asyncio

import pytest

from millstream.core.ingestion import (
    Acceptance,
    Act,
    Action,
    Answered,
    Compression,
    OnChange,
    PlanTask,
    Queue,
    ReadIngestion,
    ReadIngestions,
    Status,
)
from millstream.core.model import Kind
from millstream.core.splitting import Dialect, Format, Policy
from millstream.testing.ledger_suite.driver import NOON, Driver, MakeLedger, OnALedger
from millstream.testing.ledger_suite.ingestion_driver import (
    Ingestions,
    accept,
    border,
    claim_ours,
    spec,
)

AMQP = "amqp://host/queue"


class OnIngestions(OnALedger):
    """Tests of ingestions."""

    @pytest.fixture
    def files(self, ledger: Driver) -> Ingestions:
        """The same ledger, as one of ingestions."""
        return Ingestions(ledger)


class Acceptances(OnIngestions):
    """How a file is taken on."""

    def test_a_file_is_accepted(self, ledger: Driver, files: Ingestions) -> None:
        """An accepted file is known at once, with everything that was asked, and has nothing to work until queued."""
        asked = spec(
            dialect=Dialect(format=Format.JSONL, encoding="latin-1", quote=None, header=False, max_record_bytes=99),
            policy=Policy.PAD,
            chunk_bytes=1234,
            compression=Compression.ZSTD,
            on_change=OnChange.RESTART,
            name="zwölf/\u2028🚂.jsonl",
        )
        options = {name: getattr(asked, name) for name in asked.__dataclass_fields__ if name != "message_id"}
        answer = ledger.do(accept(principal="me", is_queued=False, **options))
        row = files.row()

        assert answer == Acceptance(answered=Answered.NEW, message_id="m")
        assert row.spec == asked
        assert (row.status, row.principal, row.found, row.planned_to) == (Status.ACCEPTED, "me", None, border(0))
        assert (row.created_at, row.updated_at, row.started_at, row.ended_at) == (NOON, NOON, None, None)
        assert ledger.do(claim_ours()) == ()
        assert files.happened() == ["accepted"]
        assert ledger.read(ReadIngestion(message_id="other")) is None

    def test_a_file_is_queued(self, ledger: Driver, files: Ingestions) -> None:
        """Queueing makes the first plan step, once, however often it is said."""
        ledger.do(accept(is_queued=False))
        queue = Queue(message_id="m", at=NOON)

        assert ledger.apply(queue, queue, Queue(message_id="other", at=NOON)) == [True, True, False]
        assert files.row().status is Status.QUEUED
        assert files.happened() == ["accepted", "queued"]
        (job,) = ledger.do(claim_ours())
        assert (job.id, job.kind, job.key) == ("m-plan-000000", Kind.PLAN, "m")
        assert job.plan == PlanTask(spec=spec(), found=None, at=border(0))

    def test_an_idempotency_key(self, ledger: Driver) -> None:
        """A key that its owner used before gives the ingestion it made, or a conflict, and makes none."""
        first = ledger.do(accept("a", principal="me", idempotency_key="k", fingerprint="1"))
        answers = [
            ledger.do(accept("b", principal="me", idempotency_key="k", fingerprint="1")),
            ledger.do(accept("c", principal="me", idempotency_key="k", fingerprint="2")),
            ledger.do(accept("d", principal="you", idempotency_key="k", fingerprint="2")),
            ledger.do(accept("e", principal="me", fingerprint="2")),
        ]

        assert first == Acceptance(answered=Answered.NEW, message_id="a")
        assert [(each.answered, each.message_id) for each in answers] == [
            (Answered.SAME, "a"),
            (Answered.CONFLICT, "a"),
            (Answered.NEW, "d"),
            (Answered.NEW, "e"),
        ]
        assert [row.spec.message_id for row in ledger.read(ReadIngestions())] == ["e", "d", "a"]

    def test_the_same_message_again(self, ledger: Driver, files: Ingestions) -> None:
        """Accepting a message id again changes nothing, so a request that is delivered twice makes one ingestion."""
        ledger.do(accept(fingerprint="1"))
        before = files.everything()

        assert ledger.do(accept(fingerprint="1")).answered is Answered.SAME
        assert ledger.do(accept(fingerprint="2", limit=0)).answered is Answered.CONFLICT
        assert files.everything() == before

    def test_no_more_than_the_limit_of_a_principal(self, ledger: Driver, files: Ingestions) -> None:
        """A principal with as many unfinished ingestions as the limit is full, until one has ended."""
        ledger.apply(accept("a", principal="me"), accept("b", principal="me"), accept("c", principal="you"))
        full = ledger.do(accept("d", principal="me", limit=2))
        ledger.do(Act(message_id="a", action=Action.CANCEL, at=NOON))

        assert full == Acceptance(answered=Answered.FULL, message_id="")
        assert ledger.read(ReadIngestion(message_id="d")) is None
        assert ledger.do(accept("d", principal="me", limit=2)).answered is Answered.NEW
        assert len(files.events("d")) == 2

    def test_many_accept_at_once(self, ledger: Driver, make_ledger: MakeLedger) -> None:
        """Of many requests with one key, through two ledgers, one makes an ingestion; a limit is never exceeded."""

        async def accept_through_two() -> tuple[list[Acceptance], list[Acceptance]]:
            other = make_ledger()
            ledgers = [ledger.ledger, other] * 4
            same = [each.do(accept(f"s{n}", idempotency_key="k")) for n, each in enumerate(ledgers)]
            told = await asyncio.gather(*same)
            many = [each.do(accept(f"l{n}", principal="me", limit=3)) for n, each in enumerate(ledgers)]
            limited = await asyncio.gather(*many)
            await other.close()
            return told, limited

        told, limited = ledger.run(accept_through_two())

        assert sorted(each.answered for each in told) == ["new"] + ["same"] * 7
        assert len({each.message_id for each in told}) == 1
        assert sorted(each.answered for each in limited) == ["full"] * 5 + ["new"] * 3
