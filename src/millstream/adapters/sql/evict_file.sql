UPDATE file SET state = :state, batch_id = :batch_id WHERE pipeline = :pipeline AND path = :path AND version = :version
