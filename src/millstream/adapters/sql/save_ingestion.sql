UPDATE ingestion
SET status = :status, queued = :queued, paused = :paused,
    plan_offset = :plan_offset, plan_record = :plan_record, plan_seq = :plan_seq,
    planning = :planning, planned_all = :planned_all, plan_failed = :plan_failed, exact_from = :exact_from,
    chunks_planned = :chunks_planned, chunks_done = :chunks_done, chunks_failed = :chunks_failed,
    chunks_unjoined = :chunks_unjoined, bytes_done = :bytes_done, records_published = :records_published,
    records_rejected = :records_rejected, out_bytes = :out_bytes, waits_for = :waits_for, error = :error,
    successor = :successor, updated_at = :updated_at, started_at = :started_at, ended_at = :ended_at
WHERE message_id = :message_id
