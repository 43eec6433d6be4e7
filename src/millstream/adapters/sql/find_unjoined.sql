SELECT seq FROM chunk WHERE message_id = :message_id AND seq = :seq AND unjoined
