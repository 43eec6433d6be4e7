SELECT * FROM batch WHERE id = :batch_id
