SELECT seq AS id, batch_id AS message_id, at, what, detail
FROM event
WHERE seq > :after AND EXISTS (SELECT 1 FROM ingestion WHERE ingestion.message_id = event.batch_id)
ORDER BY seq
LIMIT :limit
