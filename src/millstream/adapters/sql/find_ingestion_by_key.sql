SELECT message_id, fingerprint FROM ingestion WHERE principal = :principal AND idempotency_key = :idempotency_key
