UPDATE chunk SET unjoined = FALSE WHERE message_id = :message_id AND seq = :seq
