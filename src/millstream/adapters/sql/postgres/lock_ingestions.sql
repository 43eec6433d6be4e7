-- In the same order for everybody, so that nobody waits for who waits for him.
SELECT message_id
FROM ingestion
WHERE message_id IN (SELECT JSON_ARRAY_ELEMENTS_TEXT(CAST(:message_ids AS JSON)))
   OR message_id IN (
       SELECT key
       FROM batch
       WHERE id IN (SELECT JSON_ARRAY_ELEMENTS_TEXT(CAST(:batch_ids AS JSON))) AND kind IN ('chunk', 'plan')
   )
ORDER BY message_id
FOR UPDATE
