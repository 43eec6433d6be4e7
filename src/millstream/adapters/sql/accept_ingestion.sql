INSERT INTO ingestion
    (message_id, principal, idempotency_key, fingerprint, sink, spec, status, queued, created_at, updated_at)
VALUES
    (:message_id, :principal, :idempotency_key, :fingerprint, :sink, :spec, :status, :queued, :at, :at)
ON CONFLICT DO NOTHING
RETURNING message_id
