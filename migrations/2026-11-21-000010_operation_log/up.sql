-- Entries that others submit, and a scan that a person asks for.

ALTER TABLE operation_log
  -- who submitted the entry, where that is not who did it; null where it is, and for those of the house
  ADD COLUMN told_by VARCHAR(128) NULL;

ALTER TABLE lane
  -- how often a person has asked for a scan: a worker that sees it grow looks for due rows at once
  ADD COLUMN scans BIGINT UNSIGNED NOT NULL DEFAULT 0;
