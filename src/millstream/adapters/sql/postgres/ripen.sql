-- Passes by what another engine makes ripe at the same moment.
UPDATE batch
SET state = {ripen.target}, not_before = NULL
WHERE seq IN (
    SELECT seq
    FROM batch
    WHERE pipeline = :pipeline AND {ripen.applies} AND not_before <= :at
    FOR UPDATE SKIP LOCKED
)
