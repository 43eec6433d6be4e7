SELECT COUNT(*) FROM file WHERE batch_id = :batch_id
