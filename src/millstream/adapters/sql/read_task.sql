SELECT
    batch.id, batch.kind, ingestion.spec, ingestion.found, ingestion.started_at, ingestion.plan_offset,
    ingestion.plan_record, ingestion.plan_seq, ingestion.exact_from, ingestion.message_id, chunk.seq, chunk.first_byte,
    chunk.end_byte, chunk.first_record, chunk.records, chunk.too_long, chunk.unterminated
FROM batch
JOIN ingestion ON ingestion.message_id = batch.key
LEFT JOIN chunk ON chunk.batch_id = batch.id
WHERE batch.id = :batch_id AND batch.kind IN ('chunk', 'plan')
