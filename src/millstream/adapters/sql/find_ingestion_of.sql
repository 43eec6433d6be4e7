SELECT *
FROM ingestion
WHERE message_id = (SELECT key FROM batch WHERE id = :batch_id AND kind IN ('chunk', 'plan'))
{lock}
