SELECT at, batch_id, what, detail
FROM (SELECT * FROM event WHERE :batch_id IS NULL OR batch_id = :batch_id ORDER BY seq DESC LIMIT :limit)
ORDER BY seq
