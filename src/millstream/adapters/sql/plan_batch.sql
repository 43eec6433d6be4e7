-- A batch that was planned before and came to nothing, or a plan step that is repeated, begins anew; its fence goes on
-- from where it was, so that nobody who worked at it can take it for the new one.
INSERT INTO batch
    (id, pipeline, kind, state, key, records, size_bytes, opened_at, closed_at, paused, cost_s)
VALUES
    (:batch_id, :pipeline, :kind, 'ready', :message_id, :records, :size_bytes, :at, :at, :paused, :cost_s)
ON CONFLICT (id) DO UPDATE
SET state = 'ready', records = excluded.records, size_bytes = excluded.size_bytes, paused = excluded.paused,
    failures = 0, alone = FALSE, error = NULL, finished_at = NULL, not_before = NULL,
    started_at = NULL, lease_until = NULL
WHERE batch.key = excluded.key AND batch.kind = excluded.kind
  AND (batch.state = 'discarded' OR batch.state = 'done' AND batch.kind = 'plan')
RETURNING id
