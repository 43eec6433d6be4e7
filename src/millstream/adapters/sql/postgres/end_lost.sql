-- Attempts whose workers are gone end by a guarded UPDATE and are written down.
WITH ended AS (
    {inner}
), recorded AS (
    INSERT INTO attempt (batch_id, attempt, claimed_at, ended_at, outcome, seconds, error, owner)
    SELECT id, attempts, claimed_at, CAST(:ended_at AS DOUBLE PRECISION), 'lost', 0, CAST(:detail AS TEXT), owner
    FROM ended
    ON CONFLICT (batch_id, attempt) DO NOTHING
)
SELECT COUNT(*) FROM ended
