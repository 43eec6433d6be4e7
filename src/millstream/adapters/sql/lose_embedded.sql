UPDATE batch
SET state = {lose.target}, started_at = NULL
WHERE {lose.applies} AND lease_until IS NULL
RETURNING id, attempts, claimed_at, owner
