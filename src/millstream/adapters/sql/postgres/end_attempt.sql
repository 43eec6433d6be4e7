-- An attempt ends by a guarded UPDATE, is written down, and its files share its fate: all of it, or nothing.
WITH ended AS (
    {inner}
), recorded AS (
    INSERT INTO attempt (batch_id, attempt, claimed_at, ended_at, outcome, seconds, error, owner)
    SELECT CAST(:batch_id AS TEXT), attempts, claimed_at, CAST(:ended_at AS DOUBLE PRECISION), CAST(:outcome AS TEXT),
           CAST(:seconds AS DOUBLE PRECISION), CAST(:detail AS TEXT), owner
    FROM ended
    ON CONFLICT (batch_id, attempt) DO NOTHING
), filed AS (
    UPDATE file
    SET state = COALESCE(CAST(:file_state AS TEXT), state),
        sha256 = COALESCE(CAST(:checksums AS JSONB) ->> path, sha256)
    WHERE batch_id = CAST(:batch_id AS TEXT) AND EXISTS (SELECT 1 FROM ended)
      AND (CAST(:file_state AS TEXT) IS NOT NULL OR CAST(:checksums AS JSONB) IS NOT NULL)
)
SELECT COUNT(*), MAX(kind) FROM ended
