-- One state at a time and spelled out, or partial indexes would not be used.
SELECT id, pipeline, kind, state, key, cut, records, size_bytes, opened_at, closes_at, closed_at, last_at, attempts,
       failures, fence, not_before, claimed_at, started_at, finished_at, owner, paused, cancelled, oversize, cost_s, error,
       log, start, ranges, checksum, spilled_records, alone, seq
FROM batch
WHERE state = '{state}' AND (:pipeline IS NULL OR pipeline = :pipeline)
ORDER BY seq
LIMIT :limit
