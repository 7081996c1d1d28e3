-- Imports: groups of rows with a joint end, the ledger of batches, uploads before their task.

CREATE TABLE compensate_group (
  id               BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  tenant           VARCHAR(64)  NOT NULL,
  task_id          BIGINT UNSIGNED NULL,
  -- rows that belong to it, and how many of them stand at their end in which way
  total            INT UNSIGNED NOT NULL DEFAULT 0,
  succeeded        INT UNSIGNED NOT NULL DEFAULT 0,
  dead             INT UNSIGNED NOT NULL DEFAULT 0,
  cancelled        INT UNSIGNED NOT NULL DEFAULT 0,
  -- no more rows will be added
  sealed           BOOLEAN      NOT NULL DEFAULT FALSE,
  -- raised by a redrive; ended_generation follows when the group ends, once for each
  generation       INT UNSIGNED NOT NULL DEFAULT 1,
  ended_generation INT UNSIGNED NOT NULL DEFAULT 0,
  -- JSON: the rows to insert when it ends; their biz_id is <group>/<generation>
  on_finished      LONGTEXT     NULL,
  created_at       DATETIME(6)  NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  updated_at       DATETIME(6)  NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  PRIMARY KEY (id),
  KEY tenant_task (tenant, task_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The ledger: one row for each batch that has been applied, committed with the rows that it counts.
-- The counts of an open import are sums over it, so there is no hot counter and nothing to drift.
CREATE TABLE import_batch (
  tenant     VARCHAR(64)  NOT NULL,
  task_id    BIGINT UNSIGNED NOT NULL,
  batch_no   INT UNSIGNED NOT NULL,
  -- numbers of the first and the last sheet row of the batch
  first_row  INT UNSIGNED NOT NULL,
  last_row   INT UNSIGNED NOT NULL,
  -- inserted + updated, or valid rows where nothing is to be written
  done       INT UNSIGNED NOT NULL,
  inserted   INT UNSIGNED NOT NULL,
  updated    INT UNSIGNED NOT NULL,
  failed     INT UNSIGNED NOT NULL,
  skipped    INT UNSIGNED NOT NULL,
  -- JSON object: row code to number of errors; null when there are none
  by_code    VARCHAR(640) NULL,
  -- zlib of a JSON array of RowErrors in sheet order; null when there are none
  row_errors LONGBLOB     NULL,
  created_at DATETIME(6)  NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  PRIMARY KEY (tenant, task_id, batch_no),
  -- all that the sums need, so that a poll does not read the row errors
  KEY sums (tenant, task_id, done, inserted, updated, failed, skipped, created_at, by_code)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

ALTER TABLE task
  -- the group of an import's batches; null before its file has been read
  ADD COLUMN group_id BIGINT UNSIGNED NULL,
  -- the import whose failure workbook this one brings back, mended
  ADD COLUMN mends    BIGINT UNSIGNED NULL,
  -- by_code of all batches, once the import is final
  ADD COLUMN errors_by_code TEXT NULL;

ALTER TABLE task_file
  -- an upload is there before its task
  MODIFY COLUMN task_id BIGINT UNSIGNED NULL,
  ADD COLUMN created_by VARCHAR(128) NULL,
  -- uploads that are under way (role UPLOAD, state PENDING), for their limit and for the sweep
  ADD KEY tenant_user_state (tenant, created_by, state);
