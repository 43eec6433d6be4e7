-- Up to the first transaction that has not ended, or an event of it would be passed over.
SELECT seq AS id, batch_id AS message_id, at, what, detail
FROM event
WHERE seq > :after AND EXISTS (SELECT 1 FROM ingestion WHERE ingestion.message_id = event.batch_id)
  AND (author IS NULL OR author < pg_snapshot_xmin(pg_current_snapshot()))
ORDER BY seq
LIMIT :limit
