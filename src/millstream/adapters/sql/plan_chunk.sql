INSERT INTO chunk
    (message_id, seq, batch_id, first_byte, end_byte, first_record, records, too_long, unterminated)
VALUES
    (:message_id, :seq, :batch_id, :first_byte, :end_byte, :first_record, :records, :too_long, :unterminated)
