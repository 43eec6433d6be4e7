DELETE FROM event
WHERE batch_id = :message_id
   OR batch_id IN (SELECT id FROM batch WHERE key = :message_id AND kind IN ('chunk', 'plan'))
