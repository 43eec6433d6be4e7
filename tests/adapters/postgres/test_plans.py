"""How the database finds rows."""

import asyncio
import re
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from adapters.postgres.places import Place, a_place
from millstream.adapters.postgres.session import numbered, numbered_choice
from servers.postgres import Postgres

WHOLE_TABLE = re.compile(r"Seq Scan on (batch|file|attempt|event|ingestion|chunk|reject)\b")
FILL = """
INSERT INTO batch (id, pipeline, kind, state, opened_at, closed_at, finished_at)
SELECT 'b' || n, 'orders', 'bucket', CASE n % 100 WHEN 0 THEN 'ready' WHEN 1 THEN 'running' WHEN 2 THEN 'waiting'
       WHEN 3 THEN 'open' ELSE 'done' END, 0, 0, n
FROM generate_series(1, 10000) AS n;
INSERT INTO file (pipeline, path, version, size_bytes, mtime_ns, inode, root, name, state, batch_id, seen_at)
SELECT 'orders', '/in/' || n, '1', 1, 1, n, '/in', n, 'done', 'b' || n, 0 FROM generate_series(1, 100000) AS n;
INSERT INTO attempt (batch_id, attempt, ended_at, outcome, seconds)
SELECT 'b' || n, 1, 0, 'done', 0 FROM generate_series(1, 10000) AS n;
INSERT INTO ingestion (message_id, principal, fingerprint, sink, spec, status, queued, created_at, updated_at, ended_at)
SELECT 'm' || n, '', '', 'out', '', 'succeeded', TRUE, 0, 0, CASE WHEN n > 10 THEN n END
FROM generate_series(1, 10000) AS n;
INSERT INTO batch (id, pipeline, kind, state, key, opened_at, closed_at, finished_at)
SELECT 'm' || n % 100 || '-' || n / 100, 'ingest', 'chunk', CASE n % 1000 WHEN 0 THEN 'ready' ELSE 'done' END,
       'm' || n % 100, 0, 0, n
FROM generate_series(0, 29999) AS n;
INSERT INTO chunk (message_id, seq, batch_id, first_byte, end_byte, first_record, records, too_long, unterminated)
SELECT 'm' || n % 100, n / 100, 'm' || n % 100 || '-' || n / 100, 0, 0, 0, 0, FALSE, FALSE
FROM generate_series(0, 29999) AS n;
INSERT INTO event (at, batch_id, what, detail) SELECT 0, 'm' || n % 100, '', '' FROM generate_series(1, 10000) AS n;
INSERT INTO reject (message_id, record, seq, first_byte, end_byte, reason)
SELECT 'm' || n % 100, n, 0, 0, 0, '' FROM generate_series(1, 10000) AS n;
ANALYZE;
"""


@pytest.fixture(scope="module")
def full(postgres: Postgres) -> Iterator[Place]:
    """A ledger that has seen much."""

    async def create(place: Place) -> None:
        ledger = place.ledger()
        await ledger.open()
        await ledger.close()

    with a_place(postgres) as place:
        asyncio.run(create(place))
        place.execute(FILL)
        yield place


@pytest.mark.parametrize(
    ("name", "inner"),
    [
        ("claim", ""),
        ("close_batch", ""),
        ("end_attempt", "finish_done"),
        ("end_attempt", "finish_retry"),
        ("end_attempt", "release"),
        ("end_lost", "lose_embedded"),
        ("end_lost", "lose_expired"),
        ("find_claimed", ""),
        ("find_file", ""),
        ("grow_batch", ""),
        ("plan_bucket", ""),
        ("prune_batches", ""),
        ("read_attempts", ""),
        ("read_known_versions", ""),
        ("read_next_due", ""),
        ("renew", ""),
        ("ripen", ""),
        ("shrink_bucket", ""),
        ("start", ""),
        ("with_files", "read_batch"),
        ("cancel_ingestion", ""),
        ("claim_batch", ""),
        ("count_going", ""),
        ("count_plans", ""),
        ("drop_chunks", ""),
        ("drop_plan", ""),
        ("find_chunk", ""),
        ("find_ended", ""),
        ("find_ingestion", ""),
        ("find_ingestion_by_key", ""),
        ("find_ingestion_of", ""),
        ("find_later", ""),
        ("find_ready_batch", ""),
        ("find_unjoined", ""),
        ("finish_chunk", ""),
        ("join_chunk", ""),
        ("lock_ingestions", ""),
        ("pause_ingestion", ""),
        ("plan_batch", ""),
        ("prune_ingestion_batches", ""),
        ("prune_ingestion_chunks", ""),
        ("prune_ingestion_rejects", ""),
        ("read_chunks", ""),
        ("read_ingestion", ""),
        ("read_ingestion_events", ""),
        ("read_ready_in", ""),
        ("read_ready_of", ""),
        ("read_rejects", ""),
        ("read_task", ""),
        ("read_unjoined", ""),
        ("revive_ingestion", ""),
        ("ripen_batch", ""),
        ("save_ingestion", ""),
        ("start_ingestion", ""),
    ],
)
def test_statements_find_rows_by_an_index(full: Place, name: str, inner: str) -> None:
    """What is asked often never reads a whole table, however many batches and files are kept."""
    text, names = numbered(name, inner) if inner else numbered_choice(name, ("done",))

    with psycopg.connect(full.url) as connection:
        connection.execute(SQL("SET search_path = {}").format(Identifier(full.schema)))
        connection.execute("SET plan_cache_mode = force_generic_plan")
        connection.execute(SQL("PREPARE it AS {}").format(SQL(text)))  # type: ignore[arg-type]
        nothing = SQL(", ").join([SQL("NULL")] * len(names))
        plan = [row[0] for row in connection.execute(SQL("EXPLAIN EXECUTE it ({})").format(nothing))]

    assert [step for step in plan if WHOLE_TABLE.search(step)] == []
