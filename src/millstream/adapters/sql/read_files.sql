SELECT pipeline, path, version, size_bytes, state, batch_id, sha256, seen_at
FROM file
WHERE (path = :path OR :path IS NULL)
  AND (pipeline = :pipeline OR :pipeline IS NULL)
  AND (batch_id = :batch_id OR :batch_id IS NULL)
ORDER BY pipeline, path, seen_at, version
