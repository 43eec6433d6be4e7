SELECT ingestion.*, (
    SELECT COUNT(*)
    FROM batch
    WHERE key = ingestion.message_id AND kind IN ('chunk', 'plan') AND state = 'running' AND kind = 'chunk'
) AS chunks_running
FROM ingestion
WHERE (principal = :principal OR :principal IS NULL) AND (seq < :before OR :before IS NULL) AND status IN ({chosen})
ORDER BY seq DESC
LIMIT :limit
