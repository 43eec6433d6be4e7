-- One state at a time and spelled out, or partial indexes would not be used.
SELECT *
FROM batch
WHERE state = '{state}' AND (:pipeline IS NULL OR pipeline = :pipeline)
ORDER BY seq
LIMIT :limit
