DELETE FROM batch WHERE key = :message_id AND kind IN ('chunk', 'plan') RETURNING id
