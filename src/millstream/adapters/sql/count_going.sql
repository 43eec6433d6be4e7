SELECT COUNT(*) AS going FROM ingestion WHERE principal = :principal AND ended_at IS NULL
