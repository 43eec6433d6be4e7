UPDATE batch
SET state = {release.target}, lease_until = NULL, started_at = NULL
WHERE id = :batch_id AND fence = :fence AND {release.applies}
RETURNING attempts, claimed_at, owner, kind
