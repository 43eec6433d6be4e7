-- Waits for a transaction of that writer which has not ended.
SELECT number FROM writer WHERE author = :author FOR UPDATE
