-- In one step: choose by the order of the queue, lock, add up, claim. Batches that another claim has locked are
-- passed by. With work in hand nothing is even locked when the first of the queue does not fit.
WITH candidate AS MATERIALIZED (
    SELECT seq, size_bytes, cost_s
    FROM batch
    WHERE pipeline = :pipeline AND state = 'ready' AND NOT paused
      AND NOT EXISTS (SELECT 1 FROM meta WHERE key = 'paused' AND value = '1')
      AND (CAST(:at_least_one AS BOOLEAN) OR CAST(:max_bytes AS BIGINT) >= (
          SELECT size_bytes
          FROM batch
          WHERE pipeline = :pipeline AND state = 'ready' AND NOT paused
          ORDER BY cost_s DESC, seq
          LIMIT 1
      ))
    ORDER BY cost_s DESC, seq
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
), counted AS (
    SELECT seq, ROW_NUMBER() OVER queue AS place, SUM(size_bytes) OVER queue AS total_bytes
    FROM candidate
    WINDOW queue AS (ORDER BY cost_s DESC, seq ROWS UNBOUNDED PRECEDING)
), claimed AS (
    UPDATE batch
    SET state = {claim.target}, attempts = attempts + 1, fence = fence + 1, owner = :owner, claimed_at = :at,
        started_at = NULL, not_before = NULL, lease_until = :lease_until
    FROM counted
    WHERE batch.seq = counted.seq AND {claim.applies}
      AND (total_bytes <= CAST(:max_bytes AS BIGINT) OR place = 1 AND CAST(:at_least_one AS BOOLEAN))
    RETURNING
        place, id, kind, pipeline, attempts AS attempt, fence, failures, records, size_bytes, key, cut, opened_at,
        closed_at, log, ranges, checksum, oversize, alone
)
SELECT locked.batches AS locked, claimed.*,
    CASE WHEN claimed.kind = 'bucket' THEN (
        SELECT JSON_AGG(JSON_BUILD_OBJECT('path', path, 'size_bytes', size_bytes, 'mtime_ns', mtime_ns,
                                          'inode', inode, 'root', root, 'name', name) ORDER BY path)
        FROM file
        WHERE batch_id = claimed.id
    ) END AS files
FROM (SELECT COUNT(*) AS batches FROM candidate) AS locked
LEFT JOIN claimed ON TRUE
ORDER BY place
