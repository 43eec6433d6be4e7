-- A ledger as schema version 1 wrote it: its tables, and batches in every state.
PRAGMA user_version = 1;
BEGIN TRANSACTION;
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
INSERT INTO "attempt" VALUES('dead',1,43200.0,43200.0,'retry',0.5,'it broke','engine/1');
INSERT INTO "attempt" VALUES('discarded',1,43200.0,43200.0,'discard',0.5,'not wanted','engine/1');
INSERT INTO "attempt" VALUES('done',1,43200.0,43200.0,'done',0.5,NULL,'engine/1');
INSERT INTO "attempt" VALUES('waiting',1,43200.0,43200.0,'retry',0.5,'it broke','engine/1');
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
INSERT INTO "batch" VALUES(1,'dead','orders','minibatch','dead',NULL,'time',3,30,43140.0,43200.0,43200.0,43140.0,1,1,1,NULL,43200.0,NULL,43200.0,NULL,'engine/1',1,0,0,0,0.0,'it broke','main',0,'[[0, 30]]',1234,0);
INSERT INTO "batch" VALUES(2,'discarded','orders','minibatch','discarded',NULL,'time',3,30,43140.0,43200.0,43200.0,43140.0,1,0,1,NULL,43200.0,NULL,43200.0,NULL,'engine/1',1,0,0,0,0.0,'not wanted','main',0,'[[0, 30]]',1234,0);
INSERT INTO "batch" VALUES(3,'done','orders','minibatch','done',NULL,'time',3,30,43140.0,43200.0,43200.0,43140.0,1,0,1,NULL,43200.0,NULL,43200.0,NULL,'engine/1',1,0,0,0,0.0,NULL,'main',0,'[[0, 30]]',1234,0);
INSERT INTO "batch" VALUES(4,'waiting','orders','minibatch','waiting',NULL,'time',3,30,43140.0,43200.0,43200.0,43140.0,1,1,1,43260.0,43200.0,NULL,NULL,NULL,'engine/1',1,0,0,0,0.0,'it broke','main',0,'[[0, 30]]',1234,0);
INSERT INTO "batch" VALUES(5,'running','orders','minibatch','running',NULL,'time',3,30,43140.0,43200.0,43200.0,43140.0,1,0,1,NULL,43200.0,NULL,NULL,NULL,'engine/1',1,0,0,0,0.0,NULL,'main',0,'[[0, 30]]',1234,0);
INSERT INTO "batch" VALUES(6,'open','orders','minibatch','open',NULL,NULL,0,0,43140.0,43200.0,NULL,43140.0,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,1,0,0,0,0.0,NULL,'main',0,'[]',0,0);
INSERT INTO "batch" VALUES(7,'ready','orders','minibatch','ready',NULL,'time',3,30,43140.0,43200.0,43200.0,43140.0,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,1,0,0,0,0.0,NULL,'main',0,'[[0, 30]]',1234,0);
INSERT INTO "batch" VALUES(8,'files-990f35c5c669a1c2','files','bucket','ready',NULL,NULL,2,200,43200.0,NULL,43200.0,NULL,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0,1.0,NULL,'',0,'[]',0,0);
INSERT INTO "batch" VALUES(9,'keyed','orders','minibatch','open','m',NULL,0,0,43140.0,43200.0,NULL,43140.0,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0,0.0,NULL,'main',0,'[]',0,0);
CREATE TABLE event (
    seq      INTEGER PRIMARY KEY,
    at       REAL NOT NULL,
    batch_id TEXT NOT NULL,
    what     TEXT NOT NULL,
    detail   TEXT NOT NULL
);
INSERT INTO "event" VALUES(1,43200.0,'dead','paused','paused by an operator');
INSERT INTO "event" VALUES(2,43200.0,'discarded','paused','paused by an operator');
INSERT INTO "event" VALUES(3,43200.0,'done','paused','paused by an operator');
INSERT INTO "event" VALUES(4,43200.0,'waiting','paused','paused by an operator');
INSERT INTO "event" VALUES(5,43200.0,'running','paused','paused by an operator');
INSERT INTO "event" VALUES(6,43200.0,'open','paused','paused by an operator');
INSERT INTO "event" VALUES(7,43200.0,'ready','paused','paused by an operator');
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
INSERT INTO "file" VALUES('files','/in/a','100-1-1',100,1,1,'/in','a','planned','files-990f35c5c669a1c2',NULL,43200.0);
INSERT INTO "file" VALUES('files','/in/b','100-1-1',100,1,1,'/in','b','planned','files-990f35c5c669a1c2',NULL,43200.0);
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO "meta" VALUES('anchor','zwölf');
INSERT INTO "meta" VALUES('epoch','1');
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
INSERT INTO "pipeline" VALUES('orders','minibatch',3,2,20,43200.0,40,0,0);
CREATE TABLE source (
    pipeline TEXT NOT NULL,
    source   TEXT NOT NULL,
    position TEXT NOT NULL,
    finished INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (pipeline, source)
) WITHOUT ROWID;
INSERT INTO "source" VALUES('orders','file','{"at": 2}',0);
CREATE INDEX batch_ready   ON batch (pipeline, cost_s DESC, seq) WHERE state = 'ready';
CREATE INDEX batch_waiting ON batch (pipeline, not_before)       WHERE state = 'waiting';
CREATE INDEX batch_running ON batch (lease_until)                WHERE state = 'running';
CREATE INDEX batch_open    ON batch (pipeline)                   WHERE state = 'open';
CREATE INDEX batch_done    ON batch (finished_at)                WHERE state IN ('done', 'discarded');
CREATE INDEX batch_dead    ON batch (seq)                        WHERE state = 'dead';
CREATE INDEX event_batch ON event (batch_id, seq);
CREATE INDEX file_batch ON file (batch_id, path);
CREATE INDEX file_path  ON file (path);
COMMIT;
