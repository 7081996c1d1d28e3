-- When an entry was written: the order of the ids. `created_at` is when the act was done, which of what
-- comes as work may be long before. Null in entries from before this column. Two statements, so that
-- neither rewrites the table.

ALTER TABLE operation_log ADD COLUMN written_at DATETIME(6) NULL;

ALTER TABLE operation_log ALTER COLUMN written_at SET DEFAULT (UTC_TIMESTAMP(6));
