UPDATE batch
SET state       = CASE WHEN cancelled THEN {close_cancelled.target} ELSE {close.target} END,
    finished_at = CASE WHEN cancelled THEN CAST(:at AS DOUBLE PRECISION) END,
    error       = CASE WHEN cancelled THEN 'cancelled' END,
    cut = :cut, closed_at = :closed_at, records = :records, size_bytes = :size_bytes, checksum = :checksum,
    ranges = :ranges
WHERE id = :batch_id AND {close.applies}
