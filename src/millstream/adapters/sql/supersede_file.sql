UPDATE file SET state = 'superseded', batch_id = '' WHERE pipeline = :pipeline AND path = :path AND version = :version
