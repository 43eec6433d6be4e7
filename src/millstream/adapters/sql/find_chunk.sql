SELECT * FROM chunk WHERE batch_id = :batch_id
