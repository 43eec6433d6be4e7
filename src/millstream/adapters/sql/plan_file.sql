INSERT INTO file
    (pipeline, path, version, size_bytes, mtime_ns, inode, root, name, state, batch_id, seen_at)
VALUES
    (:pipeline, :path, :version, :size_bytes, :mtime_ns, :inode, :root, :name, :state, :batch_id, :at)
ON CONFLICT (pipeline, path, version) DO UPDATE SET state = excluded.state, batch_id = excluded.batch_id
