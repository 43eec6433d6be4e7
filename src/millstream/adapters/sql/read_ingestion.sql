SELECT ingestion.*, (
    SELECT COUNT(*)
    FROM batch
    WHERE key = ingestion.message_id AND kind IN ('chunk', 'plan') AND state = 'running' AND kind = 'chunk'
) AS chunks_running
FROM ingestion
WHERE message_id = :message_id
