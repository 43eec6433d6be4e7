SELECT path, size_bytes, mtime_ns, inode, root, name FROM file WHERE batch_id = :batch_id ORDER BY path
