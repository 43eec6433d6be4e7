UPDATE batch
SET records = (SELECT COUNT(*) FROM file WHERE batch_id = :batch_id),
    size_bytes = (SELECT COALESCE(SUM(size_bytes), 0) FROM file WHERE batch_id = :batch_id)
WHERE id = :batch_id
RETURNING records
