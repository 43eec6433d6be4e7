-- The batches that another statement finds, each bucket together with its files.
SELECT found.*,
    CASE WHEN found.kind = 'bucket' THEN (
        SELECT JSON_AGG(JSON_BUILD_OBJECT('path', path, 'size_bytes', size_bytes, 'mtime_ns', mtime_ns,
                                          'inode', inode, 'root', root, 'name', name) ORDER BY path)
        FROM file
        WHERE batch_id = found.id
    ) END AS files
FROM (
    {inner}
) AS found
