-- The order of find_ready.
SELECT COUNT(*)
FROM batch AS own
JOIN batch AS other ON other.pipeline = own.pipeline AND other.state = 'ready' AND NOT other.paused
WHERE own.id = :batch_id
  AND (other.cost_s > own.cost_s OR other.cost_s = own.cost_s AND other.seq < own.seq)
