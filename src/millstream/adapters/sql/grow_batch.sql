UPDATE batch
SET records = :records, size_bytes = :size_bytes, checksum = :checksum, last_at = :last_at, ranges = :ranges,
    spilled_records = :spilled_records
WHERE id = :batch_id AND state = 'open'
