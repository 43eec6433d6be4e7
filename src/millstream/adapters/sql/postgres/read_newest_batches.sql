SELECT *
FROM batch
WHERE CAST(:states AS JSONB) IS NULL OR CAST(:states AS JSONB) ? state
ORDER BY seq DESC
LIMIT :limit
