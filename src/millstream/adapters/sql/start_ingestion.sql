UPDATE ingestion
SET started_at = :at, updated_at = :at, status = CASE WHEN paused THEN 'paused' ELSE 'running' END
WHERE message_id = :message_id AND started_at IS NULL AND ended_at IS NULL
RETURNING message_id
