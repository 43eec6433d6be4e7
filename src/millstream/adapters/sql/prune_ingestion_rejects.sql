DELETE FROM reject WHERE message_id = :message_id
