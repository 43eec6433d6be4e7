"""Intake and transactions: all or nothing, durable, in order."""

# ruff: noqa: S101, PLR2004 - a suite asserts, and its numbers are examples

import asyncio
from typing import cast

import pytest

from millstream.core.lifecycle import State
from millstream.core.model import Kind
from millstream.core.operations import Accept, DeclarePipeline, SetMeta
from millstream.core.queries import Query, ReadBatches, ReadMeta, ReadPipelines, ReadSource
from millstream.core.rows import PipelineRow, SourceRow
from millstream.errors import InvalidValueError
from millstream.ports import Ledger
from millstream.testing.ledger_suite.driver import NOON, PIPELINE, Driver, MakeLedger, OnALedger, open_batch


def accept(source: str, position: str, *, main_end: int, finished: bool = False) -> Accept:
    """Two records of together 20 bytes became durable."""
    return Accept(
        pipeline=PIPELINE,
        source=source,
        position=position,
        records=2,
        size_bytes=20,
        main_end=main_end,
        runs_end=5,
        spilled_to=3,
        finished=finished,
        at=NOON,
    )


class Transactions(OnALedger):
    """What a call means."""

    # --- intake ---------------------------------------------------------------------------------------------------

    def test_a_pipeline_is_declared(self, ledger: Driver) -> None:
        """Declaring a pipeline tells how far it is, from nothing at first, and never sets it back."""
        declare = DeclarePipeline(name=PIPELINE, kind=Kind.MINIBATCH, at=NOON)
        first = ledger.do(declare)
        ledger.do(accept("file", "{}", main_end=20))
        second = ledger.do(declare)

        assert first == PipelineRow(name=PIPELINE, kind=Kind.MINIBATCH)
        assert second.accepted_records == 2
        assert ledger.read(ReadPipelines()) == (second,)

    def test_records_are_accepted(self, ledger: Driver) -> None:
        """Records and bytes add up; the ends of the spool and the time are those of the last call."""
        ledger.do(DeclarePipeline(name=PIPELINE, kind=Kind.MINIBATCH, at=NOON))
        ledger.apply(accept("file", "a", main_end=20), accept("file", "b", main_end=40))

        assert ledger.read(ReadPipelines()) == (
            PipelineRow(
                name=PIPELINE,
                kind=Kind.MINIBATCH,
                accepted_records=4,
                accepted_bytes=40,
                accepted_at=NOON,
                main_end=40,
                runs_end=5,
                spilled_to=3,
            ),
        )

    def test_positions_of_sources(self, ledger: Driver) -> None:
        """The newest position of each source is kept, with whether it was read to its end."""
        ledger.do(DeclarePipeline(name=PIPELINE, kind=Kind.MINIBATCH, at=NOON))
        unknown = ledger.read(ReadSource(pipeline=PIPELINE, source="file"))
        ledger.apply(
            accept("file", '{"at": 1}', main_end=20),
            accept("other", '{"at": 7}', main_end=40),
            accept("file", '{"at": 2}', main_end=60, finished=True),
        )

        assert unknown is None
        assert [ledger.read(ReadSource(pipeline=PIPELINE, source=name)) for name in ("file", "other")] == [
            SourceRow(pipeline=PIPELINE, source="file", position='{"at": 2}', finished=True),
            SourceRow(pipeline=PIPELINE, source="other", position='{"at": 7}', finished=False),
        ]

    def test_numbers_of_minibatches_only_rise(self, ledger: Driver) -> None:
        """The next number of a pipeline is behind the highest that was used, also after a restart."""
        declare = DeclarePipeline(name=PIPELINE, kind=Kind.MINIBATCH, at=NOON)
        ledger.apply(declare, open_batch("second", seq=2), open_batch("first", seq=1))
        ledger.reopen()

        assert ledger.do(declare).next_seq == 3

    def test_ids_are_unique(self, ledger: Driver) -> None:
        """A batch with an id that is taken is refused by name, in whatever state the other one is."""
        states = [state for state in State if state is not State.READY]
        rows = [ledger.in_state(state, batch_id=state) for state in states]

        for state in states:
            with pytest.raises(InvalidValueError, match=state):
                ledger.do(open_batch(state))
        assert ledger.read(ReadBatches()) == tuple(rows)

    # --- all or nothing -------------------------------------------------------------------------------------------

    def test_a_call_is_atomic(self, ledger: Driver) -> None:
        """If one operation fails, nothing of its call is done, before it or after it, and the ledger works on."""
        ledger.ready("taken")

        with pytest.raises(InvalidValueError):
            ledger.apply(open_batch("a"), SetMeta(key="a", value="1"), open_batch("taken"), open_batch("b"))
        assert [row.id for row in ledger.read(ReadBatches())] == ["taken"]
        assert ledger.read(ReadMeta(key="a")) is None
        assert ledger.apply(open_batch("a"), SetMeta(key="a", value="1")) == [None, None]

    def test_a_failing_call_spoils_no_other(self, ledger: Driver) -> None:
        """Of many calls at once, only those that fail get an error, and all others are done."""
        ledger.ready("taken")

        async def apply_many(one: Ledger) -> list[object]:
            calls = [
                one.apply([SetMeta(key=f"{n}", value="1"), open_batch("taken" if n % 3 == 0 else f"b{n}")])
                for n in range(30)
            ]
            return await asyncio.gather(*calls, return_exceptions=True)

        results = ledger.run(apply_many(ledger.ledger))

        assert [isinstance(result, InvalidValueError) for result in results] == [n % 3 == 0 for n in range(30)]
        assert {row.id for row in ledger.read(ReadBatches())} == {"taken"} | {f"b{n}" for n in range(30) if n % 3}
        assert [ledger.read(ReadMeta(key=f"{n}")) for n in range(4)] == [None, "1", "1", None]

    def test_an_unknown_query_spoils_no_other(self, ledger: Driver) -> None:
        """A question that the ledger does not know is an error of who asked, and the ledger works on."""

        async def ask_nonsense(one: Ledger) -> tuple[object, object]:
            nonsense = one.read(cast("Query[object]", "what?"))
            return await asyncio.gather(nonsense, one.do(SetMeta(key="a", value="1")), return_exceptions=True)

        error, result = ledger.run(ask_nonsense(ledger.ledger))

        assert isinstance(error, TypeError)
        assert result is None
        assert ledger.read(ReadMeta(key="a")) == "1"

    def test_an_empty_call(self, ledger: Driver) -> None:
        """A call without operations has no results."""
        assert ledger.apply() == []

    def test_calls_are_applied_in_order(self, ledger: Driver) -> None:
        """Calls that wait at the same time take effect in the order in which they were made."""

        async def apply_in_order(one: Ledger) -> None:
            await asyncio.gather(*(one.do(SetMeta(key="last", value=f"{n}")) for n in range(50)))

        ledger.run(apply_in_order(ledger.ledger))

        assert ledger.read(ReadMeta(key="last")) == "49"

    # --- durability -----------------------------------------------------------------------------------------------

    def test_everything_outlives_a_restart(self, ledger: Driver) -> None:
        """What was applied is there when the ledger is opened again, in the same order."""
        rows = [ledger.in_state(state, batch_id=state) for state in State if state is not State.READY]
        ledger.reopen()

        assert ledger.read(ReadBatches()) == tuple(rows)

    def test_others_see_what_is_committed(self, ledger: Driver, make_ledger: MakeLedger) -> None:
        """Another ledger on the same store reads what was applied, as soon as the call has returned."""
        ledger.do(SetMeta(key="a", value="1"))

        async def read_through_another() -> str | None:
            other = make_ledger()
            value = await other.read(ReadMeta(key="a"))
            await other.close()
            return value

        assert ledger.run(read_through_another()) == "1"

    def test_closing_finishes_what_was_handed_in(self, ledger: Driver) -> None:
        """Calls that were made before the ledger is closed are done; closing twice is harmless."""

        async def apply_and_close(one: Ledger) -> list[object]:
            calls = [asyncio.ensure_future(one.do(SetMeta(key=f"{n}", value="1"))) for n in range(20)]
            await asyncio.sleep(0)
            await one.close()
            await one.close()
            return await asyncio.gather(*calls)

        results = ledger.run(apply_and_close(ledger.ledger))
        ledger.reopen()

        assert results == [None] * 20
        assert {ledger.read(ReadMeta(key=f"{n}")) for n in range(20)} == {"1"}
