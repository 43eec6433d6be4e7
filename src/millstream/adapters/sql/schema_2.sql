-- Schema version 2: ingestions. All times are engine seconds.

CREATE TABLE ingestion (
    seq               INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id        TEXT NOT NULL UNIQUE,
    principal         TEXT NOT NULL,
    idempotency_key   TEXT,
    fingerprint       TEXT NOT NULL,
    sink              TEXT NOT NULL,
    spec              TEXT NOT NULL,
    found             TEXT,
    status            TEXT NOT NULL,
    queued            INTEGER NOT NULL,
    paused            INTEGER NOT NULL DEFAULT 0,
    plan_offset       INTEGER NOT NULL DEFAULT 0,
    plan_record       INTEGER NOT NULL DEFAULT 0,
    plan_seq          INTEGER NOT NULL DEFAULT 0,
    planning          INTEGER NOT NULL DEFAULT 0,
    planned_all       INTEGER NOT NULL DEFAULT 0,
    plan_failed       INTEGER NOT NULL DEFAULT 0,
    exact_from        INTEGER,
    chunks_planned    INTEGER NOT NULL DEFAULT 0,
    chunks_done       INTEGER NOT NULL DEFAULT 0,
    chunks_failed     INTEGER NOT NULL DEFAULT 0,
    chunks_unjoined   INTEGER NOT NULL DEFAULT 0,
    bytes_done        INTEGER NOT NULL DEFAULT 0,
    records_published INTEGER NOT NULL DEFAULT 0,
    records_rejected  INTEGER NOT NULL DEFAULT 0,
    out_bytes         INTEGER NOT NULL DEFAULT 0,
    waits_for         TEXT NOT NULL DEFAULT '',
    error             TEXT NOT NULL DEFAULT '',
    successor         TEXT NOT NULL DEFAULT '',
    created_at        REAL NOT NULL,
    updated_at        REAL NOT NULL,
    started_at        REAL,
    ended_at          REAL
);
CREATE UNIQUE INDEX ingestion_key       ON ingestion (principal, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX        ingestion_principal ON ingestion (principal, seq);
CREATE INDEX        ingestion_status    ON ingestion (status, seq);
CREATE INDEX        ingestion_going     ON ingestion (principal)                  WHERE ended_at IS NULL;
CREATE INDEX        ingestion_ended     ON ingestion (ended_at)                   WHERE ended_at IS NOT NULL;
CREATE INDEX        ingestion_unended   ON ingestion (seq)                        WHERE ended_at IS NULL;

CREATE TABLE chunk (
    message_id   TEXT NOT NULL,
    seq          INTEGER NOT NULL,
    batch_id     TEXT NOT NULL UNIQUE,
    first_byte   INTEGER NOT NULL,
    end_byte     INTEGER NOT NULL,
    first_record INTEGER NOT NULL,
    records      INTEGER NOT NULL,
    too_long     INTEGER NOT NULL,
    unterminated INTEGER NOT NULL,
    published    INTEGER NOT NULL DEFAULT 0,
    rejected     INTEGER NOT NULL DEFAULT 0,
    receipt      TEXT NOT NULL DEFAULT '',
    out_bytes    INTEGER NOT NULL DEFAULT 0,
    unjoined     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (message_id, seq)
) WITHOUT ROWID;
CREATE INDEX chunk_unjoined ON chunk (message_id, unjoined, seq) WHERE unjoined = TRUE;

-- The malformed records that are kept.
CREATE TABLE reject (
    message_id TEXT NOT NULL,
    record     INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    first_byte INTEGER NOT NULL,
    end_byte   INTEGER NOT NULL,
    reason     TEXT NOT NULL,
    PRIMARY KEY (message_id, record)
) WITHOUT ROWID;

-- Plan steps and chunks by their ingestion, which is their key.
CREATE INDEX batch_ingestion ON batch (key, state, kind) WHERE kind IN ('chunk', 'plan');

-- Numbers of events are never given again, whatever is pruned, so whoever has read up to one can go on from there.
ALTER TABLE event RENAME TO event_1;
DROP INDEX event_batch;
CREATE TABLE event (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    at       REAL NOT NULL,
    batch_id TEXT NOT NULL,
    what     TEXT NOT NULL,
    detail   TEXT NOT NULL
);
CREATE INDEX event_batch ON event (batch_id, seq);
INSERT INTO event (seq, at, batch_id, what, detail) SELECT seq, at, batch_id, what, detail FROM event_1;
DROP TABLE event_1;
