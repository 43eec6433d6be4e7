SELECT record, seq, first_byte, end_byte, reason
FROM reject
WHERE message_id = :message_id AND record > :after
ORDER BY record
LIMIT :limit
