UPDATE batch
SET state = {claim.target}, attempts = attempts + 1, fence = fence + 1, owner = :owner, claimed_at = :at,
    started_at = NULL, not_before = NULL, lease_until = :lease_until
WHERE id = :batch_id AND {claim.applies}
RETURNING
    id, kind, pipeline, attempts AS attempt, fence, failures, records, size_bytes, key, cut, opened_at, closed_at, log, ranges,
    checksum, oversize, alone
