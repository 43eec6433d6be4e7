SELECT pipeline, path, version, size_bytes, state, batch_id, sha256, seen_at
FROM file
WHERE (:path IS NULL OR path = :path)
  AND (:pipeline IS NULL OR pipeline = :pipeline)
  AND (:batch_id IS NULL OR batch_id = :batch_id)
ORDER BY pipeline, path, seen_at, version
