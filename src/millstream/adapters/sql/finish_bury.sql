UPDATE batch
SET state = {bury.target}, finished_at = :at, not_before = NULL,
    failures = failures + :charged, alone = :alone, error = :error, lease_until = NULL
WHERE id = :batch_id AND fence = :fence AND {bury.applies}
RETURNING attempts, claimed_at, owner, kind
