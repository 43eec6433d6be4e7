INSERT INTO batch (id, pipeline, kind, state, key, opened_at, closes_at, last_at, log, start)
VALUES (:batch_id, :pipeline, :kind, 'open', :key, :opened_at, :closes_at, :opened_at, :log, :start)
ON CONFLICT (id) DO NOTHING
