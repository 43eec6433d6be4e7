WITH planned AS (
    INSERT INTO batch
        (id, pipeline, kind, state, records, size_bytes, opened_at, closed_at, not_before, oversize, cost_s, error,
         finished_at)
    VALUES
        (:batch_id, :pipeline, 'bucket', :state, :records, :size_bytes, :at, :at, :not_before, :oversize, :cost_s,
         :error, CASE WHEN CAST(:state AS TEXT) = 'dead' THEN CAST(:at AS DOUBLE PRECISION) END)
    ON CONFLICT (id) DO NOTHING
    RETURNING id
)
INSERT INTO file
    (pipeline, path, version, size_bytes, mtime_ns, inode, root, name, state, batch_id, seen_at)
SELECT CAST(:pipeline AS TEXT), listed.*, CAST(:file_state AS TEXT), planned.id, CAST(:at AS DOUBLE PRECISION)
FROM planned
CROSS JOIN JSON_TO_RECORDSET(CAST(:files AS JSON)) AS listed
    (path TEXT, version TEXT, size_bytes BIGINT, mtime_ns BIGINT, inode BIGINT, root TEXT, name TEXT)
ON CONFLICT (pipeline, path, version) DO UPDATE SET state = excluded.state, batch_id = excluded.batch_id
