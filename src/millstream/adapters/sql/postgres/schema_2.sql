-- Schema version 2: ingestions. All times are engine seconds.

CREATE TABLE ingestion (
    seq               BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id        TEXT COLLATE "C" NOT NULL UNIQUE,
    principal         TEXT COLLATE "C" NOT NULL,
    idempotency_key   TEXT COLLATE "C",
    fingerprint       TEXT NOT NULL,
    sink              TEXT NOT NULL,
    spec              TEXT NOT NULL,
    found             TEXT,
    status            TEXT NOT NULL,
    queued            BOOLEAN NOT NULL,
    paused            BOOLEAN NOT NULL DEFAULT FALSE,
    plan_offset       BIGINT NOT NULL DEFAULT 0,
    plan_record       BIGINT NOT NULL DEFAULT 0,
    plan_seq          BIGINT NOT NULL DEFAULT 0,
    planning          BOOLEAN NOT NULL DEFAULT FALSE,
    planned_all       BOOLEAN NOT NULL DEFAULT FALSE,
    plan_failed       BOOLEAN NOT NULL DEFAULT FALSE,
    exact_from        BIGINT,
    chunks_planned    BIGINT NOT NULL DEFAULT 0,
    chunks_done       BIGINT NOT NULL DEFAULT 0,
    chunks_failed     BIGINT NOT NULL DEFAULT 0,
    chunks_unjoined   BIGINT NOT NULL DEFAULT 0,
    bytes_done        BIGINT NOT NULL DEFAULT 0,
    records_published BIGINT NOT NULL DEFAULT 0,
    records_rejected  BIGINT NOT NULL DEFAULT 0,
    out_bytes         BIGINT NOT NULL DEFAULT 0,
    waits_for         TEXT NOT NULL DEFAULT '',
    error             TEXT NOT NULL DEFAULT '',
    successor         TEXT NOT NULL DEFAULT '',
    created_at        DOUBLE PRECISION NOT NULL,
    updated_at        DOUBLE PRECISION NOT NULL,
    started_at        DOUBLE PRECISION,
    ended_at          DOUBLE PRECISION
);
CREATE UNIQUE INDEX ingestion_key       ON ingestion (principal, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX        ingestion_principal ON ingestion (principal, seq);
CREATE INDEX        ingestion_status    ON ingestion (status, seq);
CREATE INDEX        ingestion_going     ON ingestion (principal)                  WHERE ended_at IS NULL;
CREATE INDEX        ingestion_ended     ON ingestion (ended_at)                   WHERE ended_at IS NOT NULL;
CREATE INDEX        ingestion_unended   ON ingestion (seq)                        WHERE ended_at IS NULL;

CREATE TABLE chunk (
    message_id   TEXT COLLATE "C" NOT NULL,
    seq          BIGINT NOT NULL,
    batch_id     TEXT NOT NULL UNIQUE,
    first_byte   BIGINT NOT NULL,
    end_byte     BIGINT NOT NULL,
    first_record BIGINT NOT NULL,
    records      BIGINT NOT NULL,
    too_long     BOOLEAN NOT NULL,
    unterminated BOOLEAN NOT NULL,
    published    BIGINT NOT NULL DEFAULT 0,
    rejected     BIGINT NOT NULL DEFAULT 0,
    receipt      TEXT NOT NULL DEFAULT '',
    out_bytes    BIGINT NOT NULL DEFAULT 0,
    unjoined     BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (message_id, seq)
);
CREATE INDEX chunk_unjoined ON chunk (message_id, unjoined, seq) WHERE unjoined = TRUE;

-- The malformed records that are kept.
CREATE TABLE reject (
    message_id TEXT COLLATE "C" NOT NULL,
    record     BIGINT NOT NULL,
    seq        BIGINT NOT NULL,
    first_byte BIGINT NOT NULL,
    end_byte   BIGINT NOT NULL,
    reason     TEXT NOT NULL,
    PRIMARY KEY (message_id, record)
);

-- Plan steps and chunks by their ingestion, which is their key.
CREATE INDEX batch_ingestion ON batch (key, state, kind) WHERE kind IN ('chunk', 'plan');
