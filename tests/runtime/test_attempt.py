"""What becomes of whatever a handler does, returns or raises."""

import asyncio
import hashlib
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.core.model import AttemptResult, Discard, Done, Eviction, Job, Retry
from millstream.errors import (
    HandlerImportError,
    MillstreamError,
    SinkRefusedError,
    SinkUnavailableError,
    StoreUnavailableError,
)
from millstream.runtime.attempt import build_handler, run_attempt
from millstream.runtime.batch import Batch, Context, Handler
from millstream.testing.pool_suite import bucket, job, listed


def attempt(handler: Handler, work: Job | None = None, *, read=None) -> AttemptResult:
    async def settle(awaitable):
        return await awaitable

    work = work or job()
    return asyncio.run(run_attempt(work, handler=handler, context=Context(work), read=read, settle=settle))


@pytest.mark.parametrize(
    ("returned", "outcome"),
    [
        (None, Done()),
        (Done("all of it"), Done("all of it")),
        (Discard("not ours"), Discard("not ours")),
        (Retry(after_s=7), Retry(after_s=7.0)),
        (Retry(error="busy\n  now"), Retry(error="busy now")),
    ],
)
def test_what_a_handler_may_return(returned, outcome):
    """Nothing is done; Done, Retry and Discard are taken as they are, their text in one line."""
    result = attempt(lambda batch, context: returned)

    assert result.outcome == outcome
    assert result.charged


@pytest.mark.parametrize("returned", [True, 0, "ok", Done, Retry(after_s=-1), Retry(after_s="soon"), Done(5)])
def test_anything_else_is_a_contract_error(returned):
    """What a handler must not return is a failure that says what came and what is expected."""
    result = attempt(lambda batch, context: returned)

    assert isinstance(result.outcome, Retry)
    assert f"the handler returned {returned!r} ({type(returned).__name__}); expected Done" in result.outcome.error


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("no\nway"), "ValueError: no way"),
        (KeyError("uid"), "KeyError: 'uid'"),
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        pytest.param(OSError("bad name \udcff"), "OSError: bad name \\udcff", id="no UTF-8"),
    ],
)
def test_an_exception_is_a_retry(error, text, caplog: pytest.LogCaptureFixture):
    """Whatever a handler raises becomes the error of its attempt, in one line of UTF-8."""
    caplog.set_level(logging.CRITICAL, "millstream")  # pytest-xdist cannot pass on what is no UTF-8

    def handler(batch, context):
        raise error

    result = attempt(handler)

    assert result.outcome == Retry(error=text)


@given(st.text(st.characters(), max_size=2_000))
def test_any_text_is_fit_for_the_ledger(text):
    """Whatever text a handler hands back becomes one short line that can be encoded."""
    result = attempt(lambda batch, context: Discard(text))

    reason = result.outcome.reason
    assert len(reason) <= 500
    assert len(reason.encode().splitlines()) <= 1


def test_async_handlers_are_awaited():
    """A coroutine function is awaited, and so is an awaitable that a plain function returned."""

    async def handler(batch, context):
        await asyncio.sleep(0)
        return Done("async")

    def plain(batch, context):
        return handler(batch, context)

    assert attempt(handler).outcome == Done("async")
    assert attempt(plain).outcome == Done("async")


def test_a_damaged_spool_is_a_retry():
    """A batch whose bytes are not what the ledger recorded fails when the handler reads it."""

    def handler(batch: Batch, context):
        list(batch)

    result = attempt(handler, job(size_bytes=4), read=lambda log, ranges: iter([b"a\n"]))

    assert "SpoolDamagedError" in result.outcome.error


def test_files_are_sealed_with_a_checksum(tmp_path: Path):
    """A bucket that is done comes with the SHA-256 of each of its files."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"1,2\n")

    result = attempt(lambda batch, context: None, bucket(listed(path)))

    assert result.outcome == Done()
    assert result.checksums == {str(path): hashlib.sha256(b"1,2\n").hexdigest()}


def test_a_checksum_that_the_handler_knows_is_taken(tmp_path: Path):
    """A handler that left a digest in its context spares the second reading; one that is none is a failure."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"1,2\n")

    def handler(digest):
        def handle(batch, context):
            context.checksums[str(path)] = digest

        return handle

    taken = attempt(handler("0" * 64), bucket(listed(path)))
    refused = attempt(handler("abc"), bucket(listed(path)))

    assert taken.checksums == {str(path): "0" * 64}
    assert "64 hex digits" in refused.outcome.error


def test_files_that_are_not_what_was_listed_are_evicted(tmp_path: Path):
    """Files that changed or disappeared before the work are named, uncharged, and the handler is not called."""
    kept, changed, gone, linked = (tmp_path / name for name in ("kept", "changed", "gone", "linked"))
    for path in (kept, changed, gone, linked):
        path.write_bytes(b"old")
    files = [listed(path) for path in (kept, changed, gone, linked)]
    changed.write_bytes(b"newer")
    gone.unlink()
    linked.unlink()
    linked.symlink_to(kept)
    calls = []

    result = attempt(lambda batch, context: calls.append(batch), bucket(*files))

    assert calls == []
    assert not result.charged
    assert result.evictions == (
        Eviction(listed=files[1], current=listed(changed)),
        Eviction(listed=files[2], current=None),
        Eviction(listed=files[3], current=None),
    )
    assert result.outcome == Retry(error=f"{changed} changed since it was listed (size 3 -> 5), and 2 more like it")


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda path: path.write_bytes(b"twelve bytes"), "changed while it was worked (size 3 -> 12)"),
        (lambda path: path.unlink(), "disappeared while it was worked"),
        (
            lambda path: path.rename(path.with_suffix(".x")) and path.write_bytes(b"new"),
            "another file of the same size",
        ),
        (lambda path: __import__("os").utime(path, ns=(0, 0)), "same size, modified"),
    ],
)
def test_a_file_that_changes_under_work_is_charged(tmp_path: Path, spoil, complaint):
    """A bucket whose file changed or disappeared while it was worked is not done, although the handler says so."""
    path = tmp_path / "a"
    path.write_bytes(b"old")

    result = attempt(lambda batch, context: spoil(path) and None, bucket(listed(path)))

    assert isinstance(result.outcome, Retry)
    assert result.outcome.error.startswith(str(path))
    assert complaint in result.outcome.error
    assert result.charged
    assert result.evictions == ()


def test_a_handler_that_cannot_be_built_is_a_start_up_error():
    """Whatever importing a handler raises becomes one HandlerImportError that names pipeline and reason."""

    def broken():
        raise SystemExit("no licence")

    with pytest.raises(HandlerImportError, match="cannot load 'clicks': SystemExit: no licence"):
        build_handler(broken, pipeline="clicks")


@pytest.mark.parametrize(
    ("error", "charged", "hopeless"),
    [
        (StoreUnavailableError(address="s3://b", reason="no answer"), False, False),
        (SinkUnavailableError(address="amqp://h/q", reason="no answer"), False, False),
        (SinkRefusedError(address="amqp://h/q", reason="too large"), True, True),
        (ValueError("bad"), True, False),
    ],
)
def test_what_is_down_outside_is_not_charged(error, charged, hopeless, caplog: pytest.LogCaptureFixture):
    """A store or sink that is down costs no retry; one that refuses for good ends all of them; without a traceback."""

    def handler(batch, context):
        raise error

    result = attempt(handler)

    assert isinstance(result.outcome, Retry)
    assert (result.charged, result.hopeless) == (charged, hopeless)
    if isinstance(error, MillstreamError):
        assert result.outcome.error == str(error)
        assert not caplog.records
