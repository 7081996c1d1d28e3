-- Keys of calls that make no task; row errors of large batches in parts.

ALTER TABLE idempotency
  -- what was answered, zlib, where the call made no task (task_id is 0 then); null for the others
  ADD COLUMN answer MEDIUMBLOB NULL;

ALTER TABLE import_batch
  -- 0 is the batch itself with its counts. Each further part holds row errors alone, with counts of
  -- nothing but their codes: no row of the ledger holds more of them than a page may well unpack.
  ADD COLUMN part SMALLINT UNSIGNED NOT NULL DEFAULT 0 AFTER batch_no,
  DROP PRIMARY KEY,
  ADD PRIMARY KEY (tenant, task_id, batch_no, part);
