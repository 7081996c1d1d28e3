DELETE FROM import_batch WHERE part > 0;
ALTER TABLE import_batch
  DROP PRIMARY KEY,
  ADD PRIMARY KEY (tenant, task_id, batch_no),
  DROP COLUMN part;
DELETE FROM idempotency WHERE answer IS NOT NULL;
ALTER TABLE idempotency DROP COLUMN answer;
