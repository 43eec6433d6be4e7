-- Schema version 1. All times are engine seconds. Text is ordered by its bytes, whatever the database's own order.

CREATE TABLE schema_version (
    version INTEGER NOT NULL
);

-- The newest transaction of each writer, so that one can be told whose answer got lost.
CREATE TABLE writer (
    author TEXT PRIMARY KEY,
    number BIGINT NOT NULL,
    at     TIMESTAMPTZ NOT NULL
);

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE pipeline (
    name             TEXT COLLATE "C" PRIMARY KEY,
    kind             TEXT NOT NULL,
    next_seq         BIGINT NOT NULL DEFAULT 1,
    accepted_records BIGINT NOT NULL DEFAULT 0,
    accepted_bytes   BIGINT NOT NULL DEFAULT 0,
    accepted_at      DOUBLE PRECISION NOT NULL DEFAULT 0,
    main_end         BIGINT NOT NULL DEFAULT 0,
    runs_end         BIGINT NOT NULL DEFAULT 0,
    spilled_to       BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE source (
    pipeline TEXT NOT NULL,
    source   TEXT NOT NULL,
    position TEXT NOT NULL,
    finished BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (pipeline, source)
);

CREATE TABLE batch (
    seq             BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id              TEXT NOT NULL UNIQUE,
    pipeline        TEXT COLLATE "C" NOT NULL,
    kind            TEXT NOT NULL,
    state           TEXT NOT NULL,
    key             TEXT,
    cut             TEXT,
    records         BIGINT NOT NULL DEFAULT 0,
    size_bytes      BIGINT NOT NULL DEFAULT 0,
    opened_at       DOUBLE PRECISION NOT NULL,
    closes_at       DOUBLE PRECISION,
    closed_at       DOUBLE PRECISION,
    last_at         DOUBLE PRECISION,
    attempts        BIGINT NOT NULL DEFAULT 0,
    failures        BIGINT NOT NULL DEFAULT 0,
    fence           BIGINT NOT NULL DEFAULT 0,
    not_before      DOUBLE PRECISION,
    claimed_at      DOUBLE PRECISION,
    started_at      DOUBLE PRECISION,
    finished_at     DOUBLE PRECISION,
    lease_until     DOUBLE PRECISION,
    owner           TEXT,
    paused          BOOLEAN NOT NULL DEFAULT FALSE,
    cancelled       BOOLEAN NOT NULL DEFAULT FALSE,
    oversize        BOOLEAN NOT NULL DEFAULT FALSE,
    alone           BOOLEAN NOT NULL DEFAULT FALSE,
    cost_s          DOUBLE PRECISION NOT NULL DEFAULT 0,
    error           TEXT,
    log             TEXT NOT NULL DEFAULT '',
    start           BIGINT NOT NULL DEFAULT 0,
    ranges          TEXT NOT NULL DEFAULT '[]',
    checksum        BIGINT NOT NULL DEFAULT 0,
    spilled_records BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX batch_ready   ON batch (pipeline, cost_s DESC, seq) WHERE state = 'ready';
CREATE INDEX batch_waiting ON batch (pipeline, not_before)       WHERE state = 'waiting';
CREATE INDEX batch_running ON batch (lease_until)                WHERE state = 'running';
CREATE INDEX batch_open    ON batch (pipeline)                   WHERE state = 'open';
CREATE INDEX batch_done    ON batch (finished_at)                WHERE state IN ('done', 'discarded');
CREATE INDEX batch_dead    ON batch (seq)                        WHERE state = 'dead';

-- Written when an attempt ends; the one that runs is described by its batch.
CREATE TABLE attempt (
    batch_id   TEXT NOT NULL,
    attempt    BIGINT NOT NULL,
    claimed_at DOUBLE PRECISION,
    ended_at   DOUBLE PRECISION NOT NULL,
    outcome    TEXT NOT NULL,
    seconds    DOUBLE PRECISION NOT NULL,
    error      TEXT,
    owner      TEXT,
    PRIMARY KEY (batch_id, attempt)
);

-- What cannot be read off batch and attempt: operators, evictions, take-overs.
CREATE TABLE event (
    seq      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       DOUBLE PRECISION NOT NULL,
    batch_id TEXT NOT NULL,
    what     TEXT NOT NULL,
    detail   TEXT NOT NULL
);
CREATE INDEX event_batch ON event (batch_id, seq);

CREATE TABLE file (
    pipeline   TEXT COLLATE "C" NOT NULL,
    path       TEXT COLLATE "C" NOT NULL,
    version    TEXT COLLATE "C" NOT NULL,
    size_bytes BIGINT NOT NULL,
    mtime_ns   BIGINT NOT NULL,
    inode      BIGINT NOT NULL,
    root       TEXT NOT NULL,
    name       TEXT NOT NULL,
    state      TEXT NOT NULL,
    batch_id   TEXT NOT NULL,
    sha256     TEXT,
    seen_at    DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (pipeline, path, version)
);
CREATE INDEX file_batch ON file (batch_id, path);
CREATE INDEX file_path  ON file (path);
