"""What every pool must do, as pytest tests: a pool of yours is right when a subclass of `PoolSuite` passes.

    class TestMyPool(PoolSuite):
        def run_with_pool(self, make, scenario, *, scratch):
            pool = MyPool(make, name=PIPELINE, slots=SLOTS, read=read_two, scratch=scratch)
            return asyncio.run(scenario(pool))

The suite needs pytest. For asserts that show their values, call
`pytest.register_assert_rewrite("millstream.testing.pool_suite")` in a `conftest.py`.
"""

# ruff: noqa: S101, ARG001, ARG005 - a suite asserts, and handlers take what they are given

import asyncio
import logging
import zlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from millstream.core.model import AttemptResult, Discard, Done, FileRef, Job, Kind, Outcome, Retry
from millstream.errors import HandlerImportError
from millstream.ports import Pool
from millstream.runtime.batch import Batch, Context, Handler, MakeHandler

T = TypeVar("T")
Scenario = Callable[[Pool], Awaitable[T]]

PIPELINE = "p"
SLOTS = 10
PATIENCE_S = 20.0


def read_two(log: str, ranges: Sequence[tuple[int, int]]) -> Iterator[bytes]:
    """A spool that has two records, whatever it is asked for."""
    yield b"one\ntw"
    yield b"o\n"


def job(name: str = "b1", **fields: object) -> Job:
    """A claimed minibatch without records, unless `fields` say otherwise."""
    common = {"id": name, "kind": Kind.MINIBATCH, "pipeline": PIPELINE, "attempt": 1, "fence": 1}
    return Job(**(common | fields))  # type: ignore[arg-type]  # the fields of a job, whichever a test names


def bucket(*files: FileRef) -> Job:
    """A claimed bucket."""
    return job(kind=Kind.BUCKET, records=len(files), files=files)


def listed(path: Path) -> FileRef:
    """A file as a lister would name it now."""
    found = path.stat()
    return FileRef(
        path=str(path), size_bytes=found.st_size, mtime_ns=found.st_mtime_ns, inode=found.st_ino, name=path.name
    )


async def until(condition: Callable[[], T]) -> T:
    """Wait for something that another process may do."""
    async with asyncio.timeout(PATIENCE_S):
        while not (found := condition()):  # noqa: ASYNC110 - there is no event from another process
            await asyncio.sleep(0.005)
    return found


class PoolSuite:
    """The conformance suite of ports.Pool; override `run_with_pool`."""

    def run_with_pool(self, make: MakeHandler, scenario: Scenario[T], *, scratch: Path) -> T:
        """Run `scenario`, in an event loop of its own, with a new pool that nobody has started.

        It works the pipeline PIPELINE in SLOTS slots, with the handler that `make` builds, and reads records by
        `read_two`. Whatever a scenario leaves is to be cleaned up.
        """
        raise NotImplementedError

    def play(self, handler: Handler, scenario: Scenario[T], *, scratch: Path) -> T:
        """Play a scenario, which must not hang, with a pool that was started."""

        async def started(pool: Pool) -> T:
            await pool.start()
            try:
                return await asyncio.wait_for(scenario(pool), PATIENCE_S)
            finally:
                await pool.stop()

        return self.run_with_pool(lambda: handler, started, scratch=scratch)

    @pytest.mark.parametrize(
        ("outcome", "expected"),
        [
            (None, Done()),
            (Done("42 rows"), Done("42 rows")),
            (Retry(after_s=3, error="busy"), Retry(after_s=3.0, error="busy")),
            (Discard("not ours"), Discard("not ours")),
        ],
    )
    def test_outcomes_come_back(self, tmp_path: Path, outcome: Outcome | None, expected: Outcome) -> None:
        """What a handler says of its batch is the outcome of the attempt."""
        result = self.play(lambda batch, context: outcome, lambda pool: pool.run(job()), scratch=tmp_path)

        assert result.outcome == expected
        assert (result.charged, result.lost, result.alone) == (True, False, False)
        assert result.seconds >= 0

    def test_a_failure_costs_the_attempt_only(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """An exception, even SystemExit or one that is no UTF-8, fails its attempt; the next one works."""
        caplog.set_level(logging.CRITICAL, "millstream")  # pytest-xdist cannot pass on what is no UTF-8

        def handler(batch: Batch, context: Context) -> None:
            errors = {"b1": ValueError("no"), "b2": SystemExit(3), "b3": OSError("\udcff")}
            raise errors.get(batch.id, KeyboardInterrupt())

        async def scenario(pool: Pool) -> list[Outcome]:
            return [(await pool.run(job(f"b{number}"))).outcome for number in (1, 2, 3, 4)]

        assert self.play(handler, scenario, scratch=tmp_path) == [
            Retry(error="ValueError: no"),
            Retry(error="SystemExit: 3"),
            Retry(error="OSError: \\udcff"),
            Retry(error="KeyboardInterrupt"),
        ]

    def test_the_same_failures_of_async_handlers(self, tmp_path: Path) -> None:
        """An async handler that raises, SystemExit included, fails its attempt; the event loop goes on."""

        async def handler(batch: Batch, context: Context) -> None:
            await asyncio.sleep(0)
            raise SystemExit(3) if batch.id == "b1" else ValueError("no")

        async def scenario(pool: Pool) -> list[Outcome]:
            return [(await pool.run(job(name))).outcome for name in ("b1", "b2")]

        assert self.play(handler, scenario, scratch=tmp_path) == [
            Retry(error="SystemExit: 3"),
            Retry(error="ValueError: no"),
        ]

    def test_a_handler_sees_its_batch(self, tmp_path: Path) -> None:
        """A handler reads the records of its batch and knows batch and attempt."""

        def handler(batch: Batch, context: Context) -> Done:
            return Done(f"{batch.id} {context.batch_id} {context.attempt} {batch.key} {list(batch)!r}")

        work = job("b7", attempt=3, key="k", size_bytes=8, checksum=zlib.crc32(b"one\ntwo\n"), records=2)
        result = self.play(handler, lambda pool: pool.run(work), scratch=tmp_path)

        assert result.outcome == Done("b7 b7 3 k [b'one', b'two']")

    def test_records_that_are_not_what_was_accepted(self, tmp_path: Path) -> None:
        """A batch whose bytes do not match its checksum fails, and is never worked short."""

        def handler(batch: Batch, context: Context) -> Done:
            return Done(f"{len(list(batch))} records")

        result = self.play(handler, lambda pool: pool.run(job(size_bytes=8, checksum=1)), scratch=tmp_path)

        assert isinstance(result.outcome, Retry)
        assert "SpoolDamagedError" in result.outcome.error

    def test_files_come_back_with_checksums_or_evictions(self, tmp_path: Path) -> None:
        """A bucket's files are sealed when they are done, and named when they are not what was listed."""
        path = tmp_path / "a"
        path.write_bytes(b"x")
        stale = listed(path)
        path.write_bytes(b"xy")

        async def scenario(pool: Pool) -> tuple[AttemptResult, AttemptResult]:
            return await pool.run(bucket(listed(path))), await pool.run(bucket(stale))

        sealed, evicted = self.play(lambda batch, context: None, scenario, scratch=tmp_path)

        assert list(sealed.checksums) == [str(path)]
        assert [eviction.current for eviction in evicted.evictions] == [listed(path)]
        assert not evicted.charged

    def test_async_attempts_run_at_the_same_time(self, tmp_path: Path) -> None:
        """As many async attempts as there are slots run at once, in one event loop."""
        everybody = asyncio.Barrier(SLOTS)

        async def handler(batch: Batch, context: Context) -> None:
            await everybody.wait()

        async def scenario(pool: Pool) -> list[AttemptResult]:
            return await asyncio.gather(*(pool.run(job(f"b{number}")) for number in range(SLOTS)))

        results = self.play(handler, scenario, scratch=tmp_path)

        assert [result.outcome for result in results] == [Done()] * SLOTS

    def test_an_attempt_alone_is_an_attempt(self, tmp_path: Path) -> None:
        """A batch that is suspected of a crash is worked as any other, apart."""
        result = self.play(lambda batch, context: None, lambda pool: pool.run(job(), alone=True), scratch=tmp_path)

        assert result.outcome == Done()

    def test_stop_ends_everything_as_lost(self, tmp_path: Path) -> None:
        """Stopping ends what runs and what waits, uncharged; it may be called again, and nothing runs after it."""
        sign = tmp_path / "begun"

        async def handler(batch: Batch, context: Context) -> None:
            sign.touch()
            await asyncio.Event().wait()

        async def scenario(pool: Pool) -> list[AttemptResult]:
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(pool.run(job(f"b{number}"))) for number in range(SLOTS + 2)]
                await until(sign.exists)
                await asyncio.gather(pool.stop(), pool.stop())
            await pool.stop()
            return [task.result() for task in running] + [await pool.run(job("late"))]

        results = self.play(handler, scenario, scratch=tmp_path)

        assert {(result.outcome, result.charged, result.lost) for result in results} == {
            (Retry(error="the workers were stopped"), False, True)
        }

    def test_cancelling_a_call_ends_its_attempt(self, tmp_path: Path) -> None:
        """A cancelled call returns when its attempt has ended, and the pool works on."""
        begun, ended = tmp_path / "begun", tmp_path / "ended"

        async def handler(batch: Batch, context: Context) -> None:
            if batch.id == "next":
                return
            begun.touch()
            try:
                await asyncio.Event().wait()
            finally:
                assert context.cancelled
                ended.touch()

        async def scenario(pool: Pool) -> tuple[bool, bool, Outcome]:
            running = asyncio.ensure_future(pool.run(job()))
            await until(begun.exists)
            running.cancel()
            await asyncio.wait([running])
            return running.cancelled(), ended.exists(), (await pool.run(job("next"))).outcome

        assert self.play(handler, scenario, scratch=tmp_path) == (True, True, Done())

    def test_a_handler_that_cannot_be_loaded_is_a_start_up_error(self, tmp_path: Path) -> None:
        """A pool whose handler cannot be imported does not start, and says why."""

        def make() -> Handler:
            raise ModuleNotFoundError("No module named 'shop'")

        async def start(pool: Pool) -> None:
            with pytest.raises(HandlerImportError, match="'p': ModuleNotFoundError: No module named 'shop'"):
                await pool.start()

        self.run_with_pool(make, start, scratch=tmp_path)
