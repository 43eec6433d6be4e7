DELETE FROM chunk WHERE message_id = :message_id AND seq >= :seq
