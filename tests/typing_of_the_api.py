"""The public interface as a user writes it: only mypy reads this file, nothing runs it.

Where a comment ignores a type error, that error must be there: mypy complains about comments that ignore nothing.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import assert_type

from millstream import (
    Batch,
    Context,
    CostModel,
    CutReason,
    Discard,
    Done,
    Exit,
    FileRef,
    Kind,
    Millstream,
    Outcome,
    Packing,
    Report,
    Retry,
    pack,
)

mill = Millstream(state=".millstream", workers=10, speed=300, drain="close", drain_limit="30s", keep="7d")
quick = Millstream(drain_limit=30, keep=604_800.0)


# --- decorators keep the type of a function ---------------------------------------------------------------------------


@mill.stream(
    "events.jsonl",
    name="clicks",
    window="5m",
    max_count=10_000,
    max_bytes="10MB",
    idle_gap=30,
    key="user.id",
    max_keys=1000,
    follow=True,
    sync_every="50ms",
    max_record="16MB",
    max_spool=10_000_000_000,
    rate="10/min",
    duration="30m",
    seed=1,
    workers=4,
    processes=2,
    queue=50,
    max_memory="200MB",
    retries=5,
    backoff="1s",
    timeout="10m",
    max_host="2GB",
)
def load(batch: Batch, context: Context) -> Outcome:
    """A handler that says how it went."""
    if context.cancelled:
        return Retry(after_s=60, error="asked to end")
    return Done(f"{len(batch)} records") if batch.size_bytes else Discard("empty")


@mill.files(
    "incoming/",
    "drop/*.csv",
    name="nightly",
    capacity="10MB",
    strategy="auto",
    open_cost="4KB",
    max_files=1000,
    group="dir",
    settle="2s",
    at="02:00",
    zone="Europe/Zurich",
    bandwidth="50MB",
    file_cost="10ms",
    bucket_cost=0.05,
)
async def archive(bucket: Batch, context: Context) -> None:
    """An async handler that is simply done."""
    async for file in one_by_one(bucket.files):
        context.checksums[file.path] = "0" * 64


async def one_by_one(files: Sequence[FileRef]) -> AsyncIterator[FileRef]:
    """The files, each when its time has come."""
    for file in files:
        yield file


def by_size(sizes: Sequence[int], capacity: int) -> list[int]:
    """A strategy of one's own."""
    return [size // capacity for size in sizes]


@mill.files("incoming/", strategy=by_size, every="10m")
def count(bucket: Batch, context: Context) -> Done:
    """A handler whose answer is always the same."""
    return Done(f"{len(bucket)} files, attempt {context.attempt}")


async def handlers_are_still_what_they_were(batch: Batch, context: Context) -> None:
    """Each can be called, in a test for instance, and answers with its own type."""
    assert_type(load(batch, context), Outcome)
    assert_type(count(batch, context), Done)
    await archive(batch, context)


# --- what a handler gets ----------------------------------------------------------------------------------------------


def look(batch: Batch, context: Context) -> None:
    """Everything a batch and a context have."""
    assert_type(batch.id, str)
    assert_type(batch.kind, Kind)
    assert_type(batch.pipeline, str)
    assert_type(batch.key, str | None)
    assert_type(batch.cut, CutReason | None)
    assert_type(batch.opened_at, float)
    assert_type(batch.closed_at, float)
    assert_type(batch.size_bytes, int)
    assert_type(batch.files, tuple[FileRef, ...])
    assert_type(batch.oversize, bool)
    assert_type(len(batch), int)
    assert_type(iter(batch), Iterator[bytes])
    assert_type(batch.blocks(), Iterator[bytes])
    assert_type(batch.json(), Iterator[object])
    assert_type(context.attempt, int)
    assert_type(context.batch_id, str)
    assert_type(context.scratch, str)
    assert_type(context.cancelled, bool)
    assert_type(context.checksums, dict[str, str])


# --- running and packing ----------------------------------------------------------------------------------------------


def run_it() -> int:
    """A run ends with a report."""
    report = mill.run()
    assert_type(report, Report)
    assert_type(report.exit, Exit)
    for tally in report.tallies:
        assert_type(tally.name, str)
        assert_type(tally.ok, int)
    return report.exit


def pack_it() -> Packing:
    """Packing by itself, with every keyword."""
    cost = CostModel(seconds_per_byte=1e-8, seconds_per_file=0.01, seconds_per_bucket=0.05)
    pack([3, 4, 5], capacity=10)
    pack([3, 4, 5], capacity=10, strategy=by_size)
    packing = pack(
        [3, 4, 5],
        capacity=10,
        strategy="auto",
        workers=2,
        open_cost=1,
        max_files=2,
        group=["a", "a", "b"],
        cost=cost,
    )
    assert_type(packing.buckets, list[list[int]])
    assert_type(packing.oversize, list[bool])
    assert_type(packing.lower_bound, int)
    assert_type(packing.gap, int)
    assert_type(packing.optimal, bool)
    assert_type(packing.est_makespan_s, float | None)
    return packing


# --- mistakes that a type checker finds -------------------------------------------------------------------------------


mill.stream("-", windw="5m")  # type: ignore[call-arg]  # no such keyword
mill.stream("-", window=["5m"])  # type: ignore[arg-type]  # not a duration
mill.files("incoming/", window="5m")  # type: ignore[call-arg]  # a keyword of streams
Millstream(".millstream")  # type: ignore[call-arg, arg-type]  # keywords only
pack([1], 10)  # type: ignore[call-arg]  # keywords only


@mill.stream("-")  # type: ignore[type-var]  # a handler takes the context, too
def without_context(batch: Batch) -> None:
    """Not a handler."""
    del batch
