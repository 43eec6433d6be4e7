INSERT INTO reject (message_id, record, seq, first_byte, end_byte, reason)
VALUES (:message_id, :record, :seq, :first_byte, :end_byte, :reason)
ON CONFLICT (message_id, record) DO NOTHING
