INSERT INTO batch
    (id, pipeline, kind, state, records, size_bytes, opened_at, closed_at, not_before, oversize, cost_s, error, finished_at)
VALUES
    (:batch_id, :pipeline, 'bucket', :state, :records, :size_bytes, :at, :at, :not_before, :oversize, :cost_s, :error,
     CASE WHEN :state = 'dead' THEN :at END)
ON CONFLICT (id) DO NOTHING
