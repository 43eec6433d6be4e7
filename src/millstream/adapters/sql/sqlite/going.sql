-- How many ingestions of each principal have not ended, of this connection alone: see adapters.sqlite.going.
PRAGMA temp_store = MEMORY;

CREATE TEMP TABLE going (
    principal TEXT PRIMARY KEY,
    jobs      INTEGER NOT NULL
) WITHOUT ROWID;

-- The data version that they are of.
CREATE TEMP TABLE going_as_of (
    version INTEGER NOT NULL
);
INSERT INTO going_as_of (version) VALUES (-1);

CREATE TEMP TRIGGER going_begun AFTER INSERT ON main.ingestion WHEN NEW.ended_at IS NULL
BEGIN
    INSERT OR IGNORE INTO going (principal, jobs) VALUES (NEW.principal, 0);
    UPDATE going SET jobs = jobs + 1 WHERE principal = NEW.principal;
END;

CREATE TEMP TRIGGER going_ended AFTER UPDATE OF ended_at ON main.ingestion
WHEN OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL
BEGIN
    UPDATE going SET jobs = jobs - 1 WHERE principal = NEW.principal;
END;

CREATE TEMP TRIGGER going_again AFTER UPDATE OF ended_at ON main.ingestion
WHEN OLD.ended_at IS NOT NULL AND NEW.ended_at IS NULL
BEGIN
    INSERT OR IGNORE INTO going (principal, jobs) VALUES (NEW.principal, 0);
    UPDATE going SET jobs = jobs + 1 WHERE principal = NEW.principal;
END;

CREATE TEMP TRIGGER going_deleted AFTER DELETE ON main.ingestion WHEN OLD.ended_at IS NULL
BEGIN
    UPDATE going SET jobs = jobs - 1 WHERE principal = OLD.principal;
END;
