UPDATE ingestion SET found = :found WHERE message_id = :message_id
