-- One state at a time and spelled out, or partial indexes would not be used.
SELECT *
FROM batch
WHERE state = '{state}' AND (pipeline = :pipeline OR :pipeline IS NULL)
ORDER BY seq
LIMIT :limit
