UPDATE file SET state = :state WHERE batch_id = :batch_id
