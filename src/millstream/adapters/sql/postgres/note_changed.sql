-- An operator changes batches by a guarded UPDATE; it is noted for each, and its files share its fate.
WITH changed AS (
    {inner}
), noted AS (
    INSERT INTO event (at, batch_id, what, detail)
    SELECT CAST(:at AS DOUBLE PRECISION), id, CAST(:what AS TEXT), CAST(:detail AS TEXT) FROM changed
), filed AS (
    UPDATE file
    SET state = CAST(:file_state AS TEXT)
    WHERE CAST(:file_state AS TEXT) IS NOT NULL AND batch_id IN (SELECT id FROM changed)
)
SELECT
    COUNT(*),
    JSON_AGG(JSON_BUILD_OBJECT('kind', kind, 'key', key)) FILTER (WHERE kind IN ('chunk', 'plan')) AS of_ingestions
FROM changed
