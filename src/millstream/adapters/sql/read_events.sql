SELECT at, batch_id, what, detail
FROM (SELECT * FROM event WHERE batch_id = :batch_id OR :batch_id IS NULL ORDER BY seq DESC LIMIT :limit) AS newest
ORDER BY seq
