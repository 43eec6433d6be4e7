-- Schema version 1 (PRAGMA user_version). All times are engine seconds.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE pipeline (
    name             TEXT PRIMARY KEY,
    kind             TEXT NOT NULL,
    next_seq         INTEGER NOT NULL DEFAULT 1,
    accepted_records INTEGER NOT NULL DEFAULT 0,
    accepted_bytes   INTEGER NOT NULL DEFAULT 0,
    accepted_at      REAL NOT NULL DEFAULT 0,
    main_end         INTEGER NOT NULL DEFAULT 0,
    runs_end         INTEGER NOT NULL DEFAULT 0,
    spilled_to       INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE source (
    pipeline TEXT NOT NULL,
    source   TEXT NOT NULL,
    position TEXT NOT NULL,
    finished INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (pipeline, source)
) WITHOUT ROWID;

CREATE TABLE batch (
    seq             INTEGER PRIMARY KEY,
    id              TEXT NOT NULL UNIQUE,
    pipeline        TEXT NOT NULL,
    kind            TEXT NOT NULL,
    state           TEXT NOT NULL,
    key             TEXT,
    cut             TEXT,
    records         INTEGER NOT NULL DEFAULT 0,
    size_bytes      INTEGER NOT NULL DEFAULT 0,
    opened_at       REAL NOT NULL,
    closes_at       REAL,
    closed_at       REAL,
    last_at         REAL,
    attempts        INTEGER NOT NULL DEFAULT 0,
    failures        INTEGER NOT NULL DEFAULT 0,
    fence           INTEGER NOT NULL DEFAULT 0,
    not_before      REAL,
    claimed_at      REAL,
    started_at      REAL,
    finished_at     REAL,
    lease_until     REAL,
    owner           TEXT,
    paused          INTEGER NOT NULL DEFAULT 0,
    cancelled       INTEGER NOT NULL DEFAULT 0,
    oversize        INTEGER NOT NULL DEFAULT 0,
    alone           INTEGER NOT NULL DEFAULT 0,
    cost_s          REAL NOT NULL DEFAULT 0,
    error           TEXT,
    log             TEXT NOT NULL DEFAULT '',
    start           INTEGER NOT NULL DEFAULT 0,
    ranges          TEXT NOT NULL DEFAULT '[]',
    checksum        INTEGER NOT NULL DEFAULT 0,
    spilled_records INTEGER NOT NULL DEFAULT 0
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
    attempt    INTEGER NOT NULL,
    claimed_at REAL,
    ended_at   REAL NOT NULL,
    outcome    TEXT NOT NULL,
    seconds    REAL NOT NULL,
    error      TEXT,
    owner      TEXT,
    PRIMARY KEY (batch_id, attempt)
) WITHOUT ROWID;

-- What cannot be read off batch and attempt: operators, evictions, take-overs.
CREATE TABLE event (
    seq      INTEGER PRIMARY KEY,
    at       REAL NOT NULL,
    batch_id TEXT NOT NULL,
    what     TEXT NOT NULL,
    detail   TEXT NOT NULL
);
CREATE INDEX event_batch ON event (batch_id, seq);

CREATE TABLE file (
    pipeline   TEXT NOT NULL,
    path       TEXT NOT NULL,
    version    TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    mtime_ns   INTEGER NOT NULL,
    inode      INTEGER NOT NULL,
    root       TEXT NOT NULL,
    name       TEXT NOT NULL,
    state      TEXT NOT NULL,
    batch_id   TEXT NOT NULL,
    sha256     TEXT,
    seen_at    REAL NOT NULL,
    PRIMARY KEY (pipeline, path, version)
) WITHOUT ROWID;
CREATE INDEX file_batch ON file (batch_id, path);
CREATE INDEX file_path  ON file (path);
