SELECT
    COUNT(*) AS chunks_planned,
    COUNT(*) FILTER (WHERE batch.state = 'done') AS chunks_done,
    COUNT(*) FILTER (WHERE batch.state IN ('dead', 'discarded')) AS chunks_failed,
    COUNT(*) FILTER (WHERE chunk.unjoined) AS chunks_unjoined,
    CAST(COALESCE(SUM(chunk.published), 0) AS BIGINT) AS records_published,
    CAST(COALESCE(SUM(chunk.rejected), 0) AS BIGINT) AS records_rejected,
    CAST(COALESCE(SUM(CASE WHEN batch.state = 'done' THEN batch.size_bytes END), 0) AS BIGINT) AS bytes_done
FROM chunk
JOIN batch ON batch.id = chunk.batch_id
WHERE chunk.message_id = :message_id
