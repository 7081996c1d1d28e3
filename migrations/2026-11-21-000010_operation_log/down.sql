ALTER TABLE lane DROP COLUMN scans;
ALTER TABLE operation_log DROP COLUMN told_by;
