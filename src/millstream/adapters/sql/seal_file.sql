UPDATE file SET sha256 = :sha256 WHERE batch_id = :batch_id AND path = :path
