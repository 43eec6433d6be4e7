"""Which steps belong to which operation and query."""

from collections.abc import Callable
from typing import Any

from millstream.adapters.sql.ingesting import accepting, asking, operating
from millstream.adapters.sql.steps import Steps
from millstream.core.ingestion import operations as op
from millstream.core.ingestion import queries
from millstream.core.operations import Operation
from millstream.core.queries import Query

_OPERATIONS: dict[type[Operation[Any]], Callable[[Any], Steps[Any]]] = {
    op.Accept: accepting.accept,
    op.Queue: accepting.queue,
    op.Act: operating.act,
    op.Explain: operating.explain,
    op.Joined: operating.join,
    op.Redo: operating.redo,
}
_QUERIES: dict[type[Query[Any]], Callable[[Any], Steps[Any]]] = {
    queries.ReadIngestion: asking.read_ingestion,
    queries.ReadIngestions: asking.read_ingestions,
    queries.ReadChunks: asking.read_chunks,
    queries.ReadRejects: asking.read_rejects,
    queries.ReadIngestionEvents: asking.read_events,
    queries.ReadUnjoined: asking.read_unjoined,
    queries.ReadReady: asking.read_ready,
}

OPERATIONS = tuple(_OPERATIONS)
"""Those that `steps_of` knows; a claim needs the ledger's own way to claim."""

QUERIES = tuple(_QUERIES)
"""Those that `answer_of` knows."""


def steps_of(operation: Operation[Any]) -> Steps[Any]:
    """What an operation does."""
    return _OPERATIONS[type(operation)](operation)


def answer_of(query: Query[Any]) -> Steps[Any]:
    """What a query asks, and its answer."""
    return _QUERIES[type(query)](query)
