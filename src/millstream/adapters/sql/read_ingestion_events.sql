SELECT seq AS id, batch_id AS message_id, at, what, detail
FROM event
WHERE batch_id = :message_id AND seq > :after
ORDER BY seq
LIMIT :limit
