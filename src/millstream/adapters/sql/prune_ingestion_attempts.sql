DELETE FROM attempt
WHERE batch_id IN (SELECT id FROM batch WHERE key = :message_id AND kind IN ('chunk', 'plan'))
