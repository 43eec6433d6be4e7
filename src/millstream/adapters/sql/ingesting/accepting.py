"""Taking a file on."""

from millstream.adapters.sql.ingesting.coding import text_of
from millstream.adapters.sql.ingesting.standing import open_draft, settled
from millstream.adapters.sql.steps import Row, Steps, ask
from millstream.core.ingestion.operations import Accept, Acceptance, Answered, Queue
from millstream.core.tasks import FileSpec, Status

NONE = ""


def accept(operation: Accept) -> Steps[Acceptance]:
    """See core.ingestion.Accept."""
    earlier = yield from _earlier(operation)
    if earlier is None and operation.limit is not None:
        _, counted = yield [
            ask("lock_principal", principal=operation.principal),
            ask("count_going", principal=operation.principal),
        ]
        if counted[0]["going"] >= operation.limit:
            return Acceptance(answered=Answered.FULL, message_id=NONE)
    if earlier is None and (
        yield from introduce(
            operation.spec,
            principal=operation.principal,
            at=operation.at,
            is_queued=operation.is_queued,
            idempotency_key=operation.idempotency_key,
            fingerprint=operation.fingerprint,
        )
    ):
        return Acceptance(answered=Answered.NEW, message_id=operation.spec.message_id)
    if earlier is None:  # somebody else was faster
        earlier = yield from _earlier(operation)
    if earlier is None:
        raise RuntimeError(f"an ingestion is neither new nor known: {operation!r}")
    is_same = earlier["fingerprint"] == operation.fingerprint
    return Acceptance(answered=Answered.SAME if is_same else Answered.CONFLICT, message_id=earlier["message_id"])


def _earlier(operation: Accept) -> Steps[Row | None]:
    """The ingestion that has the idempotency key, or else the message id."""
    asks = [ask("find_ingestion", message_id=operation.spec.message_id)]
    if operation.idempotency_key is not None:
        key = operation.idempotency_key
        asks.append(ask("find_ingestion_by_key", principal=operation.principal, idempotency_key=key))
    answers = yield asks
    return next((rows[0] for rows in reversed(answers) if rows), None)


def introduce(
    spec: FileSpec,
    *,
    principal: str,
    at: float,
    is_queued: bool,
    idempotency_key: str | None = None,
    fingerprint: str = "",
) -> Steps[bool]:
    """Write a new ingestion down, with its first plan step if it is queued; False if there is one already."""
    (made,) = yield [
        ask(
            "accept_ingestion",
            message_id=spec.message_id,
            principal=principal,
            idempotency_key=idempotency_key,
            fingerprint=fingerprint,
            sink=spec.sink,
            spec=text_of(spec),
            status=Status.ACCEPTED,
            queued=False,
            at=at,
        )
    ]
    if not made:
        return False
    draft = yield from open_draft(spec.message_id, at=at)
    if draft is None:
        raise RuntimeError(f"an ingestion that was just made is gone: {spec.message_id}")
    draft.note("accepted", f"{spec.container}/{spec.name}")
    if is_queued:
        draft.set(queued=True)
        draft.note("queued")
    yield from settled(draft)
    return True


def queue(operation: Queue) -> Steps[bool]:
    """See core.ingestion.Queue."""
    draft = yield from open_draft(operation.message_id, at=operation.at)
    if draft is None:
        return False
    if not draft.standing.queued and not draft.standing.is_ended:
        draft.set(queued=True)
        draft.note("queued")
        yield from settled(draft)
    return True
