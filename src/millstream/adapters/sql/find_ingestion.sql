SELECT * FROM ingestion WHERE message_id = :message_id {lock}
