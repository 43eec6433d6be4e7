DELETE FROM writer WHERE author = :author OR at < now() - INTERVAL '30 days'
