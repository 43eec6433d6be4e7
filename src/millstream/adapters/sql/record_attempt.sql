INSERT INTO attempt (batch_id, attempt, claimed_at, ended_at, outcome, seconds, error, owner)
VALUES (:batch_id, :attempt, :claimed_at, :ended_at, :outcome, :seconds, :error, :owner)
ON CONFLICT (batch_id, attempt) DO NOTHING
