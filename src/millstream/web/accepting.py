"""Taking a file on: is it there, is there room, was it asked for before.

Theory of operation: the file is looked at before it is taken on, so a wrong name is told at once; when its store is
down it is taken on all the same, and waits. At most so many stores are asked at a time, and as many wait for that.
With an idempotency key the ledger says, in the transaction that takes the file on, whether the request was made before;
so two at once make one job. A request that was made before gets its answer again even if the file is gone by now:
accepting with no room at all asks the ledger for that and changes nothing.
"""

import asyncio
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus

from millstream.core.ingestion import Acceptance, Answered
from millstream.core.splitting import DEFAULT_CHUNK_BYTES
from millstream.errors import InvalidValueError, ObjectMissingError, ObjectRefusedError, StoreUnavailableError
from millstream.ports.store import StoredObject
from millstream.web.asking import IngestRequest
from millstream.web.keys import Caller
from millstream.web.problems import ProblemError, Wrong, busy, invalid, not_found
from millstream.web.room import Room
from millstream.web.service import Wanted

FULL_AFTER_S = 10
SAME_AFTER_S = 1
HEAD_S = 10.0


async def accept(request: IngestRequest, *, idempotency_key: str | None, caller: Caller, room: Room) -> Acceptance:
    """Take it on; the result is `new` or `same`; everything else is raised as a problem."""
    wanted = _wanted(request, idempotency_key=idempotency_key, caller=caller, room=room)
    if not caller.may_use(request.file_container, configured=room.service.containers):
        raise not_found("a file")
    with _alone(wanted, room=room):
        try:
            _check_size(await _look(wanted, room=room), request=request, room=room)
        except ProblemError:
            earlier = await _earlier(wanted, room=room)
            if earlier is None:
                raise
            return earlier
        acceptance = await _take_on(wanted, room=room)
    if acceptance.answered is Answered.FULL:
        limit = room.settings.jobs_per_key
        raise busy(
            f"expected at most {limit:,} unfinished jobs, found as many", after_s=FULL_AFTER_S, kind="too-many-jobs"
        )
    _refuse_conflict(acceptance)
    return acceptance


def fingerprint(request: IngestRequest) -> str:
    """Equal for requests that ask for the same."""
    document = request.model_dump(mode="json", exclude_none=True)
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _wanted(request: IngestRequest, *, idempotency_key: str | None, caller: Caller, room: Room) -> Wanted:
    return Wanted(
        container=request.file_container,
        file_name=request.file_name,
        principal=caller.principal,
        format=request.format,
        policy=request.policy or room.settings.policy,
        chunk_bytes=request.chunk_bytes,
        delimiter=request.delimiter,
        quote=request.quote,
        header=request.header,
        encoding=request.encoding,
        compression=request.compression,
        on_change=request.on_change or room.settings.on_change,
        idempotency_key=idempotency_key,
        fingerprint=fingerprint(request) if idempotency_key is not None else "",
        limit=room.settings.jobs_per_key,
    )


@contextmanager
def _alone(wanted: Wanted, *, room: Room) -> Iterator[None]:
    """Refuse a request whose idempotency key is being answered for just now."""
    if wanted.idempotency_key is None:
        yield
        return
    claim = (wanted.principal, wanted.idempotency_key)
    if claim in room.requests_under_way:
        raise ProblemError(
            HTTPStatus.CONFLICT,
            kind="request-in-flight",
            detail="Idempotency-Key: expected one request at a time, found that another one with it is being answered",
            wrong=[Wrong(field="Idempotency-Key", detail="another request with it is being answered")],
            headers={"Retry-After": str(SAME_AFTER_S)},
        )
    room.requests_under_way.add(claim)
    try:
        yield
    finally:
        room.requests_under_way.discard(claim)


async def _look(wanted: Wanted, *, room: Room) -> StoredObject | None:
    """The file as it is now, None when its store does not say."""
    loop = asyncio.get_running_loop()
    ask = loop.run_in_executor(room.heads, lambda: room.service.head(wanted.container, name=wanted.file_name))
    try:
        async with asyncio.timeout(HEAD_S):
            return await ask
    except (ObjectMissingError, ObjectRefusedError):
        raise not_found("a file") from None
    except (StoreUnavailableError, TimeoutError):
        return None


def _check_size(found: StoredObject | None, *, request: IngestRequest, room: Room) -> None:
    if found is None:
        return
    size_bytes, most = found.size_bytes, room.settings.file_bytes
    if most is not None and size_bytes > most:
        raise invalid("file_name", detail=f"expected a file of at most {most:,} bytes, found {size_bytes:,}")
    chunks = room.settings.chunks_per_job
    if request.chunk_bytes is not None and size_bytes > chunks * request.chunk_bytes:
        least = min(-(-size_bytes // chunks), DEFAULT_CHUNK_BYTES)
        raise invalid(
            "chunk_bytes",
            detail=f"expected at least {least:,} for a file of {size_bytes:,} bytes, found {request.chunk_bytes:,}",
        )


async def _earlier(wanted: Wanted, *, room: Room) -> Acceptance | None:
    """What an earlier request with this idempotency key came to, if there was one."""
    if wanted.idempotency_key is None:
        return None
    acceptance = await _take_on(replace(wanted, limit=0), room=room)
    if acceptance.answered is Answered.FULL:
        return None
    _refuse_conflict(acceptance)
    return acceptance


async def _take_on(wanted: Wanted, *, room: Room) -> Acceptance:
    """Ask the service; settings that do not go together are the fault of the request."""
    try:
        return await room.service.accept(wanted)
    except InvalidValueError as error:
        if error.name not in IngestRequest.model_fields:
            raise
        raise invalid(error.name, detail=f"expected {error.expected}, found {error.found!r}") from None


def _refuse_conflict(acceptance: Acceptance) -> None:
    if acceptance.answered is Answered.CONFLICT:
        raise invalid(
            "Idempotency-Key", detail="expected a new key for another request, found one that was used before"
        )
