SELECT *
FROM batch
WHERE :states IS NULL OR state IN (SELECT value FROM json_each(:states))
ORDER BY seq DESC
LIMIT :limit
