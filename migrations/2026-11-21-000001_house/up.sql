-- The house (design.md §4). Rules for all tables: times are DATETIME(6) in UTC, written by the
-- database through expression defaults, so that a plain INSERT from a session in any zone is right;
-- keys, names and ids compare as utf8mb4_bin; every table carries its tenant.

CREATE TABLE compensate_biz (
  id                 BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  tenant             VARCHAR(64)  NOT NULL DEFAULT 'default',
  biz_type           VARCHAR(128) NOT NULL,
  biz_id             VARCHAR(128) NOT NULL,
  lane               VARCHAR(249) NOT NULL DEFAULT (CONCAT('quayside.biz.', biz_type)),
  context            LONGTEXT     NOT NULL,
  status             ENUM('WAIT_HANDLE','PROCESSING','SUCCESS','FAILED','CANCELLED')
                                  NOT NULL DEFAULT 'WAIT_HANDLE',
  cnt                INT UNSIGNED NOT NULL DEFAULT 0,
  max_cnt            INT UNSIGNED NULL,
  priority           TINYINT UNSIGNED NOT NULL DEFAULT 0,
  announced          BOOLEAN      NOT NULL DEFAULT FALSE,
  -- "somebody must look at this row then": the one timer of relay, scan and sweep
  wake_at            DATETIME(6)  NULL DEFAULT (UTC_TIMESTAMP(6)),
  lease_epoch        BIGINT UNSIGNED NOT NULL DEFAULT 0,
  lease_owner        VARCHAR(191) NULL,
  hard_deadline      DATETIME(6)  NULL,
  group_id           BIGINT UNSIGNED NULL,
  task_id            BIGINT UNSIGNED NULL,
  last_failed_reason VARCHAR(2000) NULL,
  trace_context      VARCHAR(512) NULL,
  created_by         VARCHAR(128) NULL,
  created_at         DATETIME(6)  NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  updated_at         DATETIME(6)  NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  finished_at        DATETIME(6)  NULL,
  PRIMARY KEY (id),
  UNIQUE KEY tenant_biz (tenant, biz_type, biz_id),
  KEY lane_wake_at (lane, wake_at),
  KEY task_id (task_id),
  KEY group_id (group_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE compensate_biz_attempt (
  id                BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  tenant            VARCHAR(64)  NOT NULL,
  compensate_biz_id BIGINT UNSIGNED NOT NULL,
  epoch             BIGINT UNSIGNED NOT NULL,
  worker            VARCHAR(191) NULL,
  started_at        DATETIME(6)  NULL,
  finished_at       DATETIME(6)  NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  outcome           ENUM('FAILED','LOST') NOT NULL,
  error_class       VARCHAR(64)  NULL,
  error_text        TEXT         NULL,
  trace_id          CHAR(32)     NULL,
  PRIMARY KEY (id),
  KEY tenant_biz (tenant, compensate_biz_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE task (
  id                BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  tenant            VARCHAR(64)  NOT NULL,
  kind              ENUM('EXPORT','IMPORT') NOT NULL,
  dataset           VARCHAR(64)  NOT NULL,
  name              VARCHAR(255) NOT NULL,
  queue             VARCHAR(128) NOT NULL,
  params            LONGTEXT     NOT NULL,
  locale            VARCHAR(35)  NOT NULL,
  status            ENUM('PENDING','PROCESSING','SUCCESS','PARTIAL_SUCCESS','FAILED','CANCELLED')
                                 NOT NULL DEFAULT 'PENDING',
  phase             VARCHAR(32)  NULL,
  total_rows        BIGINT UNSIGNED NULL,
  total_is_estimate BOOLEAN      NOT NULL DEFAULT FALSE,
  done_rows         BIGINT UNSIGNED NOT NULL DEFAULT 0,
  failed_rows       BIGINT UNSIGNED NOT NULL DEFAULT 0,
  skipped_rows      BIGINT UNSIGNED NOT NULL DEFAULT 0,
  warnings          TEXT         NULL,
  retry_count       INT UNSIGNED NOT NULL DEFAULT 0,
  max_retries       INT UNSIGNED NOT NULL DEFAULT 3,
  last_error        TEXT         NULL,
  error_code        VARCHAR(64)  NULL,
  error_msg         VARCHAR(1000) NULL,
  -- hash of an open request; null once the task is final, or when it was to be a second one
  open_key          CHAR(64)     NULL,
  created_by        VARCHAR(128) NOT NULL,
  created_at        DATETIME(6)  NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  started_at        DATETIME(6)  NULL,
  -- speed is rows told at progress_at since attempt_at; another try begins anew
  attempt_at        DATETIME(6)  NULL,
  progress_at       DATETIME(6)  NULL,
  finished_at       DATETIME(6)  NULL,
  version           BIGINT UNSIGNED NOT NULL DEFAULT 1,
  PRIMARY KEY (id),
  UNIQUE KEY tenant_open (tenant, created_by, open_key),
  KEY tenant_user (tenant, created_by, id),
  KEY tenant_id (tenant, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE idempotency (
  id              BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  tenant          VARCHAR(64)  NOT NULL,
  created_by      VARCHAR(128) NOT NULL,
  route           VARCHAR(64)  NOT NULL,
  idempotency_key VARCHAR(128) NOT NULL,
  request_hash    CHAR(64)     NOT NULL,
  task_id         BIGINT UNSIGNED NOT NULL,
  created_at      DATETIME(6)  NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  expires_at      DATETIME(6)  NOT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY tenant_key (tenant, created_by, route, idempotency_key)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE task_file (
  id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  tenant     VARCHAR(64)  NOT NULL,
  task_id    BIGINT UNSIGNED NOT NULL,
  role       ENUM('ARTIFACT','PART','UPLOAD','FAILURES') NOT NULL,
  state      ENUM('PENDING','AVAILABLE','EXPIRED','DELETED') NOT NULL,
  object_key VARCHAR(512) NOT NULL,
  name       VARCHAR(255) NOT NULL,
  size       BIGINT UNSIGNED NOT NULL DEFAULT 0,
  sha256     CHAR(64)     NOT NULL DEFAULT '',
  row_count  BIGINT UNSIGNED NOT NULL DEFAULT 0,
  created_at DATETIME(6)  NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  expires_at DATETIME(6)  NOT NULL,
  PRIMARY KEY (id),
  KEY tenant_task (tenant, task_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE dead_letter (
  id                BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  tenant            VARCHAR(64)  NOT NULL DEFAULT 'default',
  source            ENUM('ROW','MESSAGE') NOT NULL,
  lane              VARCHAR(249) NOT NULL,
  biz_type          VARCHAR(128) NULL,
  compensate_biz_id BIGINT UNSIGNED NULL,
  reason            VARCHAR(64)  NOT NULL,
  detail            TEXT         NULL,
  payload           LONGBLOB     NULL,
  headers           TEXT         NULL,
  status            ENUM('OPEN','REDRIVEN','DISCARDED','PARKED') NOT NULL DEFAULT 'OPEN',
  acted_by          VARCHAR(128) NULL,
  created_at        DATETIME(6)  NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  updated_at        DATETIME(6)  NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  PRIMARY KEY (id),
  KEY tenant_status (tenant, status, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
