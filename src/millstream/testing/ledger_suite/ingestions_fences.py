"""Workers that were replaced, engines that died, calls that failed."""

# ruff: noqa: S101 - a suite asserts, and its numbers are examples

import pytest

from millstream.core.ingestion import (
    Action,
    ClaimBatch,
    Explain,
    OnChange,
    Queue,
    Spoiled,
    Status,
)
from millstream.core.model import Discard, Job, Retry
from millstream.core.operations import (
    Cancel,
    ExpireLeases,
    Operation,
    Prune,
    Release,
    Renew,
    Revive,
    Start,
    TakeOver,
)
from millstream.errors import InvalidValueError
from millstream.testing.ledger_suite.driver import DUE, NOON, Driver, open_batch
from millstream.testing.ledger_suite.ingestion_driver import (
    Ingestions,
    accept,
    border,
    bury,
    claim_ours,
    discard,
    join,
    planned,
    published,
    report,
)
from millstream.testing.ledger_suite.ingestions import AMQP, OnIngestions
from millstream.testing.ledger_suite.ingestions_trouble import CHANGED, UNREADABLE, WRONG, act


class Fences(OnIngestions):
    """What is refused, and what is all or nothing."""

    @pytest.mark.parametrize("lost", ["epoch", "lease", "released"])
    def test_an_old_fence_changes_nothing(self, ledger: Driver, files: Ingestions, lost: str) -> None:
        """Whatever a worker says that has lost its plan step or chunk, nothing at all is changed."""
        ledger.do(accept(on_change=OnChange.RESTART))
        (plan,) = ledger.do(claim_ours(lease_until=DUE if lost == "lease" else None))
        self._lose(ledger, plan, lost)
        (again,) = ledger.do(claim_ours(at=DUE))
        ledger.do(report(again, planned(1)))
        (chunk,) = ledger.do(claim_ours(at=DUE, lease_until=DUE if lost == "lease" else None))
        self._lose(ledger, chunk, lost)
        before = files.everything()
        for zombie, good in ((plan, planned(5)), (chunk, published())):
            sayings: list[Operation[object]] = [
                report(zombie, good),
                report(zombie, WRONG),
                report(zombie, CHANGED),
                report(zombie, UNREADABLE, outcome=Discard("so")),
                report(zombie, None, outcome=Retry()),
                bury(zombie),
                discard(zombie),
                Release(batch_id=zombie.id, fence=zombie.fence, at=NOON),
                Renew(batch_id=zombie.id, fence=zombie.fence, lease_until=DUE),
                Start(batch_id=zombie.id, fence=zombie.fence, at=NOON),
            ]

            assert ledger.apply(*sayings) == [False] * len(sayings)
        assert files.everything() == before

    def _lose(self, ledger: Driver, job: Job, lost: str) -> None:
        match lost:
            case "epoch":
                assert ledger.do(TakeOver(at=NOON))[1] == 1
            case "lease":
                assert ledger.do(ExpireLeases(at=DUE)) == 1
            case _:
                assert ledger.do(Release(batch_id=job.id, fence=job.fence, at=NOON)) is True

    def test_a_loss_costs_nothing(self, ledger: Driver, files: Ingestions) -> None:
        """Chunks of a dead engine or worker are worked again, at no charge, and the ingestion goes on."""
        jobs = files.start(chunks=2, sink=AMQP)
        ledger.reopen()
        ledger.do(TakeOver(at=NOON))
        again = ledger.do(claim_ours())
        files.finish(*again)

        assert [(job.id, job.attempt, job.failures, job.chunk) for job in again] == [
            (job.id, 2, 0, job.chunk) for job in jobs
        ]
        assert (files.row().status, files.row().records_published) == (Status.SUCCEEDED, 4)
        assert files.happened().count("running") == 1

    OPERATIONS = (
        "accept",
        "queue",
        "act",
        "explain",
        "join",
        "claim one",
        "plan",
        "publish",
        "spoil",
        "restart",
        "bury",
        "prune",
        "cancel",
        "revive",
    )

    @pytest.mark.parametrize("name", OPERATIONS)
    def test_all_or_nothing(self, ledger: Driver, files: Ingestions, name: str) -> None:
        """An operation in a call that fails leaves no trace; done again it takes place, and outlives a restart."""
        operation = self._prepare(ledger, files, name)
        ledger.ready("taken")
        before = files.everything()

        with pytest.raises(InvalidValueError):
            ledger.apply(operation, open_batch("taken"))
        assert files.everything() == before
        ledger.do(operation)
        after = files.everything()
        assert after != before
        ledger.reopen()
        assert files.everything() == after

    def _prepare(self, ledger: Driver, files: Ingestions, name: str) -> Operation[object]:
        """A ledger in which an operation has something to change."""
        dead, done, running, *_ = files.start(chunks=4, on_change=OnChange.RESTART)
        ledger.do(bury(dead))
        files.finish(done)
        ledger.do(accept("other"))
        (plan,) = ledger.do(claim_ours())
        ledger.apply(accept("new", is_queued=False), accept("old"), act(Action.CANCEL, "old"))
        operations: dict[str, Operation[object]] = {
            "accept": accept("another"),
            "queue": Queue(message_id="new", at=NOON),
            "act": act(Action.PAUSE),
            "explain": Explain(message_id="m", reason="it rains", at=NOON),
            "join": join("m", [1], start=0, size=7),
            "claim one": ClaimBatch(batch_id="new-plan-000000", at=NOON, owner="worker", lease_until=DUE),
            "plan": report(plan, planned(2)),
            "publish": report(running, published()),
            "spoil": report(running, Spoiled(reason="wrong", replan_from=border(2))),
            "restart": report(running, CHANGED),
            "bury": bury(running),
            "prune": Prune(before=NOON + 1),
            "cancel": Cancel(batch_id=running.id, at=NOON),
            "revive": Revive(batch_id=dead.id, at=NOON),
        }
        if name == "claim one":
            ledger.do(Queue(message_id="new", at=NOON))
        return operations[name]
