DELETE FROM ingestion WHERE message_id = :message_id
