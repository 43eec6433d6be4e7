SELECT 1 FROM file WHERE pipeline = :pipeline AND path = :path AND version = :version
