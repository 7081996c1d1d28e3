ALTER TABLE operation_log DROP COLUMN written_at;
