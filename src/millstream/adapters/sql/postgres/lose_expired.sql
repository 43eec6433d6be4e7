-- Passes by what another engine takes back, or a worker renews or finishes, at the same moment.
UPDATE batch
SET state = {lose.target}, started_at = NULL, lease_until = NULL
WHERE seq IN (SELECT seq FROM batch WHERE {lose.applies} AND lease_until <= :at FOR UPDATE SKIP LOCKED)
RETURNING id, attempts, claimed_at, owner
