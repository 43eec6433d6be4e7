SELECT message_id FROM ingestion WHERE ended_at IS NOT NULL AND ended_at < :before ORDER BY seq {lock}
